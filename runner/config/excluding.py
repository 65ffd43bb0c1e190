"""Keys of which one says what the others say, too: to say one anew means it instead of them."""

from __future__ import annotations

from collections.abc import Collection

from runner.catalog.tasks import TASKS
from runner.config.overrides import is_within

PROMPTS = frozenset(("prompt", "prompt_file", "prompt_template"))
"""Of which one says the prompts."""


def excluded(key: str, task: str | None = None) -> frozenset[str]:
    """The keys that exclude a key, with itself.

    Args:
        task: the name of the task, which may take one of two inputs; None: it is unknown.
    """
    pair = TASKS[task].one_of if task is not None and task in TASKS else None
    inputs = frozenset((f"inputs.{pair.first}", f"inputs.{pair.second}")) if pair else frozenset()
    return next((keys for keys in (PROMPTS, inputs) if key in keys), frozenset((key,)))


def is_said(key: str, said: Collection[str], task: str | None = None) -> bool:
    """Whether a key, the option of the group that it is in, or another key that excludes it is
    among those that are said.
    """
    own = key.lstrip("+").partition("@")[0]
    return is_within(own, said) or not excluded(own, task).isdisjoint(said)
