"""The table of versions, and look-ups: the checkpoints of a task, the version of a pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runner.catalog.checkpoint import Checkpoint
from runner.catalog.kandinsky2_0 import KANDINSKY2_0
from runner.catalog.kandinsky2_1 import KANDINSKY2_1
from runner.catalog.kandinsky2_2 import KANDINSKY2_2
from runner.catalog.kandinsky3 import KANDINSKY3
from runner.catalog.kandinsky5 import KANDINSKY5
from runner.catalog.tasks import TASKS, Task
from runner.catalog.version import DECODER, Version
from runner.errors import ConfigError

VERSIONS: Mapping[str, Version] = {
    version.name: version
    for version in (KANDINSKY2_0, KANDINSKY2_1, KANDINSKY2_2, KANDINSKY3, KANDINSKY5)
}
"""Versions by name, in display order."""

*_others, _last = [version.title for version in VERSIONS.values() if not version.has_prior]
WITHOUT_PRIOR = f"{', '.join(_others)} and {_last}"
"""Those that encode texts in a stage of their own, in words."""

OF_SIZES = " and ".join(version.title for version in VERSIONS.values() if version.sizes)
"""Those that were published for some sizes alone, in words."""


@dataclass(frozen=True)
class Row:
    """A task of a version, and its checkpoints by role, in the order in which they are needed."""

    version: Version
    task: Task
    checkpoints: Mapping[str, Checkpoint]


CATALOG: tuple[Row, ...] = tuple(
    Row(version, task, version.tasks[task.name])
    for version in VERSIONS.values()
    for task in TASKS.values()
    if task.name in version.tasks
)

_BY_PIPELINE = {row.checkpoints[DECODER].pipeline: row.version for row in CATALOG}


def row_of(version: Version, task: Task) -> Row:
    """The catalog's row for a version and a task.

    Raises:
        ConfigError: the version cannot do the task; the message names what is possible.
    """
    refusal = refusal_of(version, task)
    if refusal is None:
        return Row(version, task, version.tasks[task.name])
    tasks = ", ".join(version.tasks)
    versions = ", ".join(other.name for other in VERSIONS.values() if task.name in other.tasks)
    raise ConfigError(
        "task", task.name, f"model={version.name} cannot: {refusal}",
        f"task={task.name} with model={versions}; or model={version.name} with task={tasks}",
    )  # fmt: skip


def refusal_of(version: Version, task: Task) -> str | None:
    """Why the version cannot do the task; None where it can."""
    if task.name in version.tasks:
        return None
    return version.refusals.get(task.name, task.refusal).format(version=version.title)


def version_of(pipeline: str) -> Version:
    """The version that a decoder's diffusers class belongs to."""
    return _BY_PIPELINE[pipeline]
