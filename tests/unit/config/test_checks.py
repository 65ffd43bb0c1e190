"""Invalid values, options and inputs: the message names key, value and what is allowed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.cases import CELLS, INPUT_VALUES, NEEDS, TWO_TEXTS
from helpers.scheduler_cases import VALUES, beside, taker, used_by, written
from runner.catalog.schedulers import OPTIONS, SCHEDULERS, Option, Scheduler
from runner.catalog.tasks import TASKS, Task
from runner.config.groups import SchedulerConfig
from runner.config.sections import InputsConfig
from runner.errors import ConfigError
from runner.planning.planner import make_plan
from unit.conftest import Compose

A, MASK, HINT = "inputs.image=a.png", "inputs.mask=mask.png", "inputs.hint=a.png"
IMG2IMG = ("task=img2img", A)
INPAINT = ("weights=hub", "task=inpaint")
CONTROLNET = ("weights=hub", "task=controlnet")
BOTH = ("weights=hub", "task=controlnet_img2img", A, HINT)
MIX = ("task=interpolate",)
FULL = TWO_TEXTS

REFUSED: list[tuple[tuple[str, ...], str, str, str]] = [
    # overrides, the key and value as shown, the problem, the start of what is allowed
    # strengths
    ((*IMG2IMG, "strength=0"), "strength=0.0", "out of range", "above 0, up to 1"),
    ((*IMG2IMG, "strength=1.01"), "strength=1.01", "out of range", "above 0, up to 1"),
    ((*IMG2IMG, "strength=-0.5"), "strength=-0.5", "out of range", "above 0, up to 1"),
    ((*IMG2IMG, "strength=nan"), "strength=nan", "out of range", "above 0, up to 1"),
    (("strength=2",), "strength=2.0", "out of range", "above 0, up to 1"),
    (
        (*IMG2IMG, "strength=0.3", "decoder.num_inference_steps=3"),
        "strength=0.3", "no step of 3 would be run", "0.334 to 1, or more steps",
    ),
    (
        (*BOTH, "strength=0.09", "decoder.num_inference_steps=10"),
        "strength=0.09", "no step of 10", "0.1 to 1, or more steps",
    ),
    (("prior.strength=0",), "prior.strength=0.0", "out of range", "above 0, up to 1"),
    (
        ("prior.negative_strength=1.5",),
        "prior.negative_strength=1.5", "out of range", "above 0, up to 1",
    ),
    (
        (*BOTH, "prior.strength=0.1", "prior.num_inference_steps=5"),
        "prior.strength=0.1", "no step of 5", "0.2 to 1",
    ),
    (
        (*BOTH, "prior.negative_strength=0.1", "prior.num_inference_steps=5"),
        "prior.negative_strength=0.1", "no step of 5", "0.2 to 1",
    ),
    # compile, weights
    (("compile.fullgraph=true",), "compile.fullgraph=True", "compile=off", "compile.f"),
    (("compile.regional=true",), "compile.regional=True", "compile=off", "compile.r"),
    (("compile=max-autotune", "compile.regional=true"), "compile.reg", "overwrite", "compile.r"),
    (("weights.size=0",), "weights.size=0", "no number of pixels", "a positive number, or null"),
    (("attention=sliced", "attention.slice_size=0"), "attention.slice_size=0", "heads", "1 or"),
    # inputs that a task lacks
    (("task=img2img",), "inputs.image=null", "task=img2img needs a picture", "a path"),
    (INPAINT, "inputs.image=null", "task=inpaint needs a picture", "a path"),
    ((*INPAINT, A), "inputs.mask=null", "nor is inputs.mask_box", "a picture (white = repaint)"),
    (CONTROLNET, "inputs.hint=null", "nor is inputs.image set", "a depth picture, or a picture"),
    (("weights=hub", "task=controlnet_img2img"), "inputs.image=null", "needs a picture", "a path"),
    (
        ("weights=hub", "task=controlnet_img2img", HINT),
        "inputs.image=null", "needs a picture", "a path",
    ),
    # inputs that contradict each other or themselves
    (
        (*INPAINT, A, MASK, "inputs.mask_box=[0,0,8,8]"),
        "inputs.mask_box=[0, 0, 8, 8]", "inputs.mask is set too", "one of both",
    ),
    ((*CONTROLNET, A, HINT), "inputs.image=a.png", "inputs.hint is set too", "one of both"),
    (("task=img2img", "inputs.image=''"), "inputs.image=''", "names no file", "a path"),
    ((*INPAINT, A, "inputs.mask='  '"), "inputs.mask='  '", "names no file", "a path"),
    (
        (*INPAINT, A, "inputs.mask_box=[0,0,8]"),
        "inputs.mask_box=[0, 0, 8]", "has 3 numbers", "[x0,y0,x1,y1]",
    ),
    (
        (*INPAINT, A, "inputs.mask_box=[8,0,8,8]"),
        "inputs.mask_box=[8, 0, 8, 8]", "holds no pixel", "[x0,y0,x1,y1] with x0 < x1",
    ),
    (
        (*INPAINT, A, "inputs.mask_box=[0,9,8,8]"),
        "inputs.mask_box=[0, 9, 8, 8]", "holds no pixel", "[x0,y0,x1,y1]",
    ),
    (
        (*INPAINT, A, "inputs.mask_box=[-1,0,8,8]"),
        "inputs.mask_box=[-1, 0, 8, 8]", "holds no pixel", "[x0,y0,x1,y1]",
    ),
    # pictures that are none
    (("task=img2img", "inputs.image=none.png"), "inputs.image=none.png", "no such file", ""),
    (("task=img2img", "inputs.image=text.png"), "inputs.image=text.png", "picture", ""),
    # items
    (MIX, "interpolate.items=0 items", "nothing to mix", "two or more of {text: ..., weight"),
    (
        (*MIX, "interpolate.items=[{text: a}]"),
        "interpolate.items=1 items", "nothing to mix", "two or more",
    ),
    ((FULL,), "interpolate.items=2 items", "means nothing with task=text2img", "task=inter"),
    (
        (*MIX, "interpolate.items=[{text: a, weight: 0.5}, {weight: 0.5}]"),
        "interpolate.items[1]=", "has neither a text nor an image, or has both", "text, image",
    ),
    (
        (*MIX, "interpolate.items=[{text: a, image: a.png, weight: 0.5}, {text: b, weight: 0.5}]"),
        "interpolate.items[0]=", "has neither a text nor an image, or has both", "text, image",
    ),
    (
        (*MIX, "interpolate.items=[{text: a, weight: 0.5}, {text: ' ', weight: 0.5}]"),
        "interpolate.items[1].text=' '", "empty", "",
    ),
    (
        (*MIX, "interpolate.items=[{text: a, weight: 0.5}, {text: b, weight: nan}]"),
        "interpolate.items[1].weight=nan", "not a finite number", "",
    ),
    (
        (*MIX, "interpolate.items=[{text: a, weight: 0.5}, {text: b, weight: 0.51}]"),
        "interpolate.items=weights 1.01 in all", "do not add up", "weights of 1 in all",
    ),
    (
        (*MIX, "interpolate.items=[{text: a, weight: 0.5}, {image: no.png, weight: 0.5}]"),
        "interpolate.items[1].image=no.png", "no such file", "",
    ),
    # schedulers: what an option needs beside it, and its range
    (
        ("scheduler=ddim", "scheduler.clip_sample_range=1",),
        "scheduler.clip_sample_range=1.0", "without scheduler.clip_sample=true", "",
    ),
    (
        ("scheduler=ddim", "scheduler.clip_sample=false", "scheduler.clip_sample_range=1"),
        "scheduler.clip_sample_range=1.0", "without scheduler.clip_sample=true", "",
    ),
    (
        ("scheduler=ddim", "scheduler.dynamic_thresholding_ratio=0.9",),
        "scheduler.dynamic_thresholding_ratio=0.9", "without scheduler.thresholding=true", "",
    ),
    (
        ("scheduler=ddim", "scheduler.sample_max_value=2",),
        "scheduler.sample_max_value=2.0", "without scheduler.thresholding=true", "",
    ),
    (
        ("scheduler=ddim", "scheduler.clip_sample=true", "scheduler.thresholding=true"),
        "scheduler.clip_sample=True", "while scheduler.thresholding is on", "one of both",
    ),
    (
        ("scheduler=lcm", "decoder.num_inference_steps=51"),
        "decoder.num_inference_steps=51", ": is more than LCM's schedule of 50",
        "1 to 50, such as decoder.num_inference_steps=4",
    ),
    (
        ("scheduler=lcm", "scheduler.original_inference_steps=8"),
        "decoder.num_inference_steps=25", "the default of the weights, is more than LCM's schedule "
        "of 8", "1 to 8, such as",
    ),
    (("scheduler=ddim", "scheduler.eta=nan",), "scheduler.eta=nan", "out of range", "0 to 1"),
]  # fmt: skip


@pytest.fixture
def plan(composed: Compose, tmp_path: Path, pictures: Callable[[Path], None]) -> Compose:
    """Compose, resolve and plan, beside a few pictures and a file that is none."""
    pictures(tmp_path)
    (tmp_path / "text.png").write_text("no picture")

    def make(*overrides: str) -> object:
        return make_plan(composed("device=cpu", *overrides))

    return make  # type: ignore[return-value]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: " ".join(case[0]))
def test_it_is_refused(plan: Compose, case: tuple[tuple[str, ...], str, str, str]) -> None:
    overrides, named, problem, allowed = case
    with pytest.raises(ConfigError) as caught:
        plan(*overrides)
    assert caught.value.exit_status == 2
    head, _, tail = str(caught.value).partition("\n  allowed: ")
    assert head.startswith(named), head
    assert problem in head.removeprefix(named)
    assert tail.startswith(allowed)
    assert "\n" not in head


ACCEPTED = [
    (*IMG2IMG, "strength=1"),
    (*IMG2IMG, "strength=0.04", "decoder.num_inference_steps=25"),
    ("strength=0.001",),  # of no use to text2img, and in range
    (*BOTH, "prior.strength=0.2", "prior.num_inference_steps=5"),
    (*INPAINT, A, MASK, "inputs.mask_invert=true"),
    (*INPAINT, A, "inputs.mask_box=[0,0,128,128]"),
    (*CONTROLNET, A),
    (*CONTROLNET, HINT),
    BOTH,
    (*MIX, FULL),
    (*MIX, "interpolate.items=[{text: a, weight: 1.5}, {image: a.png, weight: -0.5}]"),
    (*MIX, "interpolate.items=[{text: a, weight: 0.333}, {text: a, weight: 0.3335},"
           "{text: b, weight: 0.333}]"),
    ("scheduler=ddim", "scheduler.clip_sample=true", "scheduler.clip_sample_range=2"),
    ("scheduler=ddim", "scheduler.thresholding=true", "scheduler.sample_max_value=2"),
    ("scheduler=lcm", "decoder.num_inference_steps=50"),
    ("scheduler=lcm", "scheduler.original_inference_steps=80", "decoder.num_inference_steps=80"),
    ("compile.channels_last=true",),
]  # fmt: skip


@pytest.mark.parametrize("overrides", ACCEPTED, ids=" ".join)
def test_what_is_at_the_edge_is_accepted(plan: Compose, overrides: tuple[str, ...]) -> None:
    assert plan(*overrides)


def test_every_option_has_its_cases_and_its_key() -> None:
    keys = {field.name for field in dataclasses.fields(SchedulerConfig)} - {"name"}
    assert keys == set(OPTIONS) == set(VALUES)


@pytest.mark.parametrize("scheduler", SCHEDULERS.values(), ids=lambda row: row.name)
def test_options_of_another_scheduler_are_refused(plan: Compose, scheduler: Scheduler) -> None:
    for option, values in VALUES.items():
        chosen = (*used_by(scheduler), *written({option: values[0]}))
        if option in scheduler.option_names:
            assert plan(*chosen, *written(beside(option)))
            continue
        with pytest.raises(ConfigError) as caught:
            plan(*chosen)
        takers = [
            f"scheduler={row.name}" for row in SCHEDULERS.values() if option in row.option_names
        ]
        assert str(caught.value) == (
            f"scheduler.{option}={values[0]}: means nothing with scheduler={scheduler.name}"
            f"\n  allowed: {', '.join(scheduler.option_names or takers)}"
        )


@pytest.mark.parametrize("option", [o for o in OPTIONS.values() if o.least is not None])
def test_ends_of_ranges(plan: Compose, option: Option) -> None:
    assert option.least is not None
    assert option.most is not None
    by = taker(option.name)
    others = [*used_by(by), *written(beside(option.name))]
    for inside in (option.least, option.most):
        number = option.kind(inside)
        assert plan(*others, "decoder.num_inference_steps=1", *written({option.name: number}))
    for outside in (option.least - 1, option.most + 1):
        number = option.kind(outside)
        with pytest.raises(ConfigError) as caught:
            plan(*others, *written({option.name: number}))
        assert str(caught.value) == (
            f"scheduler.{option.name}={number}: is out of range"
            f"\n  allowed: {option.least:g} to {option.most:g}"
        )


@pytest.mark.parametrize("option", [o for o in OPTIONS.values() if o.choices is not None])
def test_words_that_an_option_does_not_know(plan: Compose, option: Option) -> None:
    assert option.choices is not None
    chosen = [f"scheduler={taker(option.name).name}", *written(beside(option.name))]
    with pytest.raises(ConfigError) as caught:
        plan(*chosen, f"scheduler.{option.name}=nonsense")
    assert str(caught.value) == (
        f"scheduler.{option.name}=nonsense: is none of its values"
        f"\n  allowed: {', '.join(option.choices)}"
    )


def test_a_name_of_no_scheduler(plan: Compose) -> None:
    with pytest.raises(ConfigError) as caught:
        plan("scheduler.name=pndm")
    known = ", ".join(SCHEDULERS)
    assert str(caught.value) == f"scheduler.name=pndm: is none of its values\n  allowed: {known}"


def test_every_input_is_known_to_a_task() -> None:
    names = {field.name for field in dataclasses.fields(InputsConfig)} - {"allow_urls"}
    assert {name for task in TASKS.values() for name in task.takes} == names == set(INPUT_VALUES)
    assert set(NEEDS) == set(TASKS)


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_inputs_of_another_task_are_refused(plan: Compose, task: Task) -> None:
    items = (FULL,) if task.mixes else ()
    able = next(version for version, done in CELLS if done == task.name)
    model = ("weights=hub", f"model={able}", f"task={task.name}")
    for name, value in INPUT_VALUES.items():
        if name in task.takes:
            continue
        with pytest.raises(ConfigError) as caught:
            plan(*model, f"inputs.{name}={value}", *items)
        message = str(caught.value)
        assert message.startswith(f"inputs.{name}="), message
        assert f": means nothing with task={task.name}\n" in message
        allowed = [f"inputs.{key}" for key in task.takes]
        assert message.endswith(f"  allowed: {', '.join(allowed) or 'no inputs'}")
