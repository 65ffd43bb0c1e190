"""Which pictures share a sheet, and what the caption of a long prompt keeps."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from runner.analysis.grids.layout import Sheet, Tile, by_axes
from runner.analysis.grids.shots import CellShots, Shot
from runner.errors import ConfigError


def cells() -> list[CellShots]:
    """A sweep over an element of a list: `seeds.0` says what `seed` says."""
    made = []
    for number, (seed, scheduler) in enumerate(itertools.product("12", ("ddim", "ddpm"))):
        values = {
            "cell": str(number), "seeds.0": seed, "scheduler": scheduler, "prompt": "a circle",
            "seed": seed,
        }  # fmt: skip
        made.append(CellShots("", {}, (Shot(Path(f"{number}.png"), values),)))
    return made


def test_what_another_axis_says_makes_no_sheets_of_its_own() -> None:
    (sheet,) = by_axes(cells(), ["seeds.0"], ["scheduler"])
    assert [[isinstance(tile, Tile) for tile in row.tiles] for row in sheet.rows] == [
        [True, True]
    ] * 2
    sheets: list[Sheet] = by_axes(cells(), ["scheduler"], ["prompt"])
    assert [sheet.name for sheet in sheets] == ["seeds.0 = 1", "seeds.0 = 2"]


@pytest.mark.parametrize(
    ("rows", "columns", "sheets", "said"),
    [
        ("scheduler", "scheduler", [], "columns=scheduler: is named for rows already"),
        ("scheduler", "seed", ["seed"], "sheets=seed: is named for columns already"),
        ("seeds.0", "seed", [], "columns=seed: goes with seeds.0: each row and each column"),
        ("schedler", "seed", [], "rows=schedler: is no axis"),
    ],
)
def test_axes_that_would_show_nothing_are_refused(
    rows: str, columns: str, sheets: list[str], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        by_axes(cells(), [rows], [columns], sheets)
