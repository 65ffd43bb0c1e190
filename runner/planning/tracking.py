"""Refuses tracking that cannot work, as far as that is known without MLflow and without a server.

The rest is found by the writer process, which tells the run at once.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.metadata import entry_points, version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, urlsplit

from runner.catalog.tracking import (
    FOLDERS,
    FOLDERS_ALLOWED,
    PLUGINS,
    STORE,
    STORES,
    TrackingStore,
    scheme_of,
    sqlite_path,
    sqlite_uri,
)
from runner.config.choices import Tracker
from runner.config.run_config import RunConfig
from runner.errors import ConfigError
from runner.system.credentials import strip_credentials

KEY = "tracking.uri"
ANOTHER = f"another address, or {KEY}=null: a database in the output folder"
SQLITE_BEGINS = b"SQLite format 3\0"
HEADER = 100
"""Bytes at the start of a sqlite file, which tell its length (https://sqlite.org/fileformat.html).
"""
MIGRATIONS = Path("store", "db_migrations", "versions")
GOES_ON_FROM = re.compile(r"^down_revision = ['\"](\w+)['\"]", re.MULTILINE)


def check_place(uri: str | None, output_dir: Path, experiment: str) -> None:
    """Check an address and the experiment there.

    Args:
        uri: None: the database of the output folder.

    Raises:
        ConfigError: MLflow does not take the address, a driver is missing, a sqlite file cannot
            be made or written, is none, or was written by another MLflow; the experiment was
            deleted.
    """
    if uri is not None:
        _check_scheme(uri)
    path = sqlite_path(uri) if uri else output_dir / STORE
    if path is not None and "?" not in (uri or ""):
        shown = sqlite_uri(path)
        if uri is None and not path.exists():
            return  # a folder that cannot be written is output_dir's fault, and told as that
        if problem := _file_problem(path):
            raise ConfigError(KEY, shown, problem, ANOTHER)
        _check_database(path, shown, experiment)


def check_tracking(run: RunConfig, check: Callable[[str | None, Path, str], None]) -> None:
    """Check where a run is to be tracked.

    Args:
        check: `check_place`, which reads files: cells of a sweep have theirs looked at once.
    """
    tracking = run.tracking
    if tracking.tracker is Tracker.mlflow:
        check(tracking.uri, run.output_dir, tracking.experiment or run.name)


def _check_scheme(uri: str) -> None:
    scheme, shown = scheme_of(uri), strip_credentials(uri)
    store = STORES.get(scheme)
    if store is not None:
        _check_settings(store, shown)
        if store.database:
            _check_driver(uri, shown)
        elif store.port is not None and (problem := _host_problem(uri)):
            raise ConfigError(KEY, shown, problem, (store.form,))
        return
    if scheme in FOLDERS:
        if os.environ.get(FOLDERS_ALLOWED, "").lower() not in ("true", "1"):
            problem = f"is a folder, which MLflow takes no more unless {FOLDERS_ALLOWED} is set"
            raise ConfigError(KEY, shown, problem, _forms())
    elif scheme not in _plugins():
        raise ConfigError(KEY, shown, f"{scheme}: is no scheme that MLflow knows", _forms())


def _check_settings(store: TrackingStore, shown: str) -> None:
    there = store.settings_file is not None and Path(store.settings_file).expanduser().is_file()
    if store.settings and not there and not any(map(os.environ.get, store.settings)):
        raise ConfigError(
            KEY, shown, "there are no settings for it",
            f"with {store.settings[0]} in the environment, or with {store.settings_file}",
        )  # fmt: skip


def _host_problem(uri: str) -> str | None:
    """Why an address names no server. Without a host MLflow asks one that is called `api`."""
    parts = urlsplit(uri)
    try:
        there, _ = parts.hostname, parts.port
    except ValueError as error:
        return str(error).lower()
    return None if there else "names no host"


def _check_driver(uri: str, shown: str) -> None:
    """Raises ConfigError where SQLAlchemy cannot take the address, or has no driver for it.

    Asked of SQLAlchemy, as the driver that a scheme means by itself differs with its version.
    """
    if scheme_of(uri) == "sqlite" and "+" not in uri.partition(":")[0]:
        path = sqlite_path(uri)
        if path is None or not path.name:
            raise ConfigError(KEY, shown, "names no file", (STORES["sqlite"].form,))
        return
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        make_url(uri).get_dialect().import_dbapi()
    except ModuleNotFoundError as error:
        raise ConfigError(
            KEY, shown, f"its driver {error.name} is not installed",
            f"pip install the package of {error.name}, or name another: {scheme_of(uri)}+DRIVER://",
        ) from error  # fmt: skip
    except NoSuchModuleError as error:
        driver = uri.partition(":")[0]
        raise ConfigError(KEY, shown, f"{driver} is no driver of SQLAlchemy", _forms()) from error
    except (ArgumentError, ValueError) as error:  # its words would hold a password
        raise ConfigError(KEY, shown, "is no address of a database", _forms()) from error


def _forms() -> tuple[str, ...]:
    return (*(store.form for store in STORES.values()), *(f"{one}://" for one in _plugins()))


def _plugins() -> tuple[str, ...]:
    return tuple(sorted({point.name for point in entry_points(group=PLUGINS)} - {"file-plugin"}))


def _file_problem(path: Path) -> str | None:
    """Why a sqlite store cannot be made at a path, or not be written."""
    try:
        if not path.exists():
            return _folder_problem(path.parent)
        if not path.is_file():
            return "is no file"
        with path.open("rb") as file:
            begins = file.read(len(SQLITE_BEGINS))
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if begins not in (b"", SQLITE_BEGINS):
        return "is no sqlite database"
    if not os.access(path, os.W_OK):
        return "is read-only"
    return None if os.access(path.parent, os.W_OK) else f"the folder {path.parent} is read-only"


def _folder_problem(folder: Path) -> str | None:
    there = next((one for one in (folder, *folder.parents) if one.exists()), Path())
    if not there.is_dir():
        return f"cannot be made: {there} is no folder"
    return None if os.access(there, os.W_OK | os.X_OK) else f"the folder {there} is read-only"


def _check_database(path: Path, shown: str, experiment: str) -> None:
    if damage := _damage(path):
        raise ConfigError(KEY, shown, f"is damaged: {damage}", ANOTHER)
    # A file that another process has locked is the writer's to tell.
    with contextlib.suppress(sqlite3.Error):
        for revision in _rows(path, "SELECT version_num FROM alembic_version"):
            _check_revision(revision, shown)
        stages = set(
            _rows(path, "SELECT lifecycle_stage FROM experiments WHERE name = ?", experiment)
        )
        if stages == {"deleted"}:
            raise ConfigError(
                "tracking.experiment", experiment, f"was deleted in {shown}",
                "another name, or restore it there: mlflow experiments restore",
            )  # fmt: skip


def _damage(path: Path) -> str | None:
    """What is seen at once of a sqlite file that was cut short."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        begins = file.read(HEADER)
        size = path.stat().st_size
    if len(begins) < HEADER:
        return f"it ends after {size} bytes" if begins else None
    page = int.from_bytes(begins[16:18], "big")
    pages, changes, valid_for = (int.from_bytes(begins[at : at + 4], "big") for at in (28, 24, 92))
    # While a write-ahead log is there the file itself may be behind.
    if changes != valid_for or path.with_name(f"{path.name}-wal").exists():
        return None
    whole = pages * (65536 if page == 1 else page)
    return f"it has {size} bytes of {whole}" if size < whole else None


def _rows(path: Path, query: str, *values: str) -> Iterator[str]:
    """The first column of a query's rows."""
    if not path.exists():
        return
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    with closing(sqlite3.connect(address, timeout=0.2, uri=True)) as database:
        for row in database.execute(query, values):
            yield str(row[0])


def _check_revision(revision: str, shown: str) -> None:
    """Check that the installed MLflow writes databases of this revision."""
    migrations = _migrations()
    if revision not in migrations:
        raise ConfigError(
            KEY, shown,
            f"was written by a newer MLflow than the {version('mlflow')} that is installed",
            f"a newer one (pip install --upgrade mlflow); {ANOTHER}",
        )  # fmt: skip
    if revision in migrations.values():
        raise ConfigError(
            KEY, shown,
            f"was written by an older MLflow than the {version('mlflow')} that is installed",
            f"after a copy of the file: mlflow db upgrade {shown}; {ANOTHER}",
        )  # fmt: skip


def _migrations() -> dict[str, str | None]:
    """Revision of a database that the installed MLflow knows -> the one that it goes on from.

    Read from the files of its migrations, each named after the revision that it makes.
    """
    spec = find_spec("mlflow")
    places = (spec.submodule_search_locations or ()) if spec else ()
    files = [file for place in places for file in (Path(place) / MIGRATIONS).glob("*_*.py")]
    goes_on = {file: GOES_ON_FROM.search(file.read_text(encoding="utf-8")) for file in files}
    return {file.name.partition("_")[0]: found and found[1] for file, found in goes_on.items()}
