"""The table: whole, and names classes that exist."""

from __future__ import annotations

import diffusers
import pytest

from runner.catalog import CATALOG, Row, row_of
from runner.config.schema import Task, Version
from runner.errors import ConfigError
from runner.tasks import TASKS

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
        assert checkpoint.pipeline in checkpoint.accepts
        for name in checkpoint.accepts:
            assert hasattr(diffusers, name)
        assert checkpoint.denoiser in checkpoint.modules
        assert checkpoint.repo.endswith(f"/{checkpoint.folder}")


@ROWS
def test_native_size_can_be_made(row: Row) -> None:
    assert row.native_size % row.size_multiple == 0
    assert row.max_size % row.size_multiple == 0
    assert row.native_size <= row.max_size
    assert row.schedulers


def test_every_version_and_every_task_has_a_row() -> None:
    assert {row.version for row in CATALOG} == set(Version)
    assert {row.task for row in CATALOG} == set(Task)
    assert len({(row.version, row.task) for row in CATALOG}) == len(CATALOG)


def test_a_task_without_a_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.catalog.CATALOG", ())
    with pytest.raises(ConfigError, match=r"task=text2img: .* has no model for it"):
        row_of(Version.kandinsky2_2, Task.text2img)
