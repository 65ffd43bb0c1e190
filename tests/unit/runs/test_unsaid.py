"""What a command with `into` takes of the sweep that it joins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from helpers.fake_sweeps import SWEEP
from runner.config.axes import settings_of
from runner.config.excluding import PROMPTS
from runner.config.files import config_dir
from runner.errors import ConfigError
from runner.recording.sweep_record import CellEntry
from runner.runs import unsaid
from runner.runs.unsaid import _with_baseline, with_unsaid

FIXED = (
    "prompt='a, b'", "seeds=[0,1]", "experiment=mine", "+decoder.num_inference_steps=9",
    "workers=2", "output_dir=elsewhere", "tracking.uri=http://theirs", "inputs.image=http://theirs",
    "metrics.own.function=/theirs.py:steal", "debug=true",
)  # fmt: skip


def write(folder: Path, cells: Sequence[tuple[str, str]], fixed: Sequence[str] = FIXED) -> None:
    """A sweep of schedulers and guidance scales."""
    entries = [
        CellEntry(n, (f"scheduler={one}", f"decoder.guidance_scale={other}", *fixed), f"{n}", "f")
        for n, (one, other) in enumerate(cells)
    ]
    axes = {
        "scheduler": list(dict.fromkeys(one for one, _ in cells)),
        "decoder.guidance_scale": list(dict.fromkeys(other for _, other in cells)),
    }
    (folder / "made" / "one").mkdir(parents=True)
    replace(SWEEP, axes=axes, cells=tuple(entries)).write(folder / "made" / "one")


ALL = [("ddim", "1"), ("ddim", "4"), ("ddpm", "1"), ("ddpm", "4")]
TAKEN = ["prompt='a, b'", "experiment=mine", "+decoder.num_inference_steps=9"]


def test_what_is_drawn_is_taken_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, ALL)
    said = ["into=last", f"output_dir={tmp_path}", "seeds=[2]"]
    arguments, taken = with_unsaid(said)
    swept = ["scheduler=ddim,ddpm", "decoder.guidance_scale=1,4"]
    assert sorted(taken) == sorted([*swept, *TAKEN])
    assert arguments == ["-m", *said, *taken]
    assert with_unsaid(["seeds=[2]"]) == (["seeds=[2]"], [])


@pytest.mark.parametrize("axis", ["graphs=off,auto", "workers=1,2", "threads=1,2"])
def test_how_cells_are_run_is_taken_where_they_differ_in_it(tmp_path: Path, axis: str) -> None:
    key, _, values = axis.partition("=")
    common = () if key == "graphs" else ("graphs=off",)
    entries = [
        CellEntry(n, (f"{key}={value}", *common), f"{n}", "f")
        for n, value in enumerate(values.split(","))
    ]
    folder = tmp_path / "made" / "one"
    folder.mkdir(parents=True)
    replace(SWEEP, axes={key: values.split(",")}, cells=tuple(entries)).write(folder)
    taken = with_unsaid(["into=last", f"output_dir={tmp_path}", "seeds=[2]"])[1]
    assert axis in taken
    assert set(common) <= set(taken)


def test_each_key_is_taken_or_this_commands_own() -> None:
    """A key that is drawn or measured by, and that is not taken, would lose a sweep's cells."""
    own = {
        "axes", "debug", "hydra", "into", "name", "output_dir", "progress", "report", "resume",
        "retry", "skip_invalid", "workers_keep",
    }  # fmt: skip
    groups = {path.name for path in config_dir().iterdir() if path.is_dir()}
    keys = {str(key) for key in OmegaConf.load(config_dir() / "config.yaml")} - {"defaults"}
    assert (keys | groups) - unsaid.TAKEN - unsaid.TAKEN_OF_AXES - PROMPTS - {"seeds"} == own


def test_what_is_said_is_not_taken(tmp_path: Path) -> None:
    write(tmp_path, ALL)
    said = ["-m", "into=made", f"output_dir={tmp_path}", "scheduler=lcm", "prompt_file=x.txt"]
    arguments, taken = with_unsaid(said)
    assert "decoder.guidance_scale=1,4" in taken
    assert not any(one.startswith(("scheduler", "prompt")) for one in taken)
    assert arguments.count("-m") == 1


def test_axes_and_pairs_say_their_keys(tmp_path: Path) -> None:
    write(tmp_path, ALL)
    given = ["into=last", f"output_dir={tmp_path}"]
    axes = "axes=[{scheduler: lcm, seeds: [[2]]}]"
    assert sorted(with_unsaid([*given, axes])[1]) == sorted(TAKEN)
    pairs = "scheduler,decoder.guidance_scale=[lcm,ddim],[1,2]"
    assert sorted(with_unsaid([*given, pairs])[1]) == sorted([*TAKEN, "seeds=[0,1]"])


def test_cells_that_are_no_product_are_taken_as_they_are(tmp_path: Path) -> None:
    write(tmp_path, [*ALL, ("lcm", "1")])
    given = ["into=last", f"output_dir={tmp_path}", "seeds=[2]"]
    (taken,) = (one for one in with_unsaid(given)[1] if one.startswith("axes="))
    assert [tuple(map(str, cell.values())) for cell in settings_of(taken[5:])] == [
        *ALL, ("lcm", "1")
    ]  # fmt: skip
    # Of a value that is there, its cells alone; of a new one, all.
    assert "decoder.guidance_scale=1" in with_unsaid([*given, "scheduler=lcm"])[1]
    assert "decoder.guidance_scale=1,4" in with_unsaid([*given, "scheduler=dpmpp_2m"])[1]
    assert "scheduler=ddim,ddpm" in with_unsaid([*given, "decoder.guidance_scale=4.0"])[1]


@pytest.mark.parametrize(
    ("argument", "other", "expected"),
    [
        ("negative_prompt=", "", "negative_prompt="),
        ("negative_prompt=blue", "", "negative_prompt=blue,''"),
        ("negative_prompt=blue", "a, b", "negative_prompt=blue,'a, b'"),
        ("negative_prompt='a, b'", "a, b", "negative_prompt='a, b'"),
        ("prompt='a, b','c'", "b", "prompt='a, b','c',b"),
        ("prompt='a, b','c'", "a, b", "prompt='a, b','c'"),
        ("decoder.guidance_scale=range(1,4)", "2", "decoder.guidance_scale=range(1,4)"),
        ("inputs.mask_box=[0,0,4,4]", "[0,0,8,8]", "inputs.mask_box=[0,0,4,4],[0,0,8,8]"),
    ],
)
def test_the_baseline_is_added_as_hydra_reads_it(argument: str, other: str, expected: str) -> None:
    assert _with_baseline(argument, {argument.partition("=")[0]: other}) == expected


def test_prompts_that_are_an_axis_are_said_as_that(tmp_path: Path) -> None:
    (tmp_path / "made" / "one").mkdir(parents=True)
    cells = tuple(CellEntry(n, (f"prompt={p}",), f"{n}", "f") for n, p in enumerate("ab"))
    axes = {"prompt": ["a", "b"]}
    replace(SWEEP, axes=axes, cells=cells).write(tmp_path / "made" / "one")
    with pytest.raises(ConfigError, match=r"prompt_template=.*differ in prompt"):
        with_unsaid(["into=last", f"output_dir={tmp_path}", "prompt_template=a {b|c}"])


def test_cells_of_several_seeds_need_them_said(tmp_path: Path) -> None:
    write(tmp_path, ALL[:2], ["seeds=[0]"])
    file = tmp_path / "made" / "one" / "sweep.json"
    file.write_text(file.read_text().replace("seeds=[0]", "seeds=[1]", 1))
    with pytest.raises(ConfigError, match="its cells have several seeds"):
        with_unsaid(["into=last", f"output_dir={tmp_path}", "scheduler=lcm"])


def test_what_excludes_a_key_of_the_sweep_is_said_instead_of_it(tmp_path: Path) -> None:
    write(tmp_path, ALL, ["task=inpaint", "inputs.mask=m.png", "inputs.image=i.png", "seeds=[0]"])
    given = ["into=last", f"output_dir={tmp_path}", "inputs.mask_box=[0,0,8,8]"]
    _, taken = with_unsaid(given)
    assert "inputs.image=i.png" in taken
    assert "inputs.mask=m.png" not in taken
