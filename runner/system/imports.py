"""Makes imports of large libraries faster."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from runner.system.compiler import COMPILER, STAND_INS

FUNCTIONS = {"scipy.optimize": ("linear_sum_assignment",)}
"""Functions that transformers imports by name, for the loss of detectors."""

SELDOM_USED = ("scipy.integrate", "scipy.optimize", "scipy.stats", COMPILER)
"""diffusers imports the others for rarely used schedules (0.4 s of CPU time), and the compiler for
decorators that only count where something is compiled (1.3 s).
"""


@contextmanager
def pause_collection() -> Iterator[None]:
    """Switch off garbage collection: large libraries allocate hundreds of thousands of objects that
    stay, and collection would take a quarter of their import time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def sparing() -> Iterator[None]:
    """Imports in this context get stand-ins for parts of libraries, which import the parts at their
    first use. Later imports get the parts themselves.
    """
    for name in SELDOM_USED:
        if name not in sys.modules and find_spec(name.partition(".")[0]) is not None:
            sys.modules.setdefault(name, _StandIn(name))
    try:
        yield
    finally:
        _withdraw()


def import_sparingly(load: Callable[[], None]) -> None:
    """Call an import with stand-ins; if it needs more than they have, with the parts themselves."""
    try:
        with sparing():
            load()
    except Exception:  # whatever a half imported module raises; a real error comes again
        load()


def import_without(names: Iterable[str], load: Callable[[], None]) -> None:
    """Call an import as if packages were not installed; if it needs them, with them."""
    try:
        with without(names):
            load()
    except Exception:  # whatever a half imported module raises; a real error comes again
        load()


@contextmanager
def without(names: Iterable[str]) -> Iterator[None]:
    """Imports in this context find packages not installed, unless they are imported already; and
    so do libraries that ask whether they are, and remember the answer.
    """
    absent = [name for name in names if name not in sys.modules]
    missing: dict[str, Any] = sys.modules
    missing.update(dict.fromkeys(absent))  # None: an import of it fails
    try:
        yield
    finally:
        for name in absent:
            if sys.modules.get(name, name) is None:
                del sys.modules[name]


class _StandIn(ModuleType):
    """A package that is imported at its first use; imports of its modules work."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = find_spec(name)
        if self.__spec__ is not None:
            self.__path__ = self.__spec__.submodule_search_locations or []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__all__":
            raise AttributeError(name)
        if name in FUNCTIONS.get(self.__name__, ()):
            return _imported_when_called(self.__name__, name)
        if self.__name__ == COMPILER and name in STAND_INS:
            return STAND_INS[name]
        return getattr(_imported(self.__name__), name)


def _imported_when_called(module: str, name: str) -> Callable[..., Any]:
    def function(*args: Any, **kwargs: Any) -> Any:
        return getattr(_imported(module), name)(*args, **kwargs)

    return function


def _imported(module: str) -> ModuleType:
    _withdraw()  # all of them: they import each other
    return importlib.import_module(module)


def _withdraw() -> None:
    for name in SELDOM_USED:
        if isinstance(sys.modules.get(name), _StandIn):
            sys.modules.pop(name, None)
