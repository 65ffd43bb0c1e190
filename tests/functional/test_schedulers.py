"""Each scheduler and each of its options, on each version: it takes effect, or it is refused.

Options take effect in whole runs of `DRAWN_WITH`; for the other versions, which differ in what
their checkpoints say of the scheduler, in the steps of their scheduler.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from hydra.errors import HydraException
from PIL import Image

from functional import direct_kandinsky5 as direct5
from functional.cells import VERSIONS, Drawn, Watched, drawn, opened, planned
from helpers.pixels import furthest
from helpers.scheduler_cases import (
    CHANGES,
    FOR_NOISE,
    UNFIT,
    VALUES,
    Options,
    in_diffusers,
    section,
    written,
)
from runner.catalog.schedulers import KARRAS, SCHEDULERS
from runner.catalog.versions import VERSIONS as CHECKPOINTS
from runner.errors import ConfigError, RunnerError
from runner.pipelines.scheduler_swap import (
    LEARNED_VARIANCE,
    TRAINED,
    scheduler_settings,
    swap_scheduler,
)
from runner.planning.plan import Plan
from runner.planning.planner import make_plan
from training.judging.judge import judge

pytestmark = pytest.mark.slow

DRAWN_WITH = "kandinsky2_2"
NOISY = [name for name in VERSIONS if not CHECKPOINTS[name].flow]
"""Versions that take all schedulers for noise levels; those for others have tests of their own."""
STEPS = 6
"""So few, and enough for the third order and for LCM's schedules to differ."""

REFUSED: list[tuple[str, str, Options]] = [
    *((version, name, options) for version in NOISY for name, options in UNFIT.items()),
    # The checkpoints for DDPM threshold; diffusers then clips nothing.
    ("kandinsky2_0", "ddpm", {"clip_sample": False}),
    ("kandinsky2_1", "ddpm", {"clip_sample": False}),
    *((version, "ddim", {"thresholding": True, "clip_sample": True}) for version in NOISY),
    ("kandinsky3", "ddpm", {"variance_type": "learned_range"}),
    # Its cosine schedule ends at so much noise (sigma 20000) that Karras' steps repeat the last
    # time step: IndexError, or noise.
    *(
        ("kandinsky3", row.name, {KARRAS.name: True})
        for row in SCHEDULERS.values()
        if KARRAS in row.options
    ),
]

Planned = Callable[[str, str, Options], Plan]
Draw = Callable[[str, str, Options], tuple[Drawn, Any]]


@pytest.fixture(scope="module")
def plan(random_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Planned:
    """(version, scheduler, options) -> a plan."""
    folder = tmp_path_factory.mktemp("outputs")
    usual: dict[str, Plan] = {}

    def make(version: str, name: str, options: Options) -> Plan:
        if version not in usual:
            # Composed once each: other tests read options from the command line.
            steps = f"decoder.num_inference_steps={STEPS}"
            usual[version] = planned(random_weights, folder, version, steps)
        return make_plan(replace(usual[version].run, scheduler=section(name, **options)))

    return make


@pytest.fixture(scope="module")
def draw(plan: Planned) -> Draw:
    """(version, scheduler, options) -> what is drawn, and the live scheduler. Loads once each."""
    pipelines: dict[str, Watched] = {}
    known: dict[str, tuple[Drawn, Any]] = {}

    def run(version: str, name: str, options: Options) -> tuple[Drawn, Any]:
        key = f"{version} {name} {sorted(options.items())}"
        if key not in known:
            asked = plan(version, name, options)
            if version not in pipelines:
                pipelines[version] = opened(asked, keep_all=True)
            made = drawn(asked, pipelines[version])
            known[key] = made, pipelines[version].given["decoder"].scheduler
        return known[key]

    return run


def published(folder: Path) -> Any:
    """A checkpoint's scheduler."""
    settings = json.loads((folder / "scheduler_config.json").read_text())
    return getattr(diffusers, settings["_class_name"]).from_pretrained(folder)


def stepped(asked: Plan) -> tuple[torch.Tensor, Any]:
    """What the plan's scheduler makes of noise in all steps, with a model that is a function of
    the sample; and that scheduler.
    """
    checked = asked.weights.checkpoints["decoder"].checked
    assert checked is not None
    assert asked.scheduler.spec is not None
    folder = checked.path / (asked.scheduler.folder or "scheduler")
    scheduler = swap_scheduler(published(folder), asked.scheduler.spec)
    scheduler.set_timesteps(STEPS)
    generator = torch.Generator().manual_seed(0)
    sample = torch.randn(1, 4, 8, 8, generator=generator)
    for step in scheduler.timesteps:
        told = torch.sin(3 * sample + step / 100)
        if scheduler.config.get("variance_type") in LEARNED_VARIANCE:
            told = torch.cat([told, told / 2], dim=1)
        sample = scheduler.step(told, step, sample, generator=generator).prev_sample
    return sample, scheduler


def is_refused(version: str, name: str, options: Options) -> bool:
    return any(
        (version, name) == (v, n) and refused.items() <= options.items()
        for v, n, refused in REFUSED
    )


def settings_of(scheduler: Any) -> Options:
    # 0 is the default of `step`.
    return {"eta": 0, **scheduler_settings(scheduler)}


@pytest.mark.parametrize("version", NOISY)
@pytest.mark.parametrize("name", FOR_NOISE)
def test_options_that_change_the_settings_change_the_pixels(
    plan: Planned, draw: Draw, version: str, name: str
) -> None:
    """And those that ask for what is set already do not."""

    def made(options: Options) -> tuple[Any, Any]:
        if version != DRAWN_WITH:
            return stepped(plan(version, name, options))
        picture, live = draw(version, name, options)
        return torch.from_numpy(picture.pixels), live

    effective = 0
    for before, after in CHANGES[name]:
        if is_refused(version, name, after):
            continue
        (usual, own), (other, live) = made(before), made(after)
        settings = settings_of(live)
        assert settings.items() >= in_diffusers(after).items(), after
        same = settings == settings_of(own)
        assert torch.equal(other, usual) is same, after
        effective += not same
    assert effective > 4


@pytest.mark.parametrize(("version", "name", "options"), REFUSED)
def test_options_without_effect_or_with_a_wrong_one_are_refused(
    random_weights: Path, tmp_path: Path, version: str, name: str, options: Options
) -> None:
    """By the schema or by the plan."""
    (option, *_) = reversed(options)
    with pytest.raises((RunnerError, HydraException), match=rf"{option}\b"):
        planned(random_weights, tmp_path, version, f"scheduler={name}", *written(options))


@pytest.mark.parametrize(
    ("name", "refused", "drawn_with"),
    [
        ("stochastic_sampling", ("checkpoint", "flow_euler"), ("flow_unipc", "flow_dpmpp_2m")),
        ("use_dynamic_shifting", ("checkpoint", "flow_euler", "flow_unipc"), ()),
    ],
)
def test_what_no_pipeline_hands_on_is_refused_by_the_plan(
    random_weights: Path,
    tmp_path: Path,
    name: str,
    refused: tuple[str, ...],
    drawn_with: tuple[str, ...],
) -> None:
    """Such a checkpoint's own noise has no seed, or diffusers ends in an error once all is read."""
    folder = tmp_path / "weights"
    shutil.copytree(random_weights, folder)
    file = folder / direct5.T2I / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), name: True}))
    for scheduler in refused:
        with pytest.raises(ConfigError, match=rf"scheduler={scheduler}: .*sets {name}: "):
            planned(folder, tmp_path, "kandinsky5", f"scheduler={scheduler}")
    for scheduler in drawn_with:
        planned(folder, tmp_path, "kandinsky5", f"scheduler={scheduler}")


@pytest.mark.parametrize("version", NOISY)
@pytest.mark.parametrize("name", FOR_NOISE)
def test_a_swap_keeps_what_the_weights_were_trained_with(
    draw: Draw, random_weights: Path, version: str, name: str
) -> None:
    made, live = draw(version, name, {})
    decoder = CHECKPOINTS[version].tasks["text2img"]["decoder"]
    own = published(random_weights / decoder.folder / "scheduler")
    assert type(live).__name__ == SCHEDULERS[name].diffusers
    assert {key: live.config[key] for key in TRAINED} == {key: own.config[key] for key in TRAINED}
    assert torch.equal(live.alphas_cumprod, own.alphas_cumprod)
    assert len(set(live.timesteps.tolist())) == STEPS
    assert made.pixels.std() > 10


def test_the_schedulers_draw_different_pictures(draw: Draw) -> None:
    for version in NOISY:
        pictures = [draw(version, name, {})[0].pixels for name in FOR_NOISE]
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
