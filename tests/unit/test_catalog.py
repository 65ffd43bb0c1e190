"""The table: whole, and names classes that exist."""

from __future__ import annotations

import itertools

import diffusers
import pytest
import transformers

from runner.catalog.rows import CATALOG, REFUSED, Layout, Row, row_of
from runner.config.choices import Task, Version
from runner.errors import ConfigError
from runner.planning.tasks import TASKS
from unit.conftest import Command, assert_refused

ROWS = pytest.mark.parametrize(
    "row", CATALOG, ids=lambda row: f"{row.version.name} {row.task.name}"
)


@ROWS
def test_each_row_is_found_and_has_its_function(row: Row) -> None:
    assert row_of(row.version, row.task) is row
    assert (row.version, row.task) in TASKS


@ROWS
def test_classes_exist_and_accept_themselves(row: Row) -> None:
    for checkpoint in row.checkpoints.values():
        if checkpoint.layout is Layout.diffusers:
            assert checkpoint.pipeline in checkpoint.accepts
        library = diffusers if checkpoint.layout is Layout.diffusers else transformers
        for name in checkpoint.accepts:
            assert hasattr(library, name), name
        assert checkpoint.denoiser in checkpoint.modules
        assert checkpoint.repo.endswith(f"/{checkpoint.folder}")


@ROWS
def test_native_size_can_be_made(row: Row) -> None:
    assert row.native_size % row.size_multiple == 0
    assert row.max_size % row.size_multiple == 0
    assert row.native_size <= row.max_size
    assert row.schedulers


def test_every_cell_is_a_row_or_refused() -> None:
    rows = [(row.version, row.task) for row in CATALOG]
    assert len(set(rows)) == len(rows)
    assert not set(rows) & set(REFUSED)
    assert {*rows, *REFUSED} == set(itertools.product(Version, Task))
    assert {version for version, _ in rows} == set(Version)
    assert {task for _, task in rows} == set(Task)
    assert set(rows) == set(TASKS)


@pytest.mark.parametrize("cell", REFUSED, ids=lambda cell: f"{cell[0].name} {cell[1].name}")
def test_a_refused_cell_says_why_and_what_is_possible(
    command: Command, cell: tuple[Version, Task]
) -> None:
    version, task = cell
    tasks = ", ".join(row.task.name for row in CATALOG if row.version is version)
    versions = ", ".join(row.version.name for row in CATALOG if row.task is task)
    assert tasks
    assert versions
    assert_refused(
        command("plan", f"model={version.name}", f"task={task.name}", "weights=hub"),
        f"task={task.name}: model={version.name} cannot: {REFUSED[cell]}\n",
        f"task={task.name} with model={versions}; or model={version.name} with task={tasks}\n",
    )
    with pytest.raises(ConfigError):
        row_of(version, task)
