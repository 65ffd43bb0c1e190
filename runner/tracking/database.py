"""The file of a sqlite store: made whole or not at all, and recognized."""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Any

from runner.catalog.tracking import ARTIFACTS, sqlite_path, sqlite_uri
from runner.system.locks import hold, is_held
from runner.system.user_cache import user_cache_dir
from runner.tracking.spool import Target


def file_id(target: Target) -> tuple[int, int] | None:
    """Which file a sqlite store is; None: it is none, or not there."""
    path = sqlite_path(target.uri)
    try:
        found = path.stat() if path is not None and "?" not in target.uri else None
    except OSError:
        return None
    return found and (found.st_dev, found.st_ino)


def make_database(target: Target) -> None:
    """Create a missing sqlite store under another name, then link it into place.

    A process that dies during MLflow's migrations leaves a file that MLflow never opens again;
    and of several processes that open a fresh file at once, all but one fail.
    """
    path = sqlite_path(target.uri)
    if path is None or path.exists():
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path.parent.mkdir(parents=True, exist_ok=True)
    with _made_apart(path) as fresh:
        artifacts = Path(target.artifact_root or path.parent / ARTIFACTS).as_uri()
        copied = _copied(fresh)
        with _unsynchronised():
            SqlAlchemyStore(sqlite_uri(fresh), artifacts).engine.dispose()
        if not copied:
            _keep(fresh)
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        _put_in_place(fresh, path)


@contextmanager
def _made_apart(path: Path) -> Iterator[Path]:
    """An empty file beside `path`, held by this process and removed at the end; those that killed
    processes left are removed first.
    """
    for left in path.parent.glob(f".{escape(path.name)}.*.new"):
        if not is_held(left):
            for file in (left, *left.parent.glob(f"{escape(left.name)}-*")):  # sqlite's own
                with suppress(OSError):  # it may be another user's
                    file.unlink()
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    try:
        with hold(fresh):
            yield fresh
    finally:
        fresh.unlink(missing_ok=True)


def _kept() -> Path:
    """A store without experiments, in the user's cache: MLflow's migrations take longer than a
    small command's stages.
    """
    import mlflow

    return user_cache_dir() / f"mlflow-{mlflow.__version__}.db"


def _copied(fresh: Path) -> bool:
    """Copy the kept store, where there is one that is whole."""
    try:
        shutil.copyfile(_kept(), fresh)
        with closing(sqlite3.connect(fresh)) as opened:
            if opened.execute("PRAGMA quick_check").fetchall() == [("ok",)]:
                return True
    except (OSError, sqlite3.Error):
        pass
    os.truncate(fresh, 0)  # the same file, which is held
    return False


def _keep(store: Path) -> None:
    """Keep a new store for others, without its experiment, which names the folder of this one."""
    kept = _kept()
    try:
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _made_apart(kept) as fresh:
            shutil.copyfile(store, fresh)
            with closing(sqlite3.connect(fresh)) as opened, opened:
                opened.execute("DELETE FROM experiments")
            fresh.replace(kept)
    except (OSError, sqlite3.Error):
        pass  # the next store is made as this one was


@contextmanager
def _unsynchronised() -> Iterator[None]:
    """Switch off sqlite's waiting for the disk, for a file that nobody uses yet: MLflow runs
    hundreds of migrations, each slow on a slow disk.
    """
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def connected(connection: Any, _: object) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", connected)
    try:
        yield
    finally:
        event.remove(Engine, "connect", connected)


def _put_in_place(fresh: Path, path: Path) -> None:
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass  # another process was first, and may be using it already
    except OSError:
        fresh.replace(path)  # this file system has no hard links
