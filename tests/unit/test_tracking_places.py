"""Tracking that cannot work is refused by the plan."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from runner.errors import ConfigError
from runner.planning.tracking import check_place, check_tracking
from unit.conftest import Compose

DRIVERS = {"psycopg2": "postgresql", "pymysql": "mysql", "pyodbc": "mssql"}
HOST = "://someone:secret@localhost/runs"


@pytest.fixture(autouse=True)
def without_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("DATABRICKS_HOST", "DATABRICKS_CONFIG_FILE", "DATABRICKS_RUNTIME_VERSION"):
        monkeypatch.delenv(name, raising=False)
    for name in DRIVERS:
        monkeypatch.setitem(sys.modules, name, None)


def refused(composed: Compose, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        check_tracking(composed(*overrides), check_place)
    return str(caught.value)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("htp://localhost:5000", "htp: is no scheme that MLflow knows"),
        ("localhost:5000", "is no scheme that MLflow knows"),
        ("uc", "is a folder, which MLflow takes no more"),
        ("file:///runs", "is a folder, which MLflow takes no more"),
        ("databricks", "there are no settings for it"),
        ("databricks://profile", "there are no settings for it"),
        ("http", "is a folder, which MLflow takes no more"),
        ("http://", "names no host"),
        ("https:///runs", "names no host"),
        ("http://localhost:99999", "port out of range 0-65535"),
        ("sqlite://", "names no file"),
        ("sqlite:runs.db", "names no file"),
        ("sqlite:///file:runs.db?mode=ro&uri=true", "names no file"),
        ("sqlite:////dev/null/runs.db", "/dev/null is no folder"),
        ("sqlite:////dev/null", "is no file"),
        ("postgresql+no_such_driver" + HOST, "is no driver of SQLAlchemy"),
        ("postgresql://host:port/runs", "is no address of a database"),
        *((f"{DRIVERS[one]}+{one}{HOST}", f"{one} is not installed") for one in DRIVERS),
    ],
)
def test_an_address_that_cannot_work(composed: Compose, uri: str, said: str) -> None:
    message = refused(composed, f"tracking.uri='{uri}'")
    assert said in message
    assert message.startswith("tracking.uri=")
    assert "allowed: " in message
    assert "secret" not in message


@pytest.mark.parametrize(
    "uri", ["http://localhost:5000", "https://u:p@host/x", "sqlite:///a/new/folder/runs.db"]
)
def test_an_address_that_may_work(composed: Compose, uri: str) -> None:
    check_tracking(composed(f"tracking.uri='{uri}'"), check_place)


def test_what_is_not_tracked_is_not_looked_at(composed: Compose) -> None:
    check_tracking(composed("tracking=none", "tracking.uri=htp://x"), check_place)


def test_a_file_that_is_no_database_of_this_mlflow(composed: Compose, tmp_path: Path) -> None:
    store = tmp_path / "outputs" / "mlflow.db"
    store.parent.mkdir()
    store.write_text("Dear all, this is a letter.")
    assert "is no sqlite database" in refused(composed)
    store.write_bytes(b"")
    check_tracking(composed(), check_place)
    with closing(sqlite3.connect(store)) as database:
        database.executescript(
            """
            CREATE TABLE alembic_version (version_num TEXT);
            INSERT INTO alembic_version VALUES ('dc11669786a5');
            CREATE TABLE experiments (name TEXT, lifecycle_stage TEXT);
            INSERT INTO experiments VALUES ('there', 'active'), ('away', 'deleted');
            """
        )
        check_tracking(composed("tracking.experiment=there"), check_place)
        message = refused(composed, "tracking.experiment=away")
        assert message.startswith(f"tracking.experiment=away: was deleted in sqlite:///{store}")
        for revision, told in (("2099", "a newer MLflow"), ("c8d9e0f1a2b3", "an older MLflow")):
            database.execute("UPDATE alembic_version SET version_num = ?", (revision,))
            database.commit()
            assert f"was written by {told} than" in refused(composed)
    assert f"mlflow db upgrade sqlite:///{store}" in refused(composed)
    store.write_bytes(store.read_bytes()[:-4096])
    assert "is damaged: it has 8192 bytes of 12288" in refused(composed)
    store.write_bytes(store.read_bytes()[:50])
    assert "is damaged: it ends after 50 bytes" in refused(composed)
