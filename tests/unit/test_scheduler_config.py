"""Which settings a scheduler changes: as planned and as read back; and what `checkpoint` is."""

from __future__ import annotations

import inspect
import json
from dataclasses import asdict, replace
from typing import Any

import diffusers
import pytest

from helpers.scheduler_cases import VALUES, beside, section
from random_weights import parts
from runner.catalog.scheduler_config import DEFAULTS, STEP_DEFAULTS, WITHOUT_EFFECT, in_words
from runner.catalog.schedulers import NAMED, OPTIONS
from runner.config.run_config import RunConfig
from runner.graph.node import SchedulerSpec
from runner.pipelines.scheduler_swap import scheduler_changes, swap_scheduler
from runner.planning.planner import make_plan
from runner.planning.scheduling import SettledScheduler, settle
from runner.runs.fingerprint import fingerprint
from unit.conftest import Compose

File = dict[str, Any]


def file_of(scheduler: Any, *without: str) -> File:
    """What its scheduler_config.json holds."""
    content = json.loads(scheduler.to_json_string())
    return {key: value for key, value in content.items() if key not in without}


LATER = ("timestep_spacing", "rescale_betas_zero_snr", "clip_sample", "clip_sample_range")
PUBLISHED = {
    "2.1": file_of(parts.ddim()),
    "2.1, second": file_of(parts.ddpm_2_1()),
    "2.2": file_of(parts.ddpm()),
    "2.2 inpaint": file_of(parts.ddpm(clip_sample=False)),
    "3": file_of(parts.ddpm_3()),
    "written before there were some settings": file_of(parts.ddpm(), *LATER),
    "DPM++": file_of(
        diffusers.DPMSolverMultistepScheduler(**parts.NOISE, timestep_spacing="leading")
    ),
    "5": file_of(diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)),
    "LCM": file_of(diffusers.LCMScheduler(clip_sample=True, original_inference_steps=100)),
}


@pytest.fixture
def run(composed: Compose) -> RunConfig:
    """A run whose weights say nothing of a scheduler, as those of a folder."""
    found = composed()
    return replace(found, weights=replace(found.weights, scheduler=None))


def settled(run: RunConfig, main: File | None, **others: File) -> SettledScheduler:
    """What the run's scheduler is with these files in the decoder's folder; None: no folder."""
    return settle(run, {"": main, **others} if main is not None else None)


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_facts_of_a_class_are_those_of_diffusers(name: str) -> None:
    kind = getattr(diffusers, name)
    taken = dict(inspect.signature(kind.__init__).parameters)
    del taken["self"]
    assert dict(DEFAULTS[name]) == {key: one.default for key, one in taken.items()}
    stepped = inspect.signature(kind.step).parameters
    in_step = {
        key: one.default for key, one in stepped.items() if (o := OPTIONS.get(key)) and o.in_step
    }
    told = {**STEP_DEFAULTS.get(name, {})}
    if name == "FlowMatchEulerDiscreteScheduler":
        assert told.pop("schedule") == "diffusers"
    assert told == in_step
    if "timestep_spacing" not in DEFAULTS[name]:
        return
    usual = kind()
    usual.set_timesteps(7)
    for setting in ("timestep_spacing", "steps_offset"):
        other = kind(**{setting: {"timestep_spacing": "trailing", "steps_offset": 1}[setting]})
        other.set_timesteps(7)
        ignored = setting in WITHOUT_EFFECT.get(name, ())
        # The spacing of the class's own choice may leave the offset without effect.
        if setting == "timestep_spacing" or DEFAULTS[name]["timestep_spacing"] == "leading":
            assert (other.timesteps.tolist() == usual.timesteps.tolist()) == ignored, setting


def test_every_row_has_the_facts_of_its_class() -> None:
    assert {row.diffusers for row in NAMED.values()} == set(DEFAULTS)


@pytest.mark.parametrize("published", PUBLISHED)
def test_the_plan_foretells_what_is_read_back(published: str, run: RunConfig) -> None:
    file = PUBLISHED[published]
    own = getattr(diffusers, file["_class_name"]).from_config(file)
    for row in NAMED.values():
        if row.flow is not (published == "5"):
            continue
        for given in (
            {},
            *({**beside(o.name), o.name: v} for o in row.options for v in VALUES[o.name]),
        ):
            plan = settled(replace(run, scheduler=section(row.name, **given)), file)
            assert plan.spec is not None
            live = swap_scheduler(own, plan.spec)
            assert [asdict(one) for one in plan.changes] == scheduler_changes(own, live), given


CHANGED = {
    ("2.1", "ddim"): "",
    ("2.1", "ddpm"): "set_alpha_to_one=false of the checkpoint is not taken",
    ("2.1", "dpmpp_2m"): "set_alpha_to_one=false of the checkpoint is not taken",
    ("2.1", "lcm"): "steps_offset=1 of the checkpoint is not taken",
    ("2.2", "ddim"): "variance_type=fixed_small of the checkpoint is not taken",
    ("2.2", "ddpm"): "",
    ("2.2", "dpmpp_2m"):
        "clip_sample=true and variance_type=fixed_small of the checkpoint are not taken",
    ("2.2", "lcm"): "steps_offset=1 and variance_type=fixed_small of the checkpoint are not taken",
    ("2.2 inpaint", "dpmpp_2m"): "variance_type=fixed_small of the checkpoint is not taken",
    ("3", "ddpm"): "",
    ("3", "dpmpp_2m"):
        "clip_sample=true and variance_type=fixed_small of the checkpoint are not taken; "
        "lambda_min_clipped=-5.1",
    ("written before there were some settings", "ddim"):
        "variance_type=fixed_small of the checkpoint is not taken",
    ("written before there were some settings", "dpmpp_2m"):
        "clip_sample=true and variance_type=fixed_small of the checkpoint are not taken; "
        "timestep_spacing=linspace instead of leading",
    ("DPM++", "ddim"): "clip_sample=false",
    ("5", "flow_euler"): "",
    ("5", "flow_dpmpp_2m"): "prediction_type=flow_prediction; use_flow_sigmas=true",
    ("5", "flow_unipc"): "prediction_type=flow_prediction; use_flow_sigmas=true",
}  # fmt: skip


@pytest.mark.parametrize(("published", "name"), CHANGED)
def test_what_a_scheduler_changes_is_said(published: str, name: str, run: RunConfig) -> None:
    found = settled(replace(run, scheduler=section(name)), PUBLISHED[published])
    assert in_words(found.changes) == CHANGED[published, name]


def test_an_option_is_a_change_where_the_checkpoint_says_otherwise(run: RunConfig) -> None:
    asked = section("ddim", clip_sample=True, clip_sample_range=2.5, timestep_spacing="leading")
    found = settled(replace(run, scheduler=asked), PUBLISHED["2.1"])
    assert in_words(found.changes) == (
        "clip_sample=true instead of false; clip_sample_range=2.5 instead of 1.0"
    )


def test_an_option_reaches_a_file_that_does_not_list_it() -> None:
    """diffusers' `from_config` drops what the checkpoint's class filled in, and this with it."""
    file = PUBLISHED["written before there were some settings"]
    own = diffusers.DDPMScheduler.from_config(file)
    spec = SchedulerSpec("ddim", (("timestep_spacing", "trailing"),))
    assert swap_scheduler(own, spec).config.timestep_spacing == "trailing"


@pytest.mark.parametrize(
    ("published", "name"),
    [
        ("2.1", "ddim"),
        ("2.2", "ddpm"),
        ("3", "ddpm"),
        ("DPM++", "dpmpp_2m"),
        ("LCM", "lcm"),
        ("5", "flow_euler"),
    ],
)
def test_checkpoint_is_the_named_scheduler_of_its_class(
    run: RunConfig, published: str, name: str
) -> None:
    found = settled(run, PUBLISHED[published])
    assert found == SettledScheduler("checkpoint", name, "as published", SchedulerSpec(name))
    named = settled(replace(run, scheduler=section(name)), PUBLISHED[published])
    assert (named.spec, named.changes) == (found.spec, ())


def test_checkpoint_is_the_main_scheduler_where_a_named_one_has_a_folder(run: RunConfig) -> None:
    second = PUBLISHED["2.1, second"]
    assert settled(run, PUBLISHED["2.1"], ddpm=second).spec == SchedulerSpec("ddim")
    # The name leads to the folder, so it does not lead to the main one.
    main = settled(run, PUBLISHED["2.2"], ddpm=second)
    assert (main.name, main.spec) == ("DDPMScheduler", None)
    named = settled(replace(run, scheduler=section("ddpm")), PUBLISHED["2.2"], ddpm=second)
    assert named.changes == ()
    assert settled(run, second, ddpm=second).spec == SchedulerSpec("ddpm")


def test_a_class_that_is_none_of_the_catalogs_is_kept_and_warned_of(run: RunConfig) -> None:
    found = settled(run, file_of(diffusers.EulerDiscreteScheduler(**parts.NOISE)))
    assert (found.spec, found.changes) == (None, ())
    assert found.title == "checkpoint (EulerDiscreteScheduler, as published)"
    assert "EulerDiscreteScheduler is none of those" in found.warnings[0]
    assert "ddim, ddpm, dpmpp_2m, lcm" in found.warnings[0]


def test_a_checkpoint_that_is_not_on_disk_is_not_guessed(run: RunConfig) -> None:
    assert settled(run, None) == SettledScheduler("checkpoint", "checkpoint", "", None)


def test_with_the_small_family_checkpoint_is_ddim(composed: Compose) -> None:
    """So results of before, when DDIM was the default, are found."""
    for model in ("kandinsky2_1", "kandinsky2_2", "kandinsky3"):
        usual, named = (
            make_plan(composed(f"model={model}", *more)) for more in ((), ("scheduler=ddim",))
        )
        assert usual.graph.targets[0].key == named.graph.targets[0].key
        assert usual.settled["scheduler.name"] == "ddim"
        assert usual.scheduler.title == "checkpoint (ddim, which suits the weights)"
        # A sweep that was begun by that name is gone on with.
        assert fingerprint(usual) == fingerprint(named)
        assert fingerprint(usual, ["scheduler"]) != fingerprint(named, ["scheduler"])


def test_a_record_says_what_suits_the_weights_where_it_counts(composed: Compose) -> None:
    assert composed().composed["weights"]["scheduler"] == "ddim"
    assert "scheduler" not in composed("scheduler=ddim").composed["weights"]
