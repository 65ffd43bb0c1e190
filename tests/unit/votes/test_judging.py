"""From votes in a sweep's folder to `kandinsky compare`, its files, and the page."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from runner.analysis.reading import read_results
from runner.analysis.report.writing import write_report
from runner.analysis.results import ImageResult
from runner.analysis.votes.pairs import make_schedule
from runner.analysis.votes.record import VOTES, Answer, append_vote, new_vote
from runner.analysis.voting.ballots import Ballots
from runner.recording.manifest import MANIFEST
from unit.conftest import Command
from unit.votes.conftest import SCHEDULERS

QUESTION = "Which | is <b>better</b> & $why_1$ 50%?"
FILES = {"votes.md", "votes.csv", "votes.tex", "votes.json"}


def rank(image: ImageResult) -> int:
    """The later the scheduler, the better."""
    return int(image.file.parent.name[:4])


def vote_on(folder: Path, voter: str, *, best: bool = True, question: str = QUESTION) -> None:
    """A voter who prefers the later scheduler, or with `best=False` the left picture; one of
    prompt 0 is a tie.
    """
    for pair in make_schedule(read_results(folder)).for_voter(voter):
        turned = pair.is_turned(voter)
        images = pair.images[::-1] if turned else pair.images
        shown = pair.shown[::-1] if turned else pair.shown
        left = not best or rank(images[0]) > rank(images[1])
        answer = Answer.left if left else Answer.right
        if (pair.prompt, images[0].seed) == ("prompt 0", 0):
            answer = Answer.tie
        append_vote(
            folder,
            new_vote(
                voter, question, images[0].prompt, images[0].seed, (shown[0], shown[1]), answer
            ),
        )


def votes_json(folder: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((folder / "comparison" / "votes.json").read_text())
    return content


def test_compare_prints_and_writes_the_votes(sweep: Path, command: Command) -> None:
    vote_on(sweep, "ann")
    vote_on(sweep, "ben")
    said = command("compare", str(sweep), "--baseline", "ddpm")
    assert (said.status, said.err) == (0, "")
    assert max(map(len, said.out.splitlines())) <= 80 + len(str(sweep))
    flat = " ".join(said.out.split())
    assert f"Votes on made by scheduler; baseline scheduler=ddpm {QUESTION}" in flat
    assert "96 blind votes of 2 voters on 48 pairs of pictures" in flat
    assert (
        "48 pairs had several voters: 100 % of their answers agree; Krippendorff's alpha 1" in flat
    )
    rows = {
        row["scheduler"]: row for row in csv.DictReader((sweep / "comparison/votes.csv").open())
    }
    assert [rows[name]["verdict"] for name in SCHEDULERS] == ["worse", "baseline", "better"]
    assert [(rows[n]["won"], rows[n]["tied"], rows[n]["lost"]) for n in SCHEDULERS] == [
        ("0", "4", "60"), ("30", "4", "30"), ("60", "4", "0"),
    ]  # fmt: skip
    assert float(rows["ddpm"]["strength"]) == 0
    assert float(rows["lcm"]["strength"]) == pytest.approx(-float(rows["ddim"]["strength"]))
    assert float(rows["lcm"]["preferred"]) > 0.9
    assert {file.name for file in (sweep / "comparison").iterdir()} >= FILES
    assert r"\| is \<b\>better" in (sweep / "comparison/votes.md").read_text()
    assert r"50\%" in (sweep / "comparison/votes.tex").read_text()
    kept = json.dumps(votes_json(sweep))
    assert "ann" not in kept  # who voted is not shared with the page
    # Looking at one metric prints no votes, and keeps them.
    said = command("compare", str(sweep), "--metrics", "ssim")
    assert "Votes" not in said.out
    assert "votes.json" in {file.name for file in (sweep / "comparison").iterdir()}


def test_voters_who_disagree_and_take_the_left_are_told(sweep: Path, command: Command) -> None:
    for voter in ("ann", "ben"):
        vote_on(sweep, voter, best=False)
    flat = " ".join(command("compare", str(sweep)).out.split())
    assert "The left picture was preferred in 100 %" in flat
    assert "voters prefer a side" in flat
    assert "better" not in flat.partition("Votes on")[2].replace(QUESTION, "")


def test_votes_on_pictures_drawn_anew_do_not_count(sweep: Path, command: Command) -> None:
    vote_on(sweep, "ann")
    file = sweep / "0002_cell" / MANIFEST
    content = json.loads(file.read_text())
    content["images"][0]["sha256"] = "another"
    file.write_text(json.dumps(content))
    with (sweep / VOTES).open("a") as votes:
        votes.write('{"half a li')
    said = command("compare", str(sweep))
    assert said.status == 0
    found = votes_json(sweep)
    # Two of the 48 pairs had that picture.
    assert found["questions"][0]["votes"] == 46  # type: ignore[index]
    assert found["warnings"] == [
        "2 votes not counted: a picture was drawn anew since",
        "1 line of votes.jsonl cannot be read",
    ]
    assert "2 votes not counted" in said.err
    # By other cells, and other questions.
    vote_on(sweep, "ben", question="And now?")
    flat = " ".join(command("compare", str(sweep), "--where", "scheduler=ddim", "scheduler=ddpm")
                    .out.split())  # fmt: skip
    assert "not counted: on no pair of these settings" in flat
    assert "And now?" in flat


def test_pictures_are_found_by_their_pixels(sweep: Path, command: Command) -> None:
    vote_on(sweep, "ann")
    # As in a sweep that was merged into another one.
    record = json.loads((sweep / "sweep.json").read_text())
    for number, cell in enumerate(record["cells"]):
        cell["folder"] = f"{number + 7:04d}_moved"
        (sweep / f"{number:04d}_cell").rename(sweep / cell["folder"])
    (sweep / "sweep.json").write_text(json.dumps(record))
    said = command("compare", str(sweep))
    assert (said.status, said.err) == (0, "")
    assert votes_json(sweep)["questions"][0]["votes"] == 48  # type: ignore[index]
    results = read_results(sweep)
    done = Ballots(results, QUESTION, make_schedule(results)).state("ann")
    assert (done["done"], done["pairs"]) == (48, [])


def test_without_votes_nothing_of_them_is_left(sweep: Path, command: Command) -> None:
    vote_on(sweep, "ann")
    command("compare", str(sweep))
    (sweep / VOTES).unlink()
    said = command("compare", str(sweep))
    assert "Votes" not in said.out
    assert not FILES & {file.name for file in (sweep / "comparison").iterdir()}


def test_the_page_has_them_and_says_when_there_are_more(sweep: Path, command: Command) -> None:
    assert write_report(sweep).facts.votes is None
    vote_on(sweep, "ann")
    command("compare", str(sweep))
    votes = write_report(sweep).facts.votes
    assert votes is not None
    assert votes["outdated"] is False
    assert votes["questions"][0]["question"] == QUESTION
    assert votes["questions"][0]["rows"][2]["choice"] == (("scheduler", "lcm"),)
    assert command("report", str(sweep)).err == ""
    vote_on(sweep, "ben")
    votes = write_report(sweep).facts.votes
    assert votes is not None
    assert votes["outdated"] is True
    assert "changed since votes were counted; anew: " in command("report", str(sweep)).err


def test_the_table_of_pictures_has_what_each_won(sweep: Path, command: Command) -> None:
    assert "won" not in command("table", str(sweep)).out
    vote_on(sweep, "ann")
    rows = list(csv.DictReader(command("table", str(sweep)).out.splitlines()))
    of_prompt_1 = [row for row in rows if (row["prompt"], row["seed"]) == ("prompt 1", "0")]
    counts = [(row["won"], row["tied"], row["lost"]) for row in of_prompt_1]
    assert counts == [("0", "0", "2"), ("1", "0", "1"), ("2", "0", "0")]
    assert (rows[0]["won"], rows[0]["tied"], rows[0]["lost"]) == ("0", "2", "0")
