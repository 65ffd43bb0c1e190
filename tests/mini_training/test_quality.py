"""Images of the shipped weights, evaluated from the pixels by the strict judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
import torch

from runner.mini.known import read_known
from runner.weights.find import MINI_DIR
from training.evaluate import Pair, Row, draw, pairs_of
from training.judging.judge import judge, matches
from training.judging.pipelines import Pipelines


def held_out_pairs(count: int) -> list[Pair]:
    return pairs_of(Row(), count, read_known(MINI_DIR))


@pytest.fixture
def pipelines() -> Pipelines:
    """The shipped family; fresh for each test, since drawing may swap the scheduler."""
    torch.set_num_threads(1)
    return Pipelines(MINI_DIR)


def right(
    pipelines: Pipelines, pairs: Sequence[Pair], scheduler: str, version: str = "2.2"
) -> Counter[str]:
    """Of each attribute, how many pictures show what was asked for."""
    images = draw(pipelines, pairs, Row(version, scheduler=scheduler))
    counts: Counter[str] = Counter()
    for image, (_, _, asked) in zip(images, pairs, strict=True):
        verdict = judge(image)
        counts.update(name for name, good in matches(verdict, asked).items() if good)
        wanted = [said.shape for said in asked.objects]
        counts["nearest shape"] += [one.likest for one in verdict.objects] == wanted
    return counts


def test_a_few_held_out_pairs_are_drawn_right(pipelines: Pipelines) -> None:
    counts = right(pipelines, held_out_pairs(8), "ddim")
    for attribute in ("background", "count", "colour", "nearest shape", "all"):
        assert counts[attribute] >= 7, counts


@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "scheduler"), [("2.2", "ddpm"), ("2.1", "ddim"), ("2.0", "ddim")]
)
def test_held_out_pairs_are_drawn_right(pipelines: Pipelines, version: str, scheduler: str) -> None:
    # `make table` draws them all.
    counts = right(pipelines, held_out_pairs(8), scheduler, version)
    least = 6 if version == "2.0" else 7  # which is trained least
    for attribute in ("background", "count", "colour", "nearest shape"):
        assert counts[attribute] >= least, counts
    # The strict judge wants outlines within about a pixel.
    assert counts["all"] >= least, counts


def test_held_out_pairs_are_fixed_distinct_and_cover_what_was_held_out() -> None:
    pairs = held_out_pairs(100)
    assert pairs == held_out_pairs(100)
    assert pairs[:6] == held_out_pairs(6)
    assert len({seed for _, seed, _ in pairs}) == 100
    looks = {(o.shape, o.colour, asked.background) for _, _, asked in pairs for o in asked.objects}
    assert looks == {tuple(held_out) for held_out in read_known(MINI_DIR).held_out}
    for prompt, _, asked in pairs:
        (only,) = asked.objects
        said = prompt.replace("grey", "gray")
        for other in ("half circle", "semicircle"):
            said = said.replace(other, "half-circle")
        assert {only.shape, only.colour, asked.background} <= set(said.split())
