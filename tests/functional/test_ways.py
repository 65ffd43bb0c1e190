"""Cells of different execution profiles are compared by what each has drawn, never with themselves.

Here a profile does draw other pictures: with two threads they come out inverted.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageOps

from functional.made import STEPS
from helpers.manifests import read_manifest
from runner.cli import main
from runner.errors import StageError
from runner.recording.sweep_record import SweepRecord
from runner.stages import decode

Sweep = Callable[..., "list[Path]"]


@pytest.fixture
def sweep(weights: Path, tmp_path: Path) -> Sweep:
    """Runs cells with one thread and with two, the second compared with the first."""

    def run(
        *overrides: str, threads: str = "1,2", baseline: str = "threads=1", status: int = 0
    ) -> list[Path]:
        given = (
            f"weights={weights}", f"output_dir={tmp_path}", "tracking=none", *STEPS,
            "progress=quiet", "metrics=pixel_difference", f'baseline="{baseline}"', "seeds=[0,1]",
            f"threads={threads}", "workers=1", "cache=off",
        )  # fmt: skip
        last = {override.partition("=")[0]: override for override in (*given, *overrides)}
        try:
            assert main(["-m", *last.values()]) == status
        finally:
            torch.set_num_threads(1)
        folder = (tmp_path / "latest").resolve()
        return [folder / cell.folder for cell in SweepRecord.read(folder).cells]

    return run


@pytest.fixture
def _inverted(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = decode.to_image

    def drawn(*given: Any, **named: Any) -> Image.Image:
        picture = draw(*given, **named)
        return ImageOps.invert(picture) if torch.get_num_threads() == 2 else picture

    monkeypatch.setattr(decode, "to_image", drawn)


def differences(cell: Path) -> list[float]:
    images = read_manifest(cell)["images"]
    return [image["scores"]["pixel_difference.max"] for image in images]


@pytest.mark.usefixtures("_inverted")
@pytest.mark.parametrize("threads", ["1,2", "2,1"])
def test_a_difference_is_seen_whichever_comes_first(sweep: Sweep, threads: str) -> None:
    cells = dict(zip(threads.split(","), sweep(threads=threads), strict=True))
    assert min(differences(cells["2"])) > 100
    keys = [read_manifest(cell)["images"][0]["stage_keys"]["decode"] for cell in cells.values()]
    assert keys[0] == keys[1]  # no key says how many threads there were


def test_none_is_none(sweep: Sweep) -> None:
    _, two = sweep()
    assert max(differences(two)) <= 1


@pytest.mark.usefixtures("_inverted")
def test_what_was_drawn_before_a_resumption_is_compared_with(sweep: Sweep) -> None:
    _, two = sweep()
    before = differences(two)
    shutil.rmtree(two)
    assert differences(sweep()[1]) == before


def test_pictures_from_the_store_are_not_compared_with_themselves(
    sweep: Sweep, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        sweep("cache=use", status=2)
    said = capsys.readouterr().err
    assert "baseline=threads=1: differs in nothing but threads, and with cache=use" in said
    assert "allowed: cache=off" in said


@pytest.mark.usefixtures("_inverted")
def test_another_choice_of_ways_is_another_sweep(sweep: Sweep) -> None:
    one, two = sweep()
    before = differences(two)
    assert read_manifest(one)["status"] == "FINISHED"
    two_first, one_last = sweep(threads="2,1")
    assert two_first.parent != two.parent
    assert differences(two_first) == before
    assert "scores" in read_manifest(one_last)["images"][0]


def test_cells_of_other_output_folders_are_compared_where_they_are_run_alike(
    sweep: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(FileNotFoundError):  # each folder has a sweep of its own
        sweep(
            "scheduler=ddim,ddpm", f"output_dir={tmp_path}/${{scheduler.name}}", threads="1",
            baseline="scheduler=ddim",
        )  # fmt: skip
    folder = tmp_path / "ddpm" / "latest"
    (cell,) = SweepRecord.read(folder).cells
    assert max(differences(folder / cell.folder)) > 0
    with pytest.raises(FileNotFoundError):
        sweep(f"output_dir={tmp_path}/${{threads}}", status=2)
    assert "put into another folder" in capsys.readouterr().err


def test_what_was_not_drawn_is_said(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = decode.to_image

    def failing(*given: Any, **named: Any) -> Image.Image:
        if torch.get_num_threads() == 1:
            raise StageError("not today")
        return draw(*given, **named)

    monkeypatch.setattr(decode, "to_image", failing)
    one, two = sweep(status=1)
    assert read_manifest(one)["images"] == []
    manifest = read_manifest(two)
    assert len(manifest["images"]) == 2  # made all the same
    assert manifest["status"] == "FAILED"
    assert "has not drawn its picture" in json.dumps(manifest["failures"])
    assert "has not drawn its picture" in capsys.readouterr().err
