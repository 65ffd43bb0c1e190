"""Says why records were not delivered: the whole of it on one line, without credentials."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from runner.catalog.tracking import sqlite_path
from runner.errors import TrackingError
from runner.system.credentials import strip_credentials
from runner.tracking.spool import Target, read_target

BESIDE = ("[SQL: ", "[parameters: ", "(Background on this error", "(raised as a result of ")
"""Lines of SQLAlchemy's messages that tell the statement, not the reason."""
READ_ONLY = ("attempt to write a readonly database", "read-only transaction")
"""In messages of sqlite, and of PostgreSQL."""
MOST = 4000
"""Letters of a message: a server may answer with a page of HTML."""
GONE = "RESOURCE_DOES_NOT_EXIST"
"""MLflow's code for a run that is not there."""


def is_run_gone(error: Exception) -> bool:
    """Whether a run that was begun is in MLflow no more."""
    return getattr(error, "error_code", None) == GONE


def problem_of(spool: Path, error: Exception) -> str:
    """Why a spool was not delivered."""
    try:
        target = read_target(spool)
    except (OSError, ValueError, TypeError, TrackingError):
        return f"{type(error).__name__}: its target.json cannot be read"
    if any(words in str(error) for words in READ_ONLY):
        place = sqlite_path(target.uri) or strip_credentials(target.uri)
        text = f"the database refuses to be written, it is read-only: {place}"
    elif isinstance(error, TrackingError):
        text = str(error)
    else:
        text = f"{type(error).__name__}: {error}"
    lines = [line for line in text.splitlines() if not line.startswith(BESIDE)]
    shown = "".join(c if c.isprintable() else "?" for c in " ".join(" ".join(lines).split()))
    return _strip(shown, target)[:MOST]


def _strip(text: str, target: Target) -> str:
    """Remove user, password and query from an address, however a library shows it."""
    parts = urlsplit(target.uri)
    password = parts.password or ""
    for secret in (parts.netloc.rpartition("@")[0], parts.query, password, unquote(password)):
        if secret:
            text = text.replace(secret, "***")
    return text
