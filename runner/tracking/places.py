"""Where records may be delivered: to the output folder's own store, and to places that this user
has named on a command line.

A spool and a manifest say where their records belong, but they may come from anyone, and MLflow
sends the user's token there.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from urllib.parse import urlsplit

from runner.catalog.tracking import STORES, is_own_store, scheme_of, sqlite_path, sqlite_uri
from runner.errors import TrackingError
from runner.system.credentials import strip_credentials
from runner.system.text import for_outputs
from runner.system.untrusted import true_path
from runner.system.user_cache import user_cache_dir
from runner.tracking.spool import Target

NAMED = "trackers"
"""Folder of the user's cache: an empty file for each place, named after the address's hash."""


def remember_place(uri: str) -> None:
    """Note that the user has named a tracking URI. Without a cache nothing is noted."""
    with contextlib.suppress(OSError):
        mark = _mark(uri)
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()


def is_named(uri: str) -> bool:
    """Whether a command of this user has named a tracking URI, with whatever password."""
    return _mark(uri).is_file()


def check_place(target: Target, output_dir: Path) -> None:
    """Check that the records of an output folder may go where its spool says.

    Raises:
        TrackingError: neither is that the folder's own store, nor has the user named it.
    """
    if _lies_in(output_dir, target) or is_named(target.uri):
        return
    if is_own_store(target.uri, target.artifact_root):
        raise TrackingError(
            f"the store of {output_dir} or its artifacts lie outside of it, by a link; to have "
            "records there, set tracking.uri"
        )
    shown = strip_credentials(target.uri)
    raise TrackingError(
        f"the records are for {shown}, which no command of yours has named on this machine; if "
        f"you trust it: {for_outputs('sync', output_dir)} --to {shown}"
    )


def absolute_uri(uri: str) -> str:
    """A relative sqlite path made absolute, so that `sync` works from any working directory."""
    path = sqlite_path(uri)
    if path is None or path.is_absolute():
        return uri
    return sqlite_uri(Path.cwd() / path) + uri[len(uri.partition("?")[0]) :]


def check_answers(target: Target, seconds: float) -> None:
    """Connect to the target's server, where one is named, and hang up.

    MLflow needs two seconds to be imported, and more to say that nothing is there.

    Raises:
        TrackingError: nothing accepts a connection within that time.
    """
    # Imported here: only the writer connects, and these take 10 ms.
    import socket
    from urllib.request import getproxies, proxy_bypass

    store = STORES.get(scheme_of(target.uri))
    try:
        parts = urlsplit(target.uri)
        host, port = parts.hostname, parts.port or (store.port if store else None)
    except ValueError:
        return  # MLflow says what is wrong with it
    if not host or port is None or (getproxies().get(parts.scheme) and not proxy_bypass(host)):
        return
    try:
        socket.create_connection((host, port), timeout=seconds).close()
    except (OSError, UnicodeError) as error:
        raise TrackingError(f"nothing answers at {host}:{port}: {error}") from error


def _lies_in(output_dir: Path, target: Target) -> bool:
    """Whether database and artifacts lie in the output folder, also where they are links."""
    path, root = sqlite_path(target.uri), target.artifact_root
    if path is None or "?" in target.uri or root is None:
        return False
    folder = true_path(output_dir)
    return all(true_path(one).is_relative_to(folder) for one in (path, Path(root)))


def _mark(uri: str) -> Path:
    digest = hashlib.sha256(strip_credentials(uri).encode("utf-8", "surrogateescape"))
    return user_cache_dir() / NAMED / digest.hexdigest()
