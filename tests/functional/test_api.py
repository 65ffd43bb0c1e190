"""The runner from Python: the command line's keys, images with their record."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from functional.made import Kandinsky
from runner import generate, plan, sweep
from runner.config.hydra.sweeper import sweep_of
from runner.config.overrides import overrides_of
from runner.errors import ComposeError, ConfigError, RunFailedError, SweepError

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
