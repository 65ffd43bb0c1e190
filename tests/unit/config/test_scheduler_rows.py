"""The schedulers' rows, their config files and their recorded options agree."""

from __future__ import annotations

import inspect

import diffusers
import pytest
import yaml

from helpers.scheduler_cases import CHANGES, VALUES
from runner.catalog.schedulers import OPTIONS, RECORDED, SCHEDULERS, Option, Scheduler
from runner.config.hydra import tree
from unit.conftest import Compose


@pytest.mark.parametrize("scheduler", SCHEDULERS.values(), ids=lambda row: row.name)
def test_its_file_lists_exactly_its_options(scheduler: Scheduler) -> None:
    file = tree.config_dir() / "scheduler" / f"{scheduler.name}.yaml"
    listed = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert listed == {"name": scheduler.name, **dict.fromkeys(scheduler.option_names)}


@pytest.mark.parametrize("scheduler", SCHEDULERS.values(), ids=lambda row: row.name)
def test_it_is_a_class_of_diffusers_with_cases(scheduler: Scheduler) -> None:
    if scheduler.diffusers is not None:
        # Kandinsky's pipelines pass a generator on, but for those of flow matching.
        step = getattr(diffusers, scheduler.diffusers).step
        assert scheduler.flow or "generator" in inspect.signature(step).parameters
        assert {option for _, after in CHANGES[scheduler.name] for option in after} == set(
            scheduler.option_names
        )
    for option in scheduler.options:
        assert OPTIONS[option.name] is option, "schedulers share what is named alike"
        for other in (option.needs, option.voided_by):
            assert other is None or other in scheduler.option_names


@pytest.mark.parametrize("option", OPTIONS.values(), ids=lambda option: option.name)
def test_the_cases_are_values_of_the_option(option: Option) -> None:
    values = VALUES[option.name]
    assert all(type(value) is option.kind for value in values)
    if option.choices is not None:
        assert values == list(option.choices)


def test_an_option_that_came_later_is_recorded_where_it_is_set(composed: Compose) -> None:
    before = {name: composed(f"scheduler={name}").composed["scheduler"] for name in ("ddim", "lcm")}
    for listed in before.values():
        assert list(listed) == ["name", *(option.name for option in RECORDED)]
    told = composed("scheduler=ddim", "scheduler.set_alpha_to_one=false").composed["scheduler"]
    assert told == {**before["ddim"], "set_alpha_to_one": False}
