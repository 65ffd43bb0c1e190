"""A swapped scheduler keeps what the small decoder was trained with."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, FlowMatchEulerDiscreteScheduler

from helpers.scheduler_cases import FOR_NOISE, VALUES
from runner.catalog.kandinsky2_1 import DECODER_2_1
from runner.catalog.kandinsky2_2 import DECODER_2_2
from runner.catalog.kandinsky3 import DECODER_3
from runner.catalog.offload import OFFLOAD
from runner.catalog.schedulers import SCHEDULERS, Option, Scheduler
from runner.errors import StageError
from runner.graph.node import PipelineSpec, SchedulerSpec
from runner.pipelines.offload import choose_offload
from runner.pipelines.pipelines import Pipelines
from runner.pipelines.scheduler_swap import TRAINED, scheduler_settings, swap_scheduler
from runner.planning.planner import make_plan
from runner.planning.scheduling import scheduler_spec
from runner.weights.find import MINI_DIR
from unit.conftest import Compose


@pytest.fixture
def own() -> Any:
    """The decoder's own scheduler, as its checkpoint says."""
    return DDPMScheduler.from_pretrained(MINI_DIR / DECODER_2_2.folder, subfolder="scheduler")


@pytest.mark.parametrize("name", FOR_NOISE)
def test_swap_keeps_what_the_weights_were_trained_with(own: Any, name: str) -> None:
    swapped = swap_scheduler(own, SchedulerSpec(name))
    assert type(swapped).__name__ == SCHEDULERS[name].diffusers
    for key in TRAINED:
        assert swapped.config[key] == own.config[key], key
    assert (swapped.betas == own.betas).all()
    assert not swapped.config.get("clip_sample")


def test_ddim_has_no_learned_variance(own: Any) -> None:
    assert own.config.variance_type == "learned_range"
    swapped = swap_scheduler(own, SchedulerSpec("ddim"))
    assert isinstance(swapped, DDIMScheduler)
    assert "learned" not in str(swapped.config.get("variance_type"))


def test_ddpm_is_kept_with_its_learned_variance(own: Any) -> None:
    swapped = swap_scheduler(own, SchedulerSpec("ddpm"))
    assert swapped.config.variance_type == "learned_range"
    assert swapped is not own


def test_ddim_does_not_clip_where_the_checkpoint_says_nothing(own: Any) -> None:
    config = {k: v for k, v in own.config.items() if k != "clip_sample"}

    class Silent(DDPMScheduler):  # type: ignore[misc]
        @property
        def config(self) -> Any:
            return config

    swapped = swap_scheduler(Silent.from_config(own.config), SchedulerSpec("ddim"))
    assert not swapped.config.clip_sample


def test_options_are_set_and_read_back(own: Any) -> None:
    spec = SchedulerSpec("ddim", (("timestep_spacing", "trailing"),))
    assert swap_scheduler(own, spec).config.timestep_spacing == "trailing"


def test_an_option_without_effect_is_refused(own: Any) -> None:
    with pytest.raises(StageError, match="no_such_option=1 had no effect"):
        swap_scheduler(own, SchedulerSpec("ddim", (("no_such_option", 1),)))


def test_an_option_that_spoils_the_training_is_refused(own: Any) -> None:
    with pytest.raises(StageError, match="prediction_type is 'sample' after the swap"):
        swap_scheduler(own, SchedulerSpec("ddim", (("prediction_type", "sample"),)))


@pytest.mark.parametrize("scheduler", FOR_NOISE.values(), ids=lambda row: row.name)
@pytest.mark.parametrize("folder", [DECODER_2_1.folder, DECODER_2_2.folder, DECODER_3.folder])
def test_every_option_of_every_scheduler_is_read_back(
    random_weights: Path, folder: str, scheduler: Scheduler
) -> None:
    path = random_weights / folder / "scheduler"
    kind = DDIMScheduler if folder == DECODER_2_1.folder else DDPMScheduler
    own = kind.from_pretrained(path)
    for option in scheduler.options:
        for value in map(option.in_diffusers, VALUES[option.name]):
            spec = SchedulerSpec(scheduler.name, ((option.name, value),))
            swapped = swap_scheduler(own, spec)
            assert type(swapped).__name__ == scheduler.diffusers
            assert scheduler_settings(swapped)[option.name] == value
            for key in TRAINED:
                assert swapped.config[key] == own.config[key], key


def test_eta_is_bound_to_the_step_and_changes_it(own: Any) -> None:
    noisy, still = (
        swap_scheduler(own, SchedulerSpec("ddim", (("eta", eta),))) for eta in (1.0, 0.0)
    )
    sample = torch.ones(1, 4, 8, 8)
    stepped = []
    for scheduler in (noisy, still):
        scheduler.set_timesteps(10)
        generator = torch.Generator().manual_seed(0)
        step = scheduler.step(sample, scheduler.timesteps[0], sample, generator=generator)
        stepped.append(step.prev_sample)
    assert not torch.equal(*stepped)
    assert scheduler_settings(noisy)["eta"] == 1.0
    assert "eta" not in noisy.config


@pytest.mark.parametrize(
    ("name", "option"),
    [("ddpm", ("eta", 1.0)), ("ddim", ("solver_order", 2)), ("lcm", ("use_karras_sigmas", True))],
)
def test_an_option_of_another_scheduler_is_refused(
    own: Any, name: str, option: tuple[str, Any]
) -> None:
    with pytest.raises(StageError, match=f"{option[0]}=.* had no effect"):
        swap_scheduler(own, SchedulerSpec(name, (option,)))


def test_options_are_named_as_diffusers_names_them(composed: Compose) -> None:
    run = composed(
        "scheduler=dpmpp_2m", "scheduler.algorithm_type=sde", "scheduler.use_karras_sigmas=false"
    )
    spec = scheduler_spec(run.scheduler)
    assert spec == SchedulerSpec(
        "dpmpp_2m", (("algorithm_type", "sde-dpmsolver++"), ("use_karras_sigmas", False))
    )
    assert scheduler_spec(composed("scheduler=ddim").scheduler) == SchedulerSpec("ddim")
    assert scheduler_spec(composed("scheduler=checkpoint").scheduler) is None


SHIFT = Option("shift", float, "", 1, 10)
FLOW = Scheduler("flow", "FlowMatchEulerDiscreteScheduler", (SHIFT,), flow=True)


def test_flow_matching_and_noise_levels_do_not_mix(
    own: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SCHEDULERS, "flow", FLOW)
    published = FlowMatchEulerDiscreteScheduler(shift=3.0)
    swapped = swap_scheduler(published, SchedulerSpec("flow"))
    assert scheduler_settings(swapped) == scheduler_settings(published)
    other = swap_scheduler(published, SchedulerSpec("flow", (("shift", 5.0),)))
    assert scheduler_settings(other)["shift"] == 5.0
    with pytest.raises(StageError, match=r"scheduler=flow: .* trained by noise levels"):
        swap_scheduler(own, SchedulerSpec("flow"))
    with pytest.raises(StageError, match=r"scheduler=ddim: .* trained by flow matching"):
        swap_scheduler(published, SchedulerSpec("ddim"))


def test_2_1_brings_a_config_of_its_own_for_ddpm(composed: Compose, random_weights: Path) -> None:
    def live(name: str) -> Any:
        plan = make_plan(
            composed(
                "model=kandinsky2_1", f"weights={random_weights}", f"scheduler={name}", "device=cpu"
            )
        )
        (decode,) = plan.graph.targets
        assert isinstance(decode.pipeline, PipelineSpec)
        offload = choose_offload(OFFLOAD["none"], "cpu", [], None)
        pipelines = Pipelines(plan.weights.checkpoints.values(), "cpu", offload)
        scheduler = pipelines.get(decode.pipeline).scheduler
        (loaded,) = pipelines.pop_loaded()
        foretold = [asdict(change) for change in plan.scheduler.changes]
        assert loaded.readback["scheduler_changes"] == foretold
        return scheduler

    # Only ddpm_scheduler/ has it; scheduler/ holds a DDIM without.
    assert live("ddpm").config.variance_type == "learned_range"
    assert live("ddpm").config.thresholding
    assert not live("ddim").config.thresholding
    assert type(live("checkpoint")) is DDIMScheduler
    assert live("dpmpp_2m").config.steps_offset == 1
    folder = random_weights / DECODER_2_1.folder
    assert DDPMScheduler.load_config(folder, subfolder="ddpm_scheduler")["thresholding"]
    assert not DDIMScheduler.load_config(folder, subfolder="scheduler")["thresholding"]
