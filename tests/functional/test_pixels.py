"""The runner's pictures are diffusers' own, and the same each time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    KandinskyV22CombinedPipeline,
    KandinskyV22Pipeline,
    KandinskyV22PriorPipeline,
)

from functional.cells import VERSIONS, drawn, opened, planned
from functional.made import STEPS, Kandinsky, Made
from helpers.pixels import furthest, pixels
from tracking.processes import wait_until, writers_of

PROMPT = "a red circle on a white background"
OTHER = "a blue square on a black background"
NEGATIVE = "a green cross"
SEED = 7

ATTENTION_TOLERANCE = 2
"""Levels of 255. The backends add up the same numbers in another order; few steps let the
differences grow little, and what is left is a rounding of the last bit."""


def override(key: str, value: object) -> str:
    return f"{key}={json.dumps(value)}"


CASES = [
    # scheduler, negative prompt, guidance
    ("ddim", None, 4.0),
    ("ddim", NEGATIVE, 1.0),
    ("ddpm", NEGATIVE, 4.0),
    ("ddpm", None, 1.0),
]


def pipelines(
    weights: Path, scheduler: str
) -> tuple[KandinskyV22PriorPipeline, KandinskyV22Pipeline]:
    prior = KandinskyV22PriorPipeline.from_pretrained(weights / "kandinsky-2-2-prior")
    decoder = KandinskyV22Pipeline.from_pretrained(weights / "kandinsky-2-2-decoder")
    if scheduler == "ddim":
        # The half of the UNet's output that is DDPM's learned variance is of no use to DDIM.
        config = {k: v for k, v in decoder.scheduler.config.items() if k != "variance_type"}
        decoder.scheduler = DDIMScheduler.from_config(config)
    for pipeline in (prior, decoder):
        pipeline.set_progress_bar_config(disable=True)
    return prior, decoder


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(SEED)


def run_like(
    kandinsky: Kandinsky, seeding: str, scheduler: str, negative: str | None, guidance: float
) -> Made:
    return kandinsky(
        override("prompt", PROMPT), override("negative_prompt", negative), f"seeds=[{SEED}]",
        f"seeding={seeding}", f"scheduler={scheduler}", "height=64", "corrections=off",
        f"prior.guidance_scale={guidance}", f"decoder.guidance_scale={guidance}",
    )  # fmt: skip


@pytest.mark.parametrize(("scheduler", "negative", "guidance"), CASES)
def test_shared_seeding_is_the_combined_pipeline(
    kandinsky: Kandinsky, weights: Path, scheduler: str, negative: str | None, guidance: float
) -> None:
    made = run_like(kandinsky, "shared", scheduler, negative, guidance)
    prior, decoder = pipelines(weights, scheduler)
    combined = KandinskyV22CombinedPipeline(
        **decoder.components, **{f"prior_{name}": part for name, part in prior.components.items()}
    )
    combined.set_progress_bar_config(disable=True)
    expected = combined(
        PROMPT, negative_prompt=negative, height=64, width=128, num_inference_steps=3,
        prior_num_inference_steps=3, guidance_scale=guidance, prior_guidance_scale=guidance,
        generator=generator(),
    ).images[0]  # fmt: skip
    assert made.image().size == (128, 64)
    assert np.array_equal(pixels(made.image()), pixels(expected))


@pytest.mark.parametrize(("scheduler", "negative", "guidance"), CASES)
def test_per_stage_seeding_is_the_two_pipelines_each_from_the_seed(
    kandinsky: Kandinsky, weights: Path, scheduler: str, negative: str | None, guidance: float
) -> None:
    made = run_like(kandinsky, "per_stage", scheduler, negative, guidance)
    prior, decoder = pipelines(weights, scheduler)
    embeds = prior(
        PROMPT, negative_prompt=negative, num_inference_steps=3, guidance_scale=guidance,
        generator=generator(),
    )  # fmt: skip
    expected = decoder(
        **embeds, height=64, width=128, num_inference_steps=3, guidance_scale=guidance,
        generator=generator(),
    ).images[0]  # fmt: skip
    assert np.array_equal(pixels(made.image()), pixels(expected))


@pytest.mark.slow
def test_what_decides_the_pixels_changes_them(kandinsky: Kandinsky) -> None:
    """Else the equalities above could hold because an option is ignored."""
    changes = [
        [], ["scheduler=ddim"], ["seeding=shared"], ["seeds=[8]"], [override("prompt", OTHER)],
        [override("negative_prompt", NEGATIVE)], ["prior.guidance_scale=1"],
        ["decoder.guidance_scale=1"], ["decoder.num_inference_steps=2"],
    ]  # fmt: skip
    hashes = [next(iter(kandinsky(*change).hashes.values())) for change in changes]
    assert len(set(hashes)) == len(changes)


def test_the_same_config_twice_is_the_same_picture(kandinsky: Kandinsky) -> None:
    first, second = kandinsky("cache=off"), kandinsky("cache=off")
    assert first.folder != second.folder
    assert not second.manifest["images"][0]["reused"]
    assert first.hashes == second.hashes


def test_refresh_makes_it_again_and_off_stores_nothing(
    kandinsky: Kandinsky, tmp_path: Path
) -> None:
    store = tmp_path / "outputs" / ".cache" / "results"
    kandinsky("cache=off")
    assert not store.exists()
    first = kandinsky("cache=use")
    entries = {path: path.stat().st_mtime_ns for path in store.rglob("entry.json")}
    again = kandinsky("cache=refresh")
    assert not again.manifest["images"][0]["reused"]
    assert again.hashes == first.hashes
    assert len(entries) == 2
    assert all(path.stat().st_mtime_ns > before for path, before in entries.items())


def test_a_stored_picture_comes_back_as_it_was_and_without_torch(
    kandinsky: Kandinsky, weights: Path, tmp_path: Path
) -> None:
    first = kandinsky("cache=use")
    code = (
        "import sys; from runner.cli import main; status = main(sys.argv[1:]);"
        "print('heavy:', sorted({'torch', 'diffusers', 'mlflow'} & set(sys.modules)));"
        "sys.exit(status)"
    )
    given = [f"weights={weights}", f"output_dir={tmp_path / 'outputs'}", "tracking=none", *STEPS]
    done = subprocess.run(
        [sys.executable, "-c", code, *given],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "heavy: []" in done.stdout
    second = Made(tmp_path / "outputs")
    assert second.folder != first.folder
    assert second.manifest["images"][0]["reused"]
    assert np.array_equal(pixels(first.image()), pixels(second.image()))


def test_a_picture_is_the_same_alone_and_among_others(kandinsky: Kandinsky) -> None:
    alone = kandinsky("cache=off", override("prompt", PROMPT), f"seeds=[{SEED}]")
    among = kandinsky("cache=off", override("prompt", [OTHER, PROMPT]), f"seeds=[1,{SEED}]")
    assert len(set(among.hashes.values())) == 4
    assert among.hashes[PROMPT, SEED] == alone.hashes[PROMPT, SEED]


@pytest.mark.parametrize("backend", ["plain", "sliced"])
def test_attention_backends_agree(kandinsky: Kandinsky, backend: str) -> None:
    usual, other = kandinsky("attention=sdpa"), kandinsky(f"attention={backend}")
    assert not other.manifest["images"][0]["reused"]
    difference = np.abs(pixels(usual.image()) - pixels(other.image()))
    assert difference.max() <= ATTENTION_TOLERANCE


PROCESSORS = {
    "sdpa": ("AttnAddedKVProcessor2_0", "AttnProcessor2_0", "AttnProcessor2_0"),
    "plain": ("AttnAddedKVProcessor", "AttnProcessor", "AttnProcessor"),
    # The MoVQ has one head, and diffusers' sliced processor would leave its spatial norm out.
    "sliced": ("SlicedAttnAddedKVProcessor", "SlicedAttnProcessor", "AttnProcessor2_0"),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "precision", "dtype"),
    [("sdpa", "fp32", "float32"), ("plain", "fp32", "float32"), ("sliced", "bf16", "bfloat16")],
)
def test_attention_and_precision_are_read_back(
    kandinsky: Kandinsky, tmp_path: Path, backend: str, precision: str, dtype: str
) -> None:
    kandinsky(f"attention={backend}", f"precision={precision}", "tracking=mlflow")
    # On a busy machine the run may end before all is delivered.
    wait_until(lambda: not writers_of(tmp_path / "outputs"))
    (file,) = (tmp_path / "outputs" / "mlartifacts").rglob("pipelines.json")
    prior, decoder = json.loads(file.read_text())
    unet, usual, movq = PROCESSORS[backend]
    assert set(decoder["attention"]["unet"]) == {unet}
    assert set(prior["attention"]["prior"]) == {usual}
    assert set(decoder["attention"]["movq"]) <= {movq, usual}
    assert movq in decoder["attention"]["movq"]
    assert set(prior["dtype"].values()) == set(decoder["dtype"].values()) == {dtype}
    assert {"text_encoder", "image_encoder", "prior"} == prior["dtype"].keys()


def test_half_precision_changes_the_pixels(kandinsky: Kandinsky) -> None:
    full, half = kandinsky(), kandinsky("precision=bf16")
    assert full.hashes.keys() == half.hashes.keys()
    assert full.hashes != half.hashes


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("precision", "dtype"), [("fp16", "float16"), ("bf16", "bfloat16")])
def test_half_precision_of_each_version(
    random_weights: Path, tmp_path: Path, version: str, precision: str, dtype: str
) -> None:
    """How far the picture may go is for the model to say: these small ones go far."""
    plan = planned(random_weights, tmp_path, version, f"precision={precision}")
    half = drawn(plan, opened(plan))
    modules = half.read_back("dtype")
    assert modules.keys() == {
        module for found in plan.weights.checkpoints.values() for module in found.checkpoint.modules
    }
    assert set(modules.values()) == {dtype}
    full = planned(random_weights, tmp_path, version)
    assert furthest(half.pixels, drawn(full, opened(full)).pixels) > 0


@pytest.mark.slow
def test_each_role_has_a_precision_of_its_own(random_weights: Path, tmp_path: Path) -> None:
    for version, role, first in (
        ("kandinsky2_2", "prior", "prior"), ("kandinsky3", "text", "text_encoder"),
    ):  # fmt: skip
        plan = planned(random_weights, tmp_path, version, f"precision.{role}=bf16")
        modules = drawn(plan, opened(plan)).read_back("dtype")
        assert modules[first] == "bfloat16"
        assert modules["unet"] == modules["movq"] == "float32"
