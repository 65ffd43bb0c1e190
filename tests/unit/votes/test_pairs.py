"""Which pairs are shown: balanced, the same for all voters, each in their own order."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from helpers.made_sweeps import Made, write_sweep
from runner.analysis.reading import read_results
from runner.analysis.votes.pairs import Pair, Schedule, make_schedule
from runner.errors import ConfigError
from unit.votes.conftest import PROMPTS


def schedule(folder: Path, by: list[str] | None = None, limit: int | None = None) -> Schedule:
    return make_schedule(read_results(folder), by, limit)


def marks(pairs: list[Pair]) -> list[str]:
    return [pair.mark for pair in pairs]


def cells(pair: Pair) -> tuple[str, str]:
    one, other = (image.file.parent.name for image in pair.images)
    return one, other


def test_all_pairs_of_settings_within_prompt_and_seed(sweep: Path) -> None:
    found = schedule(sweep)
    pairs = found.for_voter("ann")
    assert len(found) == len(pairs) == len(set(marks(pairs))) == 3 * 16
    for pair in pairs:
        one, other = pair.images
        assert (one.prompt, one.seed) == (other.prompt, other.seed)
        assert pair.prompt == one.prompt
    assert set(Counter(map(cells, pairs)).values()) == {16}


def test_as_far_as_anybody_comes_settings_and_prompts_are_balanced(tmp_path: Path) -> None:
    axes = {"scheduler": tuple("abcde"), "decoder.steps": ("1", "2")}
    folder = write_sweep(tmp_path, Made(axes=axes, prompts=PROMPTS)).resolve()
    for limit in (5, 20, 60):
        pairs = schedule(folder, ["scheduler"], limit).for_voter("ann")
        assert len(pairs) == limit
        # Two cells have one scheduler. Of five one has to wait in each round.
        met = Counter(int(cell[:4]) // 2 for pair in pairs for cell in cells(pair))
        assert max(met.values()) - min(met.values()) <= 2
    assert max(Counter(pair.prompt for pair in pairs).values()) <= 14
    couples = Counter(frozenset(int(cell[:4]) // 2 for cell in cells(pair)) for pair in pairs)
    assert set(couples.values()) == {6}


def test_voters_see_the_same_pairs_in_their_own_order(sweep: Path) -> None:
    ann, ben = (schedule(sweep, limit=24).for_voter(name) for name in ("ann", "ben"))
    assert marks(schedule(sweep, limit=24).for_voter("ann")) == marks(ann)
    assert marks(ann) != marks(ben)
    assert set(marks(ann)) == set(marks(ben))
    # Also those who stop early: what is shuffled together is a dozen pairs.
    assert set(marks(ann[:12])) == set(marks(ben[:12]))
    assert marks(ann)[:12] != marks(schedule(sweep).for_voter("eve"))[:12]
    every = schedule(sweep).for_voter("ann")
    for voter in ("ann", "ben"):
        assert 12 <= sum(pair.is_turned(voter) for pair in every) <= 36
    assert [p.is_turned("ann") for p in every] != [p.is_turned("ben") for p in every]


def test_where_prompts_are_compared_they_are_not_told(tmp_path: Path) -> None:
    axes = {"prompt": ("a", "b")}
    folder = write_sweep(tmp_path, Made(axes=axes, prompts=("one",), seeds=(0, 1))).resolve()
    assert {pair.prompt for pair in schedule(folder, ["prompt"]).for_voter("ann")} == {None}


def test_the_same_pixels_are_not_shown(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path, Made(axes={"a": ("1", "2", "3")})).resolve()
    shutil.copytree(folder / "0000_cell", folder / "0001_cell", dirs_exist_ok=True)
    found = schedule(folder)
    assert (len(found), found.alike) == (8, 4)
    shutil.copytree(folder / "0000_cell", folder / "0002_cell", dirs_exist_ok=True)
    with pytest.raises(ConfigError, match="all pairs have the same pixels"):
        schedule(folder)


@pytest.mark.parametrize(
    ("made", "by", "said"),
    [
        (Made(axes={"a": ("1",)}), None, "has a single cell"),
        (Made(), ["sampler"], "by=sampler: is no axis of this sweep"),
    ],
    ids=["a single cell", "no axis"],
)
def test_what_cannot_be_voted_on_is_refused(
    tmp_path: Path, made: Made, by: list[str] | None, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        schedule(write_sweep(tmp_path, made).resolve(), by)
