"""Stands for torch's compiler while libraries are imported and load models: its import takes 1.3 s
of CPU time, and what they ask it for counts only where something is compiled.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

COMPILER = "torch._dynamo"

MARKS = ("allow_in_graph", "assume_constant_result")
"""Decorators that give back what they are given."""

_marked: list[tuple[str, Any]] = []
"""These decorators, with what they were given."""

KEPT = "__dynamo_disable"
"""Attribute in which torch keeps a function of its own as it was decorated at its first call."""

_disabled: list[tuple[Callable[..., Any], Callable[..., Any], Callable[[], Callable[..., Any]]]]
_disabled = []
"""Functions that are not to be compiled: themselves, what stands for them now, and how to have them
decorated.
"""


def settle_decorators() -> None:
    """Before something is compiled: do what the decorators should have done."""
    compiler = importlib.import_module(COMPILER)
    while _marked:
        name, decorated = _marked.pop()
        getattr(compiler, name)(decorated)
    while _disabled:
        function, plain, decorate = _disabled.pop()
        if getattr(function, KEPT, None) is plain:
            setattr(function, KEPT, decorate())
            continue
        owner: Any = sys.modules.get(plain.__module__)
        *path, name = plain.__qualname__.split(".")
        for part in path:
            owner = getattr(owner, part, None)
        if getattr(owner, name, None) is plain:
            setattr(owner, name, decorate())


def _marking(name: str) -> Callable[..., Any]:
    def mark(decorated: Any) -> Any:
        _marked.append((name, decorated))
        return decorated

    return mark


def _disable(
    function: Callable[..., Any] | None = None, *given: Any, **options: Any
) -> Callable[..., Any]:
    if function is None:
        return lambda one: _disable(one, *given, **options)

    def decorate() -> Callable[..., Any]:
        found: Callable[..., Any] = importlib.import_module(COMPILER).disable(
            function, *given, **options
        )
        return found

    @wraps(function)
    def plain(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    _disabled.append((function, plain, decorate))
    return plain


class _NothingIsCompiled:
    """Stands for `eval_frame`."""

    class OptimizedModule:
        """Of which nothing is an instance, before the compiler is there."""


STAND_INS: Mapping[str, Any] = {
    "disable": _disable,
    "eval_frame": _NothingIsCompiled,
    **{name: _marking(name) for name in MARKS},
}
"""By the names that libraries ask for."""
