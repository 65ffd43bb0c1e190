"""Each example of the diffusers guide to Kandinsky gives what the guide's own call gives, bit for
bit, and has its numbers.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from functional.asked import opened, pixels
from functional.direct import Direct
from functional.guide import CALLS
from functional.guide_tools import PRIOR_STEPS, SEED, SIDE, STEPS, Guide
from functional.made import Made
from helpers.composing import compose_config
from runner.catalog.schedulers import SCHEDULERS
from runner.cli import main
from runner.config.hydra import tree
from runner.config.run_config import RunConfig

GUIDE = sorted((tree.config_dir() / "experiment" / "guide").glob("*.yaml"))
INPUTS = tree.config_dir().parent / "experiments" / "inputs"

HERE = (
    "precision=fp32", "attention=sdpa", "offload=none", "compile=off", "compile.fullgraph=false",
    "compile.channels_last=false", "device=cpu", "tracking=none", "progress=quiet",
    f"seeds=[{SEED}]", f"prior.num_inference_steps={PRIOR_STEPS}",
    f"decoder.num_inference_steps={STEPS}",
)  # fmt: skip
"""In place of a GPU, xFormers and a compiler, which have tests of their own; and few steps."""

OWN = {"2_1": "ddim", "2_2": "ddpm", "3": "ddpm"}
"""The schedulers that the checkpoints publish, by other names than `checkpoint`."""


def config(name: str) -> RunConfig:
    """An example as it is."""
    return compose_config(f"experiment=guide/{name}")


def picture_for(name: str, folder: Path) -> Path | None:
    """A picture in place of the example's own, where that would be too large, or of a shape that
    hides what is done with it.
    """
    size = {"controlnet": (SIDE, SIDE), "img2img": (96, 64)}.get(name.split("_")[0])
    if name == "img2img_3":
        size = (2 * SIDE, SIDE)
    if size is None:
        return None
    path = folder / "picture.png"
    levels = np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(levels).resize(size).save(path)
    return path


def numbers_of(run: RunConfig) -> dict[str, Any]:
    """Those that decoders are called with."""
    native = run.version.native_size
    return {
        "num_inference_steps": run.decoder.num_inference_steps,
        "guidance_scale": run.decoder.guidance_scale,
        "height": run.height or native,
        "width": run.width or native,
        "strength": run.strength,
        "prior_num_inference_steps": run.prior.num_inference_steps,
        "prior_guidance_scale": run.prior.guidance_scale,
    }


def numbers_of_priors(run: RunConfig) -> list[dict[str, Any]]:
    usual = {name: getattr(run.prior, name) for name in ("num_inference_steps", "guidance_scale")}
    if not run.task.uses_prior_strength:
        return [usual]
    strengths = (run.prior.strength, run.prior.negative_strength)
    return [{**usual, "strength": strength} for strength in strengths]


def test_every_example_has_the_guides_call() -> None:
    assert [file.stem for file in GUIDE] == sorted(CALLS)


@pytest.mark.slow
@pytest.mark.parametrize("name", CALLS)
def test_it_is_the_guides_own_call(
    name: str, direct: Direct, random_weights: Path, tmp_path: Path
) -> None:
    run = config(name)
    picture = picture_for(name, tmp_path)
    guide = Guide(direct, picture or INPUTS / "circle.png", INPUTS / "square.png")
    expected = CALLS[name](guide).images[0]

    *priors, decoder = guide.told
    numbers = numbers_of(run)
    assert decoder == {key: numbers[key] for key in decoder}
    if priors:
        assert priors == numbers_of_priors(run)

    sized = [] if name == "img2img_3" else [f"height={SIDE}", f"width={SIDE}"]
    given = [f"inputs.image={picture}"] if picture is not None else []
    if "checkpoint" not in SCHEDULERS and name != "scheduler_ddpm":
        given.append(f"scheduler={OWN[run.version.name.removeprefix('kandinsky')]}")
    overrides = [f"weights={random_weights}", f"output_dir={tmp_path}", *HERE, *sized, *given]
    assert main([f"experiment=guide/{name}", *overrides]) == 0
    made = Made(tmp_path)
    assert made.manifest["name"] == f"guide-{name}"
    drawn = pixels(opened(made.files[0]))
    assert drawn.std() > 20, "a flat picture equals many"
    assert np.array_equal(drawn, pixels(expected))


@pytest.mark.skipif(
    importlib.util.find_spec("xformers") is not None, reason="xFormers is installed"
)
def test_xformers_is_refused_where_it_is_not_installed(
    random_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [f"weights={random_weights}", f"output_dir={tmp_path}", "device=cpu"]
    assert main(["experiment=guide/attention_xformers", *given]) == 2
    assert "attention=xformers" in capsys.readouterr().err


def test_the_pictures_that_come_with_them_are_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tree.register()
    from omegaconf import OmegaConf

    path = OmegaConf.create({"image": "${example:circle.png}"}).image
    assert Path(path).is_file()
