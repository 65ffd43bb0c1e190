"""Each example of the diffusers guide to Kandinsky, as a config, runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from functional.made import STEPS, Made
from runner.cli import main
from runner.config.hydra import tree

GUIDE = sorted((tree.config_dir() / "experiment" / "guide").glob("*.yaml"))

HERE = (
    "height=64", "width=128", "precision=fp32", "attention=sdpa", "offload=none", "compile=off",
    "compile.fullgraph=false", "tracking=none", "progress=quiet", *STEPS,
    "decoder.num_inference_steps=4",
)  # fmt: skip
"""In place of a GPU, xFormers and a compiler, which have tests of their own."""


def test_every_task_of_the_guide_is_there() -> None:
    names = {file.stem for file in GUIDE}
    for task, versions in {
        "text2img": ("2_1", "2_2", "3"),
        "img2img": ("2_1", "2_2", "3"),
        "inpaint": ("2_1", "2_2"),
        "interpolate": ("2_1", "2_2"),
    }.items():
        assert {f"{task}_{version}" for version in versions} <= names
    assert {"controlnet", "controlnet_img2img", "attention_xformers", "compile"} <= names


@pytest.mark.slow
@pytest.mark.parametrize("file", GUIDE, ids=lambda file: file.stem)
def test_it_runs_on_small_weights(file: Path, random_weights: Path, tmp_path: Path) -> None:
    overrides = [f"experiment=guide/{file.stem}", f"weights={random_weights}", *HERE]
    assert main([f"output_dir={tmp_path}", "seeds=[43]", *overrides]) == 0
    made = Made(tmp_path)
    assert made.manifest["name"] == f"guide-{file.stem}"
    assert made.image().size == (128, 64)
    low, high = made.image().convert("L").getextrema()
    assert high - low > 20  # type: ignore[operator]


def test_the_pictures_that_come_with_them_are_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tree.register()
    from omegaconf import OmegaConf

    path = OmegaConf.create({"image": "${example:circle.png}"}).image
    assert Path(path).is_file()
