"""`kandinsky models`: the table, and what of it is on disk."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from runner.catalog import CATALOG
from runner.weights import find
from runner.weights.find import MINI_DIR
from unit.conftest import Command


@pytest.fixture(autouse=True)
def _empty_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


def test_every_row_is_shown(command: Command) -> None:
    said = command("models")
    assert said.status == 0
    for row in CATALOG:
        assert f"model={row.version.name} task={row.task.name}" in said.out
        for checkpoint in row.checkpoints.values():
            assert checkpoint.repo in said.out
            assert str(MINI_DIR / checkpoint.folder) in said.out
    assert "not on disk" in said.out


def test_a_damaged_checkpoint_is_said_to_be(
    command: Command, family: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(family / CATALOG[0].checkpoints["decoder"].folder / "movq")
    monkeypatch.setattr(find, "MINI_DIR", family)
    said = command("models")
    assert said.status == 0
    assert "damaged: " in said.out
