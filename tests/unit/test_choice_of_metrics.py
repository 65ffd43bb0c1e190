"""Metrics that do not go with a run are refused before anything is made."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from unit.conftest import Command, assert_refused

STEPS = "decoder.num_inference_steps=3,4"
PICTURES = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["metrics=[ssim]"], ["baseline=null", "ssim compares with another cell", "against=image"]),
        (["metrics=[ssim]", "metrics.ssim.against=image"], ["no inputs.image"]),
        (["metrics=[sharpness]", "metrics.sharpness.against=image"], ["compares with nothing"]),
        (["metrics=[sharpness]", "metrics.sharpness.clip=kandinsky2_1"], ["uses no CLIP"]),
        (["metrics=[sharpness]", "metrics.sharpness.against=me"], ["metrics.sharpness.against"]),
        (["metrics=[sharpness]", "metrics.sharpness.level=1"], ["metrics.sharpness.level"]),
        (
            ["metrics=[sharpness]", "+metrics.sharpness.arguments.level=1"],
            ["metrics.sharpness.arguments.level", "takes no such"],
        ),
        (["metrics=[cmmd]", f"metrics.cmmd.arguments.real={PICTURES}"], ["a cell of 1 image"]),
        (["metrics=[cmmd]", f"metrics.cmmd.arguments.real={__file__}"], ["is no folder"]),
        (["metrics=[cmmd]", "seeds=[0,1]"], ["metrics.cmmd.arguments.real", "not set"]),
        (["metrics=[sharpnes]"], ["metrics", "sharpnes", "sharpness"]),
        (["metrics=sharpnes"], ["metrics", "sharpnes", "sharpness"]),
        (["+metrics.mine.function=a:b"], ["metrics.mine", "--config-dir=<folder>", "[<name>]"]),
        (["+metrics.mine={function: 'a:b'}"], ["metrics.mine", "--config-dir=<folder>"]),
        (["baseline=ddim"], ["baseline=ddim", "is no override"]),
        (["baseline=[1]"], ["baseline", "no list of texts"]),
        (["baseline=['a=1','a=2']"], ["baseline", "two of one key"]),
        (["baseline=''"], ["baseline", "names no value"]),
        (
            ["-m", STEPS, "metrics=[ms_ssim]", "baseline='decoder.num_inference_steps=3'"],
            ["metrics=ms_ssim", "128 x 128", "176"],
        ),
        (["-m", STEPS, "metrics=[ssim]"], ["baseline=null"]),
        (
            ["-m", STEPS, "metrics=[ssim]", "baseline='decoder.num_inference_steps=5'"],
            ["decoder.num_inference_steps=5", "no cell", "decoder.num_inference_steps=3"],
        ),
        (
            ["-m", STEPS, "metrics=[ssim]", "baseline='scheduler=ddim'"],
            ["scheduler=ddim", "no cell", "a key that the sweep varies"],
        ),
        (
            ["-m", "seeds=[0],[1]", "metrics=[ssim]", "baseline='seeds=[0]'"],
            ["has no picture of", "seed 1"],
        ),
        (
            ["-m", "height=64,128", "metrics=[ssim]", "baseline='height=64'"],
            ["128 x 64", "128 x 128"],
        ),
        (
            [
                "task=interpolate", "metrics=[clip_score]",
                "interpolate.items=[{text: a, weight: 0.5}, {text: b, weight: 0.5}]",
            ],
            ["clip_score", "needs a prompt"],
        ),
    ],
)  # fmt: skip
def test_what_is_refused(command: Command, overrides: list[str], said: list[str]) -> None:
    assert_refused(command("plan", *overrides), *said)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("seconds: {function: 'a:b'}", ["metrics=seconds", "tables"]),
        ("mi ne: {function: 'a:b'}", ["metrics=mi ne", "is no name"]),
        ("mine: {function: a}", ["metrics.mine.function=a", "names no function"]),
        ("mine: {arguments: {a: 1}}", ["metrics.mine.function", "is not set"]),
        ("mine: {function: 'a:b', level: 1}", ["metrics.mine.level", "no such key"]),
    ],
)
def test_what_is_refused_of_an_option_of_ones_own(
    command: Command, tmp_path: Path, option: str, said: list[str]
) -> None:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "mine.yaml").write_text(option)
    assert_refused(command("plan", f"--config-dir={tmp_path}", "metrics=[mine]"), *said)


def test_a_cell_is_compared_with_that_which_the_baseline_leads_to(command: Command) -> None:
    planned = command(
        "plan", "-m", STEPS, "scheduler=ddim,ddpm", "metrics=[ssim]",
        "baseline='scheduler=ddim'",
    )  # fmt: skip
    assert planned.status == 0, planned.err
    # Those two cells that are no baseline are measured.
    assert re.search(r"2 measure|measure +2", planned.out), planned.out


def test_metrics_change_no_key_of_a_picture(command: Command) -> None:
    plain, measured = (
        command("plan", f"metrics=[{names}]").out for names in ("", "clip_score,blank")
    )
    (drawn,) = re.findall(r"([0-9a-f]{8}) decode", plain)
    assert f"{drawn} decode" in measured
    assert measured.count(f"<- {drawn}") == 2
