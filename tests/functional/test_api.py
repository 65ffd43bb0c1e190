"""The runner from Python: the command line's keys, images with their record."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from functional.made import Kandinsky
from runner import PlannedSweep, generate, plan, sweep
from runner.config.hydra.sweeper import sweep_of
from runner.config.overrides import overrides_of
from runner.errors import ComposeError, ConfigError, RunFailedError, SweepError
from runner.planning.plan import Plan

PROMPT = "a red circle, on a 'white' background: {x} = [1] \\' ü ${nothing} \\"


@pytest.fixture
def few(weights: Path, tmp_path: Path) -> dict[str, Any]:
    """Keys of a run with few steps and no tracking."""
    return {
        "weights": weights,
        "output_dir": tmp_path / "outputs",
        "tracking": "none",
        "progress": "quiet",
        "prior": {"num_inference_steps": 3},
        "decoder": {"num_inference_steps": 3},
    }


def test_the_same_keys_make_the_same_pixels(
    few: dict[str, Any], kandinsky: Kandinsky, tmp_path: Path
) -> None:
    made = kandinsky("scheduler=ddpm", "seeds=[1,2]", "prompt='a red circle'", "cache=off")
    run = generate("scheduler=ddpm", prompt="a red circle", seeds=[1, 2], cache="off", **few)
    assert [image.seed for image in run.images] == [1, 2]
    assert {(i.prompt, i.seed): i.record["sha256"] for i in run.images} == made.hashes
    assert run.folder != made.folder
    first = run.images[0]
    assert np.array_equal(np.asarray(first.image), np.asarray(plain(first.file)))
    assert run.manifest["config"]["scheduler"]["name"] == "ddpm"
    assert "scheduler=ddpm" in run.manifest["overrides"]


def plain(file: Path) -> Any:
    from PIL import Image

    with Image.open(file) as image:
        return image.convert("RGB")


def test_any_text_goes_through_whole(few: dict[str, Any]) -> None:
    run = generate(prompt=[PROMPT, "null", "1"], **few)
    assert [image.prompt for image in run.images] == [PROMPT, "null", "1"]


def test_plan_loads_nothing_and_knows_the_graph(few: dict[str, Any]) -> None:
    found = plan(prompt=["a circle", "a square"], **few)
    assert [node.stage for node in found.graph] == ["prior", "decode"] * 2
    assert not Path(few["output_dir"]).exists()


def test_a_sweep_makes_a_run_of_each_combination(few: dict[str, Any]) -> None:
    runs = sweep("scheduler=ddim,ddpm", "decoder.guidance_scale=1,4", prompt="a circle", **few)
    settings = [
        (run.manifest["config"]["scheduler"]["name"],
         run.manifest["config"]["decoder"]["guidance_scale"])
        for run in runs
    ]  # fmt: skip
    assert settings == [("ddim", 1), ("ddim", 4), ("ddpm", 1), ("ddpm", 4)]
    assert len({run.images[0].record["sha256"] for run in runs}) == 4


def test_a_sweep_is_planned_as_it_runs(few: dict[str, Any]) -> None:
    asked = {"prompt": "a circle", "axes": {"scheduler": ["ddim", "ddpm"]}, **few}
    before = plan("decoder.guidance_scale=1,4", **asked)
    assert isinstance(before, PlannedSweep)
    assert before.axes == {"scheduler": ("ddim", "ddpm"), "decoder.guidance_scale": ("1", "4")}
    assert before.cells[3] == "scheduler=ddpm decoder.guidance_scale=4"
    assert {s: (c.nodes, c.distinct, c.stored) for s, c in before.stages.items()} == {
        "prior": (4, 1, 0), "decode": (4, 4, 0),
    }  # fmt: skip
    assert (len(before), before.images, before.seconds) == (4, 4, None)
    files = sum(file.stat().st_size for file in Path(few["weights"]).rglob("*.safetensors"))
    assert 0 < before.weights_gb * 1e9 < 2 * files
    assert not Path(few["output_dir"]).exists()
    runs = sweep("decoder.guidance_scale=1,4", **asked)
    assert [run.recorded.overrides for run in runs] == [list(p.run.overrides) for p in before]
    after = plan("decoder.guidance_scale=1,4", **asked)
    assert isinstance(after, PlannedSweep)
    assert (after.stages["decode"].stored, after.seconds) == (4, 0)
    assert "all stages are stored" in str(after)
    grown = plan("decoder.num_inference_steps=4", into="last", output_dir=few["output_dir"])
    assert isinstance(grown, PlannedSweep)
    assert grown.axes["decoder.num_inference_steps"] == ("3", "4")
    assert "4    new: 1 new image" in str(grown)


def test_a_study_is_a_sweep_in_python_too(few: dict[str, Any], tmp_path: Path) -> None:
    study = {"experiment": "scheduler_steps", **few, "decoder": {}}
    whole = plan(**study)
    assert isinstance(whole, PlannedSweep)
    assert len(whole) == 12
    some = plan("scheduler=ddim,lcm", **study)
    assert isinstance(some, PlannedSweep)
    assert some.axes["scheduler"] == ("ddim", "lcm")
    with pytest.raises(ConfigError, match=r"(?s)is a sweep, and this is one run.*runner\.sweep"):
        generate(**study)


def test_a_wrong_cell_of_a_sweep_is_found_before_the_first_runs(few: dict[str, Any]) -> None:
    with pytest.raises(SweepError, match="height=100"):
        sweep("height=64,100", prompt="a circle", **few)
    assert not list(Path(few["output_dir"]).glob("default/*"))


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"promt": "x"}, "promt"),
        ({"scheduler": "euler"}, "scheduler=euler"),
        ({"seeds": "many"}, "seeds"),
    ],
)
def test_wrong_keys_are_told_like_on_the_command_line(
    few: dict[str, Any], keys: dict[str, Any], problem: str
) -> None:
    with pytest.raises((ConfigError, ComposeError), match=problem):
        generate(**{**few, **keys})


def test_a_failed_run_keeps_its_images(few: dict[str, Any], tmp_path: Path) -> None:
    generate(prompt="a circle", **few)
    store = Path(few["output_dir"]) / ".cache" / "results"
    assert store.is_dir()
    picture = tmp_path / "picture.png"
    plain(next(Path(few["output_dir"]).rglob("*.png"))).save(picture)
    found = plan(task="img2img", inputs={"image": picture}, strength=0.7, **few)
    assert isinstance(found, Plan)
    assert "inputs.image" in found.pictures
    # A damaged weight file of the right size: found by nothing but loading it.
    weights = Path(few["weights"])
    from unit.conftest import copy_family

    broken = copy_family(tmp_path / "broken")
    file = next((broken / "kandinsky-2-2-decoder" / "unet").glob("*.safetensors"))
    content = bytearray(file.read_bytes())
    content[-4000:] = b"\xff" * 4000  # NaN
    file.write_bytes(content)
    assert weights != broken
    with pytest.raises(RunFailedError) as caught:
        generate(prompt="a circle", **{**few, "weights": broken})
    assert caught.value.run.manifest["status"] == "FAILED"
    assert caught.value.run.images == []


def test_import_is_light() -> None:
    code = (
        "import sys, runner; heavy = {'torch', 'diffusers', 'mlflow', 'hydra'};"
        "assert not heavy & set(sys.modules); from runner import plan;"
        "plan(prompt='a circle');"
        "print(sorted({'torch', 'diffusers', 'mlflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def test_values_are_written_as_a_user_would() -> None:
    keys = {
        "decoder": {"guidance_scale": 3.5},
        "negative_prompt": None,
        "inputs": {"mask_box": (0, 0, 8, 8), "mask_invert": True},
        "interpolate": {"items": [{"text": "a, b", "weight": 0.5}]},
    }
    assert overrides_of(keys) == [
        "decoder.guidance_scale=3.5",
        "negative_prompt=null",
        "inputs.mask_box=[0,0,8,8]",
        "inputs.mask_invert=true",
        "interpolate.items=[{text: 'a, b',weight: 0.5}]",
    ]
    assert sweep_of("seeds=[1,2]") == ["seeds=[1,2]"]
    assert sweep_of("a.b=1,'x,y'") == ["a.b=1", "a.b='x,y'"]
