"""Each scheduler and each of its options, on each version: it takes effect, or it is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline
from hydra.errors import HydraException
from PIL import Image

from functional.cells import VERSIONS, Drawn, Watched, drawn, opened, planned
from helpers.pixels import furthest
from helpers.scheduler_cases import CHANGES, UNFIT, VALUES, Options, in_diffusers, written
from random_weights.loading import arguments
from runner.catalog.schedulers import KARRAS, SCHEDULERS
from runner.errors import RunnerError
from runner.pipelines.scheduler_swap import TRAINED, scheduler_settings
from training.judging.judge import judge

pytestmark = pytest.mark.slow

STEPS = 6
"""So few, and enough for the third order and for LCM's schedules to differ."""

REFUSED: list[tuple[str, str, Options]] = [
    *((version, name, options) for version in VERSIONS for name, options in UNFIT.items()),
    # 2.1's checkpoint for DDPM thresholds; diffusers then clips nothing.
    ("kandinsky2_1", "ddpm", {"clip_sample": False}),
    *((version, "ddim", {"thresholding": True, "clip_sample": True}) for version in VERSIONS),
    ("kandinsky3", "ddpm", {"variance_type": "learned_range"}),
    # Its cosine schedule ends at so much noise (sigma 20000) that Karras' steps repeat the last
    # time step: IndexError, or noise.
    *(
        ("kandinsky3", row.name, {KARRAS.name: True})
        for row in SCHEDULERS.values()
        if KARRAS in row.options
    ),
]

Draw = Callable[[str, str, Options], tuple[Drawn, Any]]


@pytest.fixture(scope="module")
def draw(random_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Draw:
    """(version, scheduler, options) -> what is drawn, and the live scheduler. Loads once each."""
    folder = tmp_path_factory.mktemp("outputs")
    pipelines: dict[str, Watched] = {}
    known: dict[str, tuple[Drawn, Any]] = {}

    def run(version: str, name: str, options: Options) -> tuple[Drawn, Any]:
        key = f"{version} {name} {sorted(options.items())}"
        if key not in known:
            chosen = (f"scheduler={name}", *written(options))
            steps = f"decoder.num_inference_steps={STEPS}"
            plan = planned(random_weights, folder, version, steps, *chosen)
            if version not in pipelines:
                pipelines[version] = opened(plan, keep_all=True)
            made = drawn(plan, pipelines[version])
            known[key] = made, pipelines[version].given["decoder"].scheduler
        return known[key]

    return run


def is_refused(version: str, name: str, options: Options) -> bool:
    return any(
        (version, name) == (v, n) and refused.items() <= options.items()
        for v, n, refused in REFUSED
    )


def settings_of(scheduler: Any) -> Options:
    # 0 is the default of `step`.
    return {"eta": 0, **scheduler_settings(scheduler)}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", CHANGES)
def test_options_that_change_the_settings_change_the_pixels(
    draw: Draw, version: str, name: str
) -> None:
    """And those that ask for what is set already do not."""
    effective = 0
    for before, after in CHANGES[name]:
        if is_refused(version, name, after):
            continue
        (usual, own), (made, live) = draw(version, name, before), draw(version, name, after)
        settings = settings_of(live)
        assert settings.items() >= in_diffusers(after).items(), after
        same = settings == settings_of(own)
        assert (furthest(made.pixels, usual.pixels) == 0) is same, after
        effective += not same
    assert effective > 4


@pytest.mark.parametrize(("version", "name", "options"), REFUSED)
def test_options_without_effect_or_with_a_wrong_one_are_refused(
    draw: Draw, version: str, name: str, options: Options
) -> None:
    """By the schema or by the plan."""
    (option, *_) = reversed(options)
    with pytest.raises((RunnerError, HydraException), match=rf"{option}\b"):
        draw(version, name, options)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", CHANGES)
def test_a_swap_keeps_what_the_weights_were_trained_with(
    draw: Draw, random_weights: Path, version: str, name: str
) -> None:
    made, live = draw(version, name, {})
    folder = {
        "kandinsky2_1": "kandinsky-2-1",
        "kandinsky2_2": "kandinsky-2-2-decoder",
        "kandinsky3": "kandinsky-3",
    }[version]
    text = dict.fromkeys(("text_encoder", "tokenizer")) if version != "kandinsky2_2" else {}
    own = DiffusionPipeline.from_pretrained(
        random_weights / folder, **arguments(folder), **text
    ).scheduler
    assert type(live).__name__ == SCHEDULERS[name].diffusers
    assert {key: live.config[key] for key in TRAINED} == {key: own.config[key] for key in TRAINED}
    assert torch.equal(live.alphas_cumprod, own.alphas_cumprod)
    assert len(set(live.timesteps.tolist())) == STEPS
    assert made.pixels.std() > 10


def test_the_schedulers_draw_different_pictures(draw: Draw) -> None:
    for version in VERSIONS:
        pictures = [draw(version, name, {})[0].pixels for name in CHANGES]
        for number, picture in enumerate(pictures):
            assert all(furthest(picture, other) > 5 for other in pictures[:number]), version


def test_ddpm_of_2_1_comes_from_a_folder_of_its_own(draw: Draw) -> None:
    _, live = draw("kandinsky2_1", "ddpm", {})
    # The main scheduler, a DDIM, has none of these.
    assert live.config.variance_type == "learned_range"
    assert live.config.thresholding is True
    assert live.config.clip_sample_range == 2.0


def test_dpmpp_stays_clear_of_the_end_of_a_cosine_schedule(draw: Draw) -> None:
    """diffusers: "critical for the cosine schedule"; the first step else divides by almost 0."""
    for spacing in VALUES["timestep_spacing"]:
        made, live = draw("kandinsky3", "dpmpp_2m", {"timestep_spacing": spacing})
        assert live.config.lambda_min_clipped == -5.1
        assert float(live.sigmas.max()) < 200
        assert made.read_back("scheduler_config")["lambda_min_clipped"] == -5.1


@pytest.mark.parametrize(
    ("name", "steps"), [("ddim", 25), ("ddpm", 25), ("dpmpp_2m", 25), ("lcm", 8), ("lcm", 25)]
)
def test_the_trained_family_draws_what_was_asked_for(
    weights: Path, tmp_path: Path, name: str, steps: int
) -> None:
    plan = planned(
        weights, tmp_path, "kandinsky2_2", "prompt=a red circle on a white background",
        "prior.num_inference_steps=25", f"decoder.num_inference_steps={steps}", "seeds=[0,1]",
        f"scheduler={name}", "height=null", "width=null",
        # The family's own default, which a copy of its folder does not bring.
        "decoder.guidance_scale=2",
    )  # fmt: skip
    for result in drawn(plan, opened(plan)).results:
        if isinstance(result.value, Image.Image):
            seen = judge(result.value)
            assert seen.background == "white"
            # `likest`: the strict judge also wants an outline within a pixel.
            assert [(one.colour, one.likest) for one in seen.objects] == [("red", "circle")]
