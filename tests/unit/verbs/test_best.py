"""The cells of a search's best trials."""

from __future__ import annotations

import pytest

from runner.verbs.best import _has


@pytest.mark.parametrize(
    ("override", "value", "has"),
    [
        ("negative_prompt=", "", True),
        ("negative_prompt=''", "", True),
        ("negative_prompt=blue", "", False),
        ("decoder.guidance_scale=4", 4.0, True),
    ],
)
def test_a_cell_has_the_values_of_a_trial_however_they_are_written(
    override: str, value: object, has: bool
) -> None:
    assert _has([override], {override.partition("=")[0]: value}) is has
