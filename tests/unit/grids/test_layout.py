"""Which pictures share a sheet, and what the caption of a long prompt keeps."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from runner.analysis.grids.layout import Gap, Sheet, Tile, by_axes, by_cell, texts_of
from runner.analysis.grids.naming import names_of
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


def made(*choices: dict[str, str], lacks: str = "") -> list[CellShots]:
    """Cells of these values, a picture each; one that lacks its picture has none."""
    cells = []
    for number, choice in enumerate(choices):
        values = {"cell": str(number), **choice, "prompt": "a circle", "seed": "1"}
        shots = () if lacks else (Shot(Path(f"{number}.png"), values),)
        cells.append(CellShots("2.2", {}, shots, choice, lacks))
    return cells


def test_several_axes_are_nested_and_empty_places_say_why() -> None:
    cells = made(
        {"scheduler": "ddpm", "steps": "5", "eta": "0"},
        {"scheduler": "ddim", "steps": "5", "eta": "1"},
        {"scheduler": "ddpm", "steps": "9", "eta": "1"},
        {"scheduler": "lcm", "steps": "5"},
    )
    cells += made({"scheduler": "ddim", "steps": "9", "eta": "0"}, lacks="failed")
    (sheet,) = by_axes(cells, ["scheduler", "eta"], ["steps"])
    assert sheet.columns == (("steps = 5",), ("steps = 9",))
    assert [row.labels for row in sheet.rows] == [
        ("ddpm", "eta = 0"), ("ddpm", "eta = 1"), ("ddim", "eta = 0"), ("ddim", "eta = 1"),
        ("lcm", ""),
    ]  # fmt: skip
    shown = [
        [tile.why if isinstance(tile, Gap) else tile.file.stem for tile in row.tiles]
        for row in sheet.rows
    ]
    none = "not in the sweep"
    assert shown == [["0", none], [none, "2"], [none, "failed"], ["1", none], ["3", none]]


def test_a_prompt_that_a_rows_label_says_is_in_no_caption() -> None:
    (cell,) = made({"prompt": "a circle"})
    again = replace(cell.shots[0], values={**cell.shots[0].values, "seed": "2"})
    sheet = by_cell([replace(cell, shots=(*cell.shots, again)), *made({"scheduler": "ddim"})])
    assert list(texts_of(sheet)) == [
        "",
        "2.2, a circle",
        "seed 1",
        "seed 2",
        "2.2, ddim",
        "a circle",
    ]


@pytest.mark.parametrize(
    ("asked", "pair", "said"),
    [
        ([], ("scheduler", "ddim"), "ddim"),
        ([], ("decoder.steps", "4"), "decoder.steps = 4"),
        ([], ("prior.scale", "4"), "scale = 4"),
        ([], ("model", "kandinsky2_2"), "Kandinsky 2.2"),
        ([], ("negative_prompt", ""), 'negative_prompt = ""'),
        (["ddim=DDIM"], ("scheduler", "ddim"), "DDIM"),
        (["scheduler=sampler"], ("scheduler", "ddim"), "sampler = ddim"),
        (["scale=w"], ("prior.scale", "4"), "w = 4"),
        (["scale="], ("prior.scale", "4"), "4"),
        (["scale=4=weak"], ("prior.scale", "4"), "weak"),
        (["a=b=c"], ("prompt", "a=b"), "c"),
    ],
)
def test_names_are_short_and_the_users_own(
    asked: list[str], pair: tuple[str, str], said: str
) -> None:
    values = {
        "scheduler": "ddim", "decoder.steps": "4", "prior.steps": "4", "prior.scale": "4",
        "model": "kandinsky2_2", "negative_prompt": "", "prompt": "a=b", "seed": "1",
    }  # fmt: skip
    cell = CellShots("", {}, (Shot(Path("x.png"), values),), values)
    assert names_of([cell], asked).said(*pair) == said


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
