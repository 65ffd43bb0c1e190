"""Finds a metric's function by its config. Imports no torch for the project's own metrics."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from runner.catalog.judges import JUDGES, Judge
from runner.errors import ConfigError
from runner.metrics import Metric, MetricFunction, description_of
from runner.system.hashes import file_sha256
from runner.system.machine import check_installed

GIVEN = ("image", "images", "reference", "prompt", "clip", "judge")
"""Parameters that the runner fills in."""

OWN = "runner.metrics."


@dataclass(frozen=True)
class FoundMetric:
    """A metric, and the facts that planning needs before it is called.

    Attributes:
        takes: the parameters of `GIVEN` that it has.
        source: hash of the user's file that defines it: a changed file is another metric. None for
            the project's own metrics, which have versions.
        content: parameter that names a file or a folder -> hash of the content.
    """

    name: str
    function: MetricFunction
    description: Metric
    takes: frozenset[str]
    source: str | None
    content: Mapping[str, str]

    @property
    def judge(self) -> Judge | None:
        """The judge that it uses."""
        return JUDGES[self.description.judge] if self.description.judge is not None else None

    @property
    def places(self) -> tuple[str, ...]:
        """Those arguments that say where the parts of its judge are."""
        return _places(self.description)

    @property
    def of_cell(self) -> bool:
        """Whether the metric measures all pictures of a cell together."""
        return "images" in self.takes


def find_metric(name: str, function: str, arguments: Mapping[str, Any]) -> FoundMetric:
    """The metric that `metrics.<name>` means.

    Args:
        function: "package.module:name" or "path/to/file.py:name".

    Raises:
        ConfigError: it does not exist, cannot be imported, or does not take these arguments.
    """
    found = load_function(name, function)
    description = description_of(found)
    key = f"metrics.{name}"
    if description is None:
        raise ConfigError(f"{key}.function", function, "is no metric", "a function with @metric")
    parameters = inspect.signature(found).parameters
    own = [parameter for parameter in parameters if parameter not in GIVEN]
    takes_judge = "judge" in parameters
    if takes_judge != (description.judge in JUDGES):
        raise ConfigError(
            f"{key}.function", function, f"names no judge that it takes: {description.judge}",
            f"a parameter `judge`, and @metric(judge=...) with {', '.join(JUDGES)}",
        )  # fmt: skip
    allowed = [*own, *_places(description)]
    for argument in arguments:
        if argument not in allowed:
            raise ConfigError(
                f"{key}.arguments.{argument}", arguments[argument], f"{function} takes no such",
                allowed or "no arguments",
            )  # fmt: skip
    for parameter in own:
        if parameters[parameter].default is inspect.Parameter.empty and parameter not in arguments:
            raise ConfigError(f"{key}.arguments.{parameter}", None, f"{function} needs it")
    check_installed("metrics", name, description.needs, f"without {name}")
    takes = frozenset(parameters) & frozenset(GIVEN)
    if ("image" in takes) == ("images" in takes) or {"images", "reference"} <= takes:
        raise ConfigError(
            f"{key}.function", function, f"takes {', '.join(sorted(takes)) or 'no picture'}",
            "image; or image and reference; or images",
        )  # fmt: skip
    if description.check is not None and (problem := description.check(arguments)):
        raise ConfigError("metrics", name, problem)
    content = {
        parameter: _hash_of(f"{key}.arguments.{parameter}", arguments[parameter])
        for parameter in description.files
        if arguments.get(parameter) is not None
    }
    return FoundMetric(name, found, description, takes, _source(found, function), content)


def _places(description: Metric) -> tuple[str, ...]:
    if description.judge is None:
        return ()
    return tuple(part.argument for part in JUDGES[description.judge].parts)


def load_function(name: str, function: str) -> MetricFunction:
    """The metric's function. Raises ConfigError like `find_metric`."""
    key = f"metrics.{name}.function"
    where, _, called = function.rpartition(":")
    if not where or not called:
        raise ConfigError(key, function, "names no function", "module:function, file.py:function")
    try:
        module = _of_file(Path(where)) if where.endswith(".py") else importlib.import_module(where)
    except Exception as error:
        # A user's module may raise anything; the user must see it, and nothing was started yet.
        raise ConfigError(
            key, function, f"cannot be imported: {type(error).__name__}: {error}"
        ) from error
    found = getattr(module, called, None)
    if not callable(found):
        raise ConfigError(key, function, f"there is no function {called} in {where}")
    return found  # type: ignore[no-any-return]


def _of_file(path: Path) -> ModuleType:
    path = path.expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _hash_of(key: str, named: object) -> str:
    """The hash of a file, or of all files in a folder, independent of the path."""
    path = Path(str(named)).expanduser()
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    try:
        parts = [f"{f.relative_to(path)} {file_sha256(f)}" for f in files]
    except OSError as error:
        raise ConfigError(key, path, f"cannot be read: {error.strerror}") from error
    if not parts:
        raise ConfigError(key, path, "is an empty folder")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _source(found: MetricFunction, function: str) -> str | None:
    if function.startswith(OWN):
        return None
    file = inspect.getsourcefile(found)
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else None
