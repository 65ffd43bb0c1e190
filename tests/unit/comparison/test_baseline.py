"""Which setting the others are compared with."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from helpers.fake_sweeps import Choice, sweep_of
from runner.analysis.comparison.comparing import compare
from runner.errors import ConfigError

AXES = {"scheduler": ("ddim", "ddpm"), "steps": ("5", "10")}
ALL = {"scheduler": "ddpm", "steps": "10"}


def quality(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
    return {"quality": float(seed)}


@pytest.mark.parametrize("said", ["scheduler=ddpm steps=10", ["scheduler=ddpm", "steps=10"]])
def test_the_sweeps_own_is_taken(said: object) -> None:
    found = compare(sweep_of(AXES, quality, baseline=said))
    assert found.baseline == ALL
    assert not any(note.startswith("Baseline") for note in found.notes)


def test_of_the_sweeps_own_only_the_compared_axes_count() -> None:
    results = sweep_of(AXES, quality, baseline="scheduler=ddpm steps=10")
    assert compare(results, by=["scheduler"]).baseline == {"scheduler": "ddpm"}


def test_a_value_with_spaces_is_found() -> None:
    axes = {"negative_prompt": ("red", "blue and green")}
    results = sweep_of(axes, quality, baseline=["negative_prompt=blue and green"])
    assert compare(results).baseline == {"negative_prompt": "blue and green"}


def test_what_is_asked_for_goes_before_it() -> None:
    results = sweep_of(AXES, quality, baseline="scheduler=ddim steps=5")
    assert compare(results, baseline=["scheduler=ddpm", "steps=10"]).baseline == ALL


def test_where_nothing_is_named_it_is_the_first_cell_and_told() -> None:
    found = compare(sweep_of(AXES, quality))
    assert found.baseline == {"scheduler": "ddim", "steps": "5"}
    assert found.notes[0].startswith("Baseline: scheduler=ddim steps=5, since")


@pytest.mark.parametrize("own", [True, False])
def test_what_names_some_axes_compares_these_at_equal_others(own: bool) -> None:
    def steps_alone(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
        return {"quality": float(choice["steps"]) + seed}

    results = sweep_of(AXES, steps_alone, baseline="scheduler=ddpm" if own else None)
    found = compare(results, baseline=None if own else ["scheduler=ddpm"])
    assert found.by == ("scheduler",)
    assert found.baseline == {"scheduler": "ddpm"}
    (row,) = [row for row in found.metrics["quality"].rows if row.choice == {"scheduler": "ddim"}]
    assert row.difference == 0  # at equal steps there is none
    assert "The baseline names scheduler alone: all is compared at equal steps." in found.notes


def test_where_all_axes_are_asked_for_the_rest_of_it_is_that_of_the_first_cell() -> None:
    found = compare(sweep_of(AXES, quality), by=["scheduler", "steps"], baseline=["steps=10"])
    assert found.baseline == {"scheduler": "ddim", "steps": "10"}
    assert found.notes[0].startswith("Baseline: scheduler=ddim, since")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["steps=7"], "steps=7: is in no cell of this sweep\n  allowed: steps=5, steps=10"),
        (["scheduler"], "is no override"),
        (["eta=1"], "eta: is none of the axes that are compared\n  allowed: scheduler, steps"),
        (["steps=5", "steps=10"], "two of one key"),
        (["steps=10", "scheduler=ddpm"], "has no picture yet"),
    ],
)
def test_others_are_refused(given: Sequence[str], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        compare(sweep_of(AXES, quality, pending=[3]), baseline=given)
    assert said in str(refused.value)
    assert refused.value.exit_status == 2
