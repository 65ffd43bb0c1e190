"""Where the artifacts of an output folder's own store lie: beside it, wherever it was moved to.

MLflow keeps the whole path of each experiment and run. An output folder may be moved or copied,
and it may come from somebody else: nothing is ever written outside it.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

from runner.catalog.tracking import ARTIFACTS
from runner.errors import TrackingError
from runner.system.files import fit_name
from runner.system.untrusted import true_path

PART = r"(?!\.{1,2}(?:/|$))(?:[\w.~-]|%[89A-F][0-9A-F])+"
"""A folder's name in a location: letters of other alphabets are quoted, nothing else need be."""
EXPERIMENT = re.compile(f"/{PART}", re.ASCII)
RUN = re.compile(f"/{PART}/{PART}/artifacts", re.ASCII)
BUSY_SECONDS = 20.0


def experiment_location(artifact_root: Path, experiment: str) -> str:
    """The URI of an experiment's folder. Its name may be anything, also a path that leads out."""
    return (artifact_root / _folder(experiment)).as_uri()


def _folder(name: str) -> str:
    return fit_name(re.sub(r"[^\w.-]+", "-", name).strip(".-") or "experiment")


def follow_artifacts(store: Path) -> None:
    """Set the locations in an output folder's own store to that folder, where they name another.

    In one transaction; also while others have the store open.

    Raises:
        TrackingError: locations are wrong, and the store cannot be written.
    """
    root = (store.parent / ARTIFACTS).as_uri()
    try:
        with closing(sqlite3.connect(store, timeout=BUSY_SECONDS, isolation_level=None)) as there:
            if not any(_moved(there, root)):
                return
            there.execute("BEGIN IMMEDIATE")
            for statement, values in list(_moved(there, root)):
                there.execute(statement, values)
            there.execute("COMMIT")
    except sqlite3.Error as error:
        raise TrackingError(f"{store}: its artifacts cannot be found: {error}") from error


def _moved(there: sqlite3.Connection, root: str) -> Iterator[tuple[str, tuple[str, int]]]:
    """The statements that set what is not below the root."""
    experiments = there.execute("SELECT rowid, name, artifact_location FROM experiments")
    for number, name, location in experiments.fetchall():
        new = root + (_tail(location, EXPERIMENT) or f"/{_quoted(name)}")
        if new != location:
            set_it = "UPDATE experiments SET artifact_location = ? WHERE rowid = ?"
            yield set_it, (new, number)
    runs = there.execute(
        "SELECT rowid, run_uuid, artifact_uri, (SELECT name FROM experiments"
        " WHERE experiments.experiment_id = runs.experiment_id) FROM runs"
    )
    for number, run, location, name in runs.fetchall():
        anew = f"/{_quoted(name)}/{_quoted(run)}/artifacts"
        new = root + (_tail(location, RUN) or anew)
        if new != location:
            yield "UPDATE runs SET artifact_uri = ? WHERE rowid = ?", (new, number)


def _tail(location: object, form: re.Pattern[str]) -> str | None:
    """What follows the root in a location of that form, in whichever folder."""
    _, mark, tail = str(location).rpartition(f"/{ARTIFACTS}/")
    tail = f"/{tail}"
    return tail if mark and form.fullmatch(tail) else None


def _quoted(name: object) -> str:
    return Path("/", _folder(str(name))).as_uri().removeprefix("file:///")


def check_artifact(location: str, artifact_root: Path, name: str) -> None:
    """Check that an artifact of that name would be written below the output folder.

    Raises:
        TrackingError: the location is another, or a link leads out.
    """
    root = artifact_root.as_uri()
    tail = location.removeprefix(root)
    if location.startswith(root) and RUN.fullmatch(tail):
        file = artifact_root / unquote(tail).lstrip("/") / name
        if true_path(file).is_relative_to(true_path(artifact_root.parent)):
            return
    raise TrackingError(
        f"an artifact would be written to {location}, outside of {artifact_root.parent}"
    )
