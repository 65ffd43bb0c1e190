"""The data of a sweep's page: axes, positions, means, statuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.made_sweeps import ERROR, Made, write_run, write_sweep
from runner.analysis.reading import read_results
from runner.analysis.report.facts import Facts
from runner.analysis.report.gather import NO_PROMPT, facts_of
from runner.recording.manifest import MANIFEST
from runner.recording.sweep_record import LOCK
from runner.system.locks import hold
from runner.tracking.status import Status


def facts(folder: Path) -> Facts:
    return facts_of(read_results(folder), None)


def made(tmp_path: Path, made: Made) -> Facts:
    return facts(write_sweep(tmp_path / "sweep", made))


def change(folder: Path, **changes: object) -> None:
    file = folder / MANIFEST
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_axes_are_those_of_the_sweep_then_prompt_seed_and_cell(swept: Path) -> None:
    found = facts(swept)
    assert [(axis.name, axis.kind) for axis in found.axes] == [
        ("scheduler", "swept"), ("decoder.steps", "swept"), ("prompt", "prompt"),
        ("seed", "seed"), ("cell", "cell"),
    ]  # fmt: skip
    assert found.axes[1].values == ("5", "10", "50")
    assert found.axes[1].numbers == (5, 10, 50)
    assert found.axes[0].numbers == ()
    assert found.axes[2].values == ("a red circle", "синий квадрат")


def test_each_picture_stands_where_its_choice_says(swept: Path) -> None:
    found = facts(swept)
    assert len(found.images) == 6 * 4
    for image in found.images:
        values = [axis.values[at] for axis, at in zip(found.axes, image.at, strict=True)]  # type: ignore[index]
        assert values[:2] == [o.partition("=")[2] for o in found.cells[image.cell].overrides]
        assert values[2:] == [image.prompt, str(image.seed), str(found.cells[image.cell].number)]


def test_seeds_are_in_order_whatever_the_order_of_the_pictures(tmp_path: Path) -> None:
    found = made(tmp_path, Made(seeds=(10, 9, 100)))
    assert found.axes[3].values == ("9", "10", "100")


def test_a_swept_prompt_is_one_axis_for_pictures_and_a_column_of_cells(tmp_path: Path) -> None:
    found = made(tmp_path, Made(axes={"prompt": ("'a b'", "c")}, prompts=("a b",)))
    assert [axis.name for axis in found.axes] == ["prompt", "seed", "cell"]
    assert [axis.name for axis in found.swept] == ["prompt"]
    assert [cell.choice for cell in found.cells] == [(0,), (1,)]


def test_seeds_stay_an_axis_of_cells_while_there_is_no_picture(tmp_path: Path) -> None:
    none = dict.fromkeys((0, 1), Status.PENDING)
    found = made(tmp_path, Made(axes={"seeds": ("3", "4")}, broken=none))
    assert found.axes[0].values == ("3", "4")


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        (("1", "2e-3", "null"), (1, 0.002, None)),
        (("1", "null"), ()),
        (("nan", "inf", "1", "x"), ()),
        (("-1", ".5"), (-1, 0.5)),
    ],
)
def test_axes_with_two_numbers_are_numeric(
    tmp_path: Path, values: tuple[str, ...], numbers: tuple[float | None, ...]
) -> None:
    assert made(tmp_path, Made(axes={"a": values})).axes[0].numbers == numbers


def test_means_are_over_the_pictures_that_were_measured(tmp_path: Path) -> None:
    found = made(tmp_path, Made(lacking=(1,)))
    assert found.metrics == (("ssim", "higher"), ("warmth", None), ("seconds", "lower"))
    assert found.cells[0].means == pytest.approx((0.515, 10.0, 0.515))
    assert found.cells[0].counts == (4, 4, 4)
    assert found.cells[1].means[0] is None
    assert found.cells[1].counts == (0, 4, 4)


def test_what_was_measured_of_all_pictures_together_stands_with_the_cells(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "sweep", Made())
    for number in (0, 2):
        known = {"ssim": {"better": "higher"}, "warmth": {"better": None}}
        change(
            folder / f"{number:04d}_cell", scores={"fid": 7.5 + number},
            metrics={**known, "fid": {"better": "lower"}},
        )  # fmt: skip
    found = facts(folder)
    place = found.metrics.index(("fid", "lower"))
    assert [cell.means[place] for cell in found.cells] == [7.5, None, 9.5, None, None, None]
    assert {cell.counts[place] for cell in found.cells} == {0}
    assert {image.scores[place] for image in found.images} == {None}


def test_numbers_that_are_none_are_left_out(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "sweep", Made())
    cell = folder / "0000_cell"
    images = json.loads((cell / MANIFEST).read_text())["images"]
    for image, score in zip(images, (float("nan"), float("inf"), 0.25, 0.75), strict=True):
        image["scores"] = {"ssim": score}
    change(cell, images=images)
    found = facts(folder)
    assert found.cells[0].means[0] == 0.5
    assert found.cells[0].counts[0] == 2


def test_each_cell_knows_what_it_is_compared_with(tmp_path: Path) -> None:
    found = made(tmp_path, Made(baseline="scheduler=ddim decoder.steps=50"))
    assert [cell.against for cell in found.cells] == [2, 2, None, 2, 2, 2]
    relative = made(tmp_path / "relative", Made(baseline="scheduler=ddim"))
    assert [cell.against for cell in relative.cells] == [None, None, None, 0, 1, 2]


def test_without_a_baseline_cells_are_compared_with_nothing(swept: Path) -> None:
    assert {cell.against for cell in facts(swept).cells} == {None}


def test_a_config_is_told_once_and_then_by_what_differs(swept: Path) -> None:
    found = facts(swept)
    assert ("decoder.steps", "5") in found.config
    assert found.cells[0].changes == ()
    assert found.cells[4].changes == (("scheduler", "ddpm"), ("decoder.steps", "10"))


def test_an_environment_that_differs_has_all_its_values(swept: Path) -> None:
    groups = {group.name: dict(group.rows) for group in facts(swept).environment}
    assert groups["libraries"]["torch"] == ("2.13.0", "2.14.0")
    assert groups["general"]["device"] == ("cpu",)
    assert groups["weights"] == {"decoder.sha256": ("b6d4bdf7",)}


def test_failures_say_their_stage_and_error(tmp_path: Path) -> None:
    found = made(tmp_path, Made(broken={1: Status.FAILED, 2: Status.PENDING}, status=Status.FAILED))
    assert found.cells[1].failures == (("decode", ERROR),)
    assert (found.cells[1].status, found.cells[1].images) == (Status.FAILED, 0)
    assert (found.cells[2].status, found.cells[2].images) == (Status.PENDING, 0)
    assert found.cells[3].status == "FINISHED"


def test_a_sweep_runs_as_long_as_its_process_does(tmp_path: Path) -> None:
    folder = write_sweep(
        tmp_path / "sweep", Made(broken={2: Status.RUNNING}, status=Status.RUNNING)
    )
    assert facts(folder).status == Status.KILLED
    assert facts(folder).cells[2].status == Status.KILLED
    with hold(folder / LOCK):
        assert facts(folder).status == Status.RUNNING
        assert facts(folder).cells[2].status == Status.RUNNING


def test_a_single_run_is_one_cell(tmp_path: Path) -> None:
    found = facts(write_run(tmp_path / "run", Made(), overrides=("scheduler=ddim",)))
    assert [axis.name for axis in found.axes] == ["prompt", "seed"]
    assert found.swept == ()
    assert found.started == "2026-11-25T10:15:30"
    assert found.command == "kandinsky run scheduler=ddim"
    assert len(found.images) == 4


def test_pictures_without_a_prompt_have_a_word_for_it(tmp_path: Path) -> None:
    assert made(tmp_path, Made(prompts=("",))).axes[2].values == (NO_PROMPT,)


def test_repeated_measurements_are_told(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "sweep", Made())
    cell = folder / "0000_cell"
    images = json.loads((cell / MANIFEST).read_text())["images"]
    images[0] |= {"took": {"decode": 2.0}, "repeats": {"decode": [1.0, 2.0, 4.0]}}
    change(cell, images=images)
    assert facts(folder).images[0].took == (("decode", "2 s (median of 1, 2, 4)"),)
