"""The plan of one run, from Python."""

from __future__ import annotations

from typing import Any

from runner import plan
from runner.planning.plan import Plan


def plan_of_run(*overrides: str, **keys: Any) -> Plan:
    """As `runner.plan`, of arguments that say no sweep."""
    found = plan(*overrides, **keys)
    assert isinstance(found, Plan)
    return found
