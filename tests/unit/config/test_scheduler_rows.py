"""The schedulers' rows, their config files and their recorded options agree."""

from __future__ import annotations

import inspect
from types import MappingProxyType

import diffusers
import pytest
import yaml

from helpers.scheduler_cases import CHANGES, VALUES
from runner.catalog import schedulers
from runner.catalog.schedulers import OPTIONS, RECORDED, SCHEDULERS, Option, Scheduler
from runner.config import resolve
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
        # Kandinsky's pipelines pass a generator on; UniPC's `step`, for one, takes none.
        step = getattr(diffusers, scheduler.diffusers).step
        assert "generator" in inspect.signature(step).parameters
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


def test_an_option_that_came_later_is_recorded_where_it_is_taken(
    composed: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {name: composed(f"scheduler={name}").composed["scheduler"] for name in ("ddim", "lcm")}
    for listed in before.values():
        assert list(listed) == ["name", *(option.name for option in RECORDED)]
    # As if clip_sample_range had come with LCM, and DDIM did not take it.
    later = "clip_sample_range"
    ddim = SCHEDULERS["ddim"]
    fewer = Scheduler("ddim", ddim.diffusers, tuple(o for o in ddim.options if o.name != later))
    rows = MappingProxyType({**schedulers.SCHEDULERS, "ddim": fewer})
    monkeypatch.setattr(resolve, "SCHEDULERS", rows)
    monkeypatch.setattr(resolve, "RECORDED", tuple(o for o in RECORDED if o.name != later))
    shorter = {key: value for key, value in before["ddim"].items() if key != later}
    assert composed("scheduler=ddim").composed["scheduler"] == shorter
    assert composed("scheduler=lcm").composed["scheduler"] == before["lcm"]
