"""Receives files of the hub into its cache: resumed, checked, and in one step.

Used by the process of `runner.weights.hub_client` alone.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from huggingface_hub import hf_hub_url
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

from runner.system.hashes import file_sha256
from runner.system.locks import lock_file
from runner.weights.hashes import git_hash
from runner.weights.hub import CachedRepo, RemoteFile, cache_dir

T = TypeVar("T")
TIMEOUT = httpx2.Timeout(10, read=30)
FIRST_WAIT, LONGEST_WAIT = 1.0, 16.0
GONE = (httpx2.TransportError, ConnectionError)
"""The hub, or the way to it, is gone."""
BUSY = (408, 429, 500, 502, 503, 504)
TELLING = threading.Lock()


class DamagedError(Exception):
    """The bytes that came are not those that the listing names."""


def bytes_there(file: RemoteFile) -> int:
    """Bytes of a file that are on this disk."""
    for path in (_blob(file), _part(file)):
        try:
            return path.stat().st_size
        except OSError:
            continue
    return 0


def _blob(file: RemoteFile) -> Path:
    return CachedRepo(file.repo).home / "blobs" / file.blob


def _part(file: RemoteFile) -> Path:
    return _blob(file).with_name(f"{file.blob}.part.incomplete")


def fetch_file(file: RemoteFile, patience: float) -> None:
    """Fetch a file, from where an attempt ended. Raises DamagedError: it has another hash."""
    cached, blob, part = CachedRepo(file.repo), _blob(file), _part(file)
    # The client's own lock of this file.
    lock = cache_dir() / ".locks" / cached.home.name / f"{file.blob}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    blob.parent.mkdir(parents=True, exist_ok=True)
    with lock_file(lock):
        if not (blob.is_file() and blob.stat().st_size == file.bytes):
            patiently(lambda: _receive(file, part), patience, lambda: bytes_there(file))
            if not _is_whole(part, file):
                # Once more from the beginning: an older part may have been the damaged one.
                part.unlink()
                patiently(lambda: _receive(file, part), patience, lambda: bytes_there(file))
            if not _is_whole(part, file):
                part.unlink()
                raise DamagedError
            part.replace(blob)
        _link(cached.snapshot(file.commit) / file.name, blob)


def _receive(file: RemoteFile, part: Path) -> None:
    url = hf_hub_url(file.repo, file.name, revision=file.commit)
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    with part.open("ab", buffering=0) as target:
        start = target.tell()
        if start > file.bytes:
            target.truncate(0)
            start = 0
        if start == file.bytes:
            return
        if start:
            headers["Range"] = f"bytes={start}-"
        with get_session().stream("GET", url, headers=headers, timeout=TIMEOUT) as response:
            hf_raise_for_status(response)
            if start and response.status_code != 206:
                target.truncate(0)
            for piece in response.iter_raw():
                target.write(piece)
        if part.stat().st_size < file.bytes:
            raise httpx2.RemoteProtocolError("the connection was closed early")


def _is_whole(path: Path, file: RemoteFile) -> bool:
    if file.sha256 is not None:
        return file_sha256(path) == file.sha256
    return git_hash(path) == file.blob


def _link(place: Path, blob: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    link = place.with_name(f".{place.name}.{os.getpid()}.{threading.get_ident()}")
    link.symlink_to(os.path.relpath(blob, place.parent))
    link.replace(place)


def patiently(
    action: Callable[[], T], patience: float, progress: Callable[[], int] = lambda: 0
) -> T:
    """Do it; where the hub is busy or gone, again and again for some time.

    Args:
        patience: seconds without progress after which it is given up.
    """
    since, before, wait = time.monotonic(), progress(), FIRST_WAIT
    while True:
        try:
            return action()
        except OfflineModeIsEnabled:
            raise
        except (HfHubHTTPError, *GONE) as error:
            if progress() > before:
                since, before, wait = time.monotonic(), progress(), FIRST_WAIT
            left = patience - (time.monotonic() - since)
            status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
            if left <= 0 or (status is not None and status not in BUSY):
                raise
            what = f"answers {status}" if status else f"does not answer ({type(error).__name__})"
            say(waiting=f"the hub {what}; trying again")
            time.sleep(min(_told_to_wait(error) or wait, left))
            wait = min(2 * wait, LONGEST_WAIT)


def _told_to_wait(error: Exception) -> float | None:
    """Seconds of a Retry-After header."""
    if not isinstance(error, HfHubHTTPError):
        return None
    told = str(error.response.headers.get("Retry-After", ""))
    return float(told) if told.isdigit() else None


def say(**content: Any) -> None:
    """Write a line. The process ends where nobody reads it any more."""
    try:
        with TELLING:
            print(json.dumps(content), flush=True)
    except BrokenPipeError:
        os._exit(1)
