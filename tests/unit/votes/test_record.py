"""votes.jsonl: what is kept, whatever happens."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from runner.analysis.votes.record import (
    VOTES,
    Answer,
    Shown,
    Vote,
    append_vote,
    append_withdrawal,
    new_vote,
    read_votes,
)
from runner.errors import ConfigError, StorageError

A, B, C = (Shown(f"000{n}_cell/a.png", f"sha{n}") for n in range(3))


def vote(answer: Answer, voter: str = "ann", pair: tuple[Shown, Shown] = (A, B)) -> Vote:
    return new_vote(voter, "Which?", "a red circle", 3, pair, answer)


def kept(folder: Path) -> list[tuple[str, str]]:
    return [(one.voter, one.answer.value) for one in read_votes(folder).votes]


def test_a_vote_is_a_line_of_json_that_says_it_all(tmp_path: Path) -> None:
    assert read_votes(tmp_path).votes == ()
    given = vote(Answer.right)
    append_vote(tmp_path, given)
    (line,) = (tmp_path / VOTES).read_text(encoding="utf-8").splitlines()
    assert json.loads(line) == {
        "version": 1, "id": given.id, "time": given.time, "voter": "ann", "question": "Which?",
        "prompt": "a red circle", "seed": 3, "answer": "right",
        "left": {"file": "0000_cell/a.png", "sha256": "sha0"},
        "right": {"file": "0001_cell/a.png", "sha256": "sha1"},
    }  # fmt: skip
    assert given.time.endswith("+00:00")
    assert read_votes(tmp_path).votes == (given,)
    assert given.preferred == B


def test_the_last_word_of_a_voter_on_a_pair_counts(tmp_path: Path) -> None:
    for given in (
        vote(Answer.left), vote(Answer.tie, "ben"), vote(Answer.left, pair=(A, C)),
        vote(Answer.left, pair=(B, A)),
    ):  # fmt: skip
        append_vote(tmp_path, given)
    votes = read_votes(tmp_path).votes
    assert [(one.voter, one.preferred) for one in votes] == [("ben", None), ("ann", A), ("ann", B)]


def test_what_is_taken_back_was_never_said(tmp_path: Path) -> None:
    first, second = vote(Answer.left), vote(Answer.right)
    append_vote(tmp_path, first)
    append_vote(tmp_path, second)
    append_withdrawal(tmp_path, second)
    assert read_votes(tmp_path).votes == (first,)
    append_withdrawal(tmp_path, first)
    assert kept(tmp_path) == []
    assert len((tmp_path / VOTES).read_text().splitlines()) == 4


def test_broken_lines_cost_no_other(tmp_path: Path) -> None:
    append_vote(tmp_path, vote(Answer.left))
    good = (tmp_path / VOTES).read_text()
    wrong = good.replace('"left",', '"up",').replace('"answer": "left"', '"answer": "up"')
    outside = good.replace("0000_cell/a.png", "../../a.png")
    newer = good.replace('"version": 1', '"version": 2')
    (tmp_path / VOTES).write_text(f"{wrong}{outside}{newer}\xff\n\n[]\n{good[:60]}")
    append_vote(tmp_path, vote(Answer.tie, "ben"))
    found = read_votes(tmp_path)
    assert kept(tmp_path) == [("ben", "tie")]
    assert found.unreadable == (1, 2, 3, 4, 6, 7)


PROGRAM = """
import sys
from pathlib import Path
from runner.analysis.votes.record import Answer, Shown, append_vote, new_vote
for n in range(100):
    shown = (Shown(f"a/{n}.png", "1"), Shown(f"b/{n}.png", "2"))
    append_vote(Path(sys.argv[1]), new_vote(sys.argv[2], "Which?", "p" * n, n, shown, Answer.left))
"""


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    running = [subprocess.Popen([*command, name]) for name in ("ann", "ben", "eve")]
    assert [one.wait() for one in running] == [0, 0, 0]
    found = read_votes(tmp_path)
    assert (len(found.votes), found.unreadable) == (300, ())


def test_nothing_is_written_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / VOTES).symlink_to(tmp_path / "outside.txt")
    with pytest.raises(StorageError, match="cannot write"):
        append_vote(tmp_path / "sweep", vote(Answer.left))
    assert not (tmp_path / "outside.txt").exists()
    with pytest.raises(ConfigError, match="cannot be read"):
        read_votes(tmp_path / "sweep")
    with pytest.raises(StorageError, match="cannot write"):
        append_vote(tmp_path / "gone", vote(Answer.left))
