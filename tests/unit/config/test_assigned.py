"""Overrides as keys and values."""

from __future__ import annotations

from runner.config.overrides import assigned
from unit.conftest import Command


def test_keys_and_values_are_texts() -> None:
    found = assigned(["a=1", "b.c=x=y", "+d=", "~e"])
    assert found == {"a": "1", "b.c": "x=y", "+d": "", "~e": ""}


def test_a_sweep_may_delete_a_group(command: Command) -> None:
    planned = command("plan", "-m", "~compile", "scheduler=ddim,ddpm")
    assert planned.status == 0, planned.err
    assert "2 cells" in planned.out
