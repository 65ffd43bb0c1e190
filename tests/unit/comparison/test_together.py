"""Several sweeps compared as one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers.fake_sweeps import Choice, sweep_of, write_results
from runner.analysis.results import SweepResult
from runner.analysis.together import combined
from runner.recording.manifest import SavedTiming
from unit.conftest import Command, assert_refused


def with_config(
    made: SweepResult, config: Mapping[str, Any], typed: tuple[str, ...] = ()
) -> SweepResult:
    """The sweep with a config, and overrides that are the same in all its cells."""
    cells = []
    for cell in made.cells:
        assert cell.manifest is not None
        manifest = replace(cell.manifest, config={**cell.config, **config})
        cells.append(replace(cell, manifest=manifest, overrides=(*cell.overrides, *typed)))
    return replace(made, cells=tuple(cells))


def sweep(
    folder: Path, scheduler: str, gain: float, steps: int = 10, typed: bool = True
) -> SweepResult:
    """Over the guidance, with one scheduler."""

    def score(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
        own = seed + 10 * float(choice["guidance"]) + (seed % 3) * gain / 100
        return {"quality": own + gain, "seconds": 1.0}

    timing = SavedTiming(attempt=f"{folder}.1", workers=1, stored=[], first_calls=[])
    made = sweep_of(
        {"guidance": ("1", "4")}, score, seeds=range(6), folder=folder,
        timing=lambda choice, seed: timing,
    )  # fmt: skip
    config = {"scheduler": {"name": scheduler, "eta": None}, "steps": steps}
    return with_config(made, config, (f"scheduler={scheduler}",) if typed else ())


def test_what_two_sweeps_differ_in_is_compared(tmp_path: Path, command: Command) -> None:
    one, two = tmp_path / "made" / "one", tmp_path / "made" / "two"
    # In the first it was not typed, so it is what the config says.
    write_results(sweep(one, "ddim", 0.0, typed=False))
    write_results(sweep(two, "ddpm", 1.0))
    said = command("compare", "--by", "scheduler", "--baseline", "ddim", str(one), str(two))
    assert (said.status, said.err) == (0, "")
    content = json.loads(
        (one / "comparison-scheduler-with-made_two" / "comparison.json").read_text()
    )
    _, row = content["metrics"]["quality"]["rows"]
    assert row["choice"] == {"scheduler": "ddpm"}
    # Pairs have the same guidance, prompt and seed, whichever sweep they are of.
    assert (row["pairs"], row["verdict"]) == (2 * 2 * 6, "better")
    assert row["difference"] == pytest.approx(1.01)
    assert content["unmeasured"] == {"seconds": "the pictures were made in 2 attempts"}
    within = command("compare", "--by", "scheduler", "--within", "guidance", str(one), str(two))
    assert within.status == 0
    assert not (one / "comparison").exists()


def test_cells_that_both_have_are_told_apart(tmp_path: Path) -> None:
    found = combined([sweep(tmp_path / "a", "ddim", 0.0), sweep(tmp_path / "b", "ddim", 1.0)])
    assert list(found.axes) == ["sweep", "guidance"]
    assert len({tuple(cell.choice.items()) for cell in found.cells}) == 4
    assert [cell.number for cell in found.cells] == [0, 1, 2, 3]


def test_a_number_is_the_same_however_it_is_written(tmp_path: Path) -> None:
    def score(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
        return {"quality": 1.0}

    other = sweep_of({"x": ("a", "b")}, score, folder=tmp_path / "other")
    found = combined([sweep(tmp_path / "one", "ddim", 0.0), with_config(other, {"guidance": 4.0})])
    assert found.axes["guidance"] == ["1", "4"]
    assert [cell.choice["guidance"] for cell in found.cells] == ["1", "4", "4", "4"]


def test_what_they_differ_in_besides_is_told(tmp_path: Path, command: Command) -> None:
    one, two = tmp_path / "made" / "one", tmp_path / "made" / "two"
    write_results(sweep(one, "ddim", 0.0, steps=10))
    write_results(sweep(two, "ddpm", 1.0, steps=50))
    said = command("compare", str(one), str(two), "--by", "scheduler")
    assert (said.status, said.err) == (0, "warning: the sweeps differ besides in steps\n")


def test_keys_that_change_no_picture_are_no_difference(tmp_path: Path, command: Command) -> None:
    one, two = tmp_path / "made" / "one", tmp_path / "made" / "two"
    write_results(with_config(sweep(one, "ddim", 0.0), {"graphs": "off", "into": None}))
    write_results(with_config(sweep(two, "ddpm", 1.0), {"graphs": "on", "into": "last"}))
    said = command("compare", str(one), str(two), "--by", "scheduler")
    assert (said.status, said.err) == (0, "")


def test_a_sweep_named_twice_is_refused(tmp_path: Path, command: Command) -> None:
    write_results(sweep(tmp_path / "one", "ddim", 0.0))
    assert_refused(
        command("compare", str(tmp_path / "one"), str(tmp_path / "one")), "is named twice"
    )
