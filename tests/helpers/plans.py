"""The plan of one run, by Python's call."""

from __future__ import annotations

from typing import Any

import runner
from runner.planning.plan import Plan


def plan(*overrides: str, **keys: Any) -> Plan:
    """What `runner.plan` gives of a run that is no sweep."""
    found = runner.plan(*overrides, **keys)
    assert isinstance(found, Plan)
    return found
