"""New stores are copies of one in the user's cache, as MLflow itself would make them."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from runner.tracking.database import make_database
from runner.tracking.spool import Target


def made(folder: Path) -> list[str]:
    """All that a new store holds, without its place and time. In which order MLflow makes indices
    and constraints differs from store to store.
    """
    folder.mkdir()
    file = folder / "mlflow.db"
    make_database(Target(f"sqlite:///{file}", str(folder / "mlartifacts")))
    with closing(sqlite3.connect(file)) as opened:
        dump = [line.replace(str(folder), "") for line in opened.iterdump()]
    assert any("mlartifacts/0" in line for line in dump)
    said = re.sub(r"\b\d{13}\b", "", "\n".join(dump))
    return sorted(line.strip().rstrip(", ") for line in said.splitlines())


def test_a_copy_is_what_mlflow_makes_and_a_damaged_one_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KANDINSKY_CACHE", str(tmp_path / "cache"))
    first = made(tmp_path / "first")
    (kept,) = (tmp_path / "cache").glob("*.db")
    since = kept.stat().st_ino
    assert made(tmp_path / "second") == first
    assert kept.stat().st_ino == since  # nothing was made anew
    kept.write_bytes(kept.read_bytes()[:10_000])
    assert made(tmp_path / "third") == first
    assert kept.stat().st_ino != since
    kept.unlink()
    kept.mkdir()  # where nothing can be kept
    assert made(tmp_path / "fourth") == first
    assert not list((tmp_path / "cache").glob(".*.part"))
