"""Which settings make another sweep, and which only set how it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import pytest

from runner.config.keys import profile_keys
from runner.config.run_config import RunConfig
from runner.config.schema import Config
from runner.planning.plan import Plan
from runner.planning.planner import make_plan
from runner.planning.profile import ExecutionProfile
from runner.runs.fingerprint import fingerprint

Composed = Callable[..., RunConfig]

CHANGEABLE = {
    "report", "resume", "into", "retry", "workers", "progress", "debug", "output_dir", "threads",
    "axes", "skip_invalid", "any_size", "graphs", "workers_keep",
}  # fmt: skip


@pytest.fixture
def plan(composed: Composed) -> Plan:
    return make_plan(composed("device=cpu", "scheduler=ddim"))


@pytest.mark.parametrize("key", [field.name for field in fields(Config)])
def test_another_value_makes_another_sweep_but_for_what_says_how_it_is_run(
    plan: Plan, key: str
) -> None:
    other = replace(plan, run=replace(plan.run, composed={**plan.run.composed, key: "another"}))
    assert (fingerprint(other) == fingerprint(plan)) == (key in CHANGEABLE)


@pytest.mark.parametrize("key", sorted(CHANGEABLE))
def test_an_axis_tells_cells_apart_whatever_it_says(plan: Plan, key: str) -> None:
    other = replace(plan, run=replace(plan.run, composed={**plan.run.composed, key: "another"}))
    assert fingerprint(other, [key]) != fingerprint(plan, [key])


def test_every_field_of_the_profile_is_decided_by_keys_that_say_so() -> None:
    declared = dict.fromkeys(field for _, field in profile_keys(Config))
    # `moves` follows from offload.mode and quantize.
    assert {*declared, "moves"} == {field.name for field in fields(ExecutionProfile)}
    assert dict(profile_keys(Config))["offload.mode"] == "offload"


@pytest.mark.parametrize(
    ("key", "override"),
    [
        ("cache.mode", "cache=off"),
        ("threads", "threads=3"),
        ("workers", "workers=3"),
        ("bench", "bench=true"),
        ("warmup", "warmup=3"),
        ("repeats", "repeats=3"),
        ("batch_size", "batch_size=3"),
        ("offload.mode", "offload=auto"),
        ("device", "device=cuda"),
    ],
)
def test_cells_that_differ_in_it_are_not_run_together(
    composed: Composed, monkeypatch: pytest.MonkeyPatch, key: str, override: str
) -> None:
    monkeypatch.setattr("runner.planning.planner.settle_device", lambda d: d.replace("auto", "cpu"))
    together = ("bench=true",) if key in ("warmup", "repeats") else ()
    before = make_plan(composed("device=cpu", *together)).profile
    after = make_plan(composed("device=cpu", *together, override)).profile
    field = dict(profile_keys(Config))[key]
    assert getattr(before, field) != getattr(after, field)


def test_cells_that_offload_auto_has_other_modes_for_are_not_run_together(
    composed: Composed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are not quantised keep the modes that move single layers."""
    monkeypatch.setattr("runner.planning.planner.settle_device", lambda d: d)

    def profile(*overrides: str) -> ExecutionProfile:
        return make_plan(composed(*overrides)).profile

    auto, quantized = ("device=cuda", "offload=auto"), "quantize.denoiser=int8"
    assert profile(*auto) != profile(*auto, quantized)
    assert profile("device=cuda") == profile("device=cuda", quantized)
    assert profile("device=cpu", "offload=auto") == profile("device=cpu", "offload=auto", quantized)
