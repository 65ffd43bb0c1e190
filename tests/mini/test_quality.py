"""What the shipped weights draw, read from the pixels by the strict judge."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from runner.mini.evaluate import Pair, Pipelines, Settings, draw, held_out_pairs, load_pipelines
from runner.mini.judge import judge, matches
from runner.mini.vocabulary import HELD_OUT


@pytest.fixture
def pipelines() -> Pipelines:
    """The shipped family; fresh for each test, since drawing may swap the scheduler."""
    torch.set_num_threads(1)
    return load_pipelines()


def right(pipelines: Pipelines, pairs: Sequence[Pair], scheduler: str) -> int:
    images = draw(pipelines, pairs, Settings(scheduler))
    return sum(
        matches(judge(image), asked)["all"]
        for image, (_, _, asked) in zip(images, pairs, strict=True)
    )


def test_a_few_held_out_pairs_are_drawn_right(pipelines: Pipelines) -> None:
    assert right(pipelines, held_out_pairs(6), "ddim") >= 5


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", ["ddim", "ddpm"])
def test_held_out_pairs_are_drawn_right(pipelines: Pipelines, scheduler: str) -> None:
    assert right(pipelines, held_out_pairs(100), scheduler) >= 95


def test_held_out_pairs_are_fixed_distinct_and_cover_what_was_held_out() -> None:
    pairs = held_out_pairs(100)
    assert pairs == held_out_pairs(100)
    assert pairs[:6] == held_out_pairs(6)
    assert len({seed for _, seed, _ in pairs}) == 100
    assert {asked for _, _, asked in pairs} == HELD_OUT
    for prompt, _, asked in pairs:
        words = set(prompt.replace("grey", "gray").split())
        assert set(asked) <= words
