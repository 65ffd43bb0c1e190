"""The one process that talks to the hub: `python -m runner.weights.hub_client ask|fetch`.

A process of its own, so that it can be stopped at once and reads the variables of its own start.
It takes a JSON object on stdin, and answers with lines of JSON on stdout:

    ask    {"repositories": [{"repo", "revision", "commit"}], "patience": seconds}
           {"answers": [{"repo", "revision", "commit", "newest"} or {..., "error": {...}}]}
    fetch  {"files": [{"repo", "commit", "name", "bytes", "blob", "sha256"}], "patience": seconds}
           {"bytes": {repo: N}} many times, {"waiting": text}, at last {"done": true}
           or {"error": {...}}

An error is {"kind", "detail", "repo", "name"}; its kinds are in `runner.weights.ask_hub`.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, ModelInfo
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoSibling

from runner.errors import StorageError
from runner.system.files import write_whole
from runner.weights.hub import CachedRepo, RemoteFile
from runner.weights.hub_files import GONE, DamagedError, bytes_there, fetch_file, patiently, say

SETTINGS = ("model_index.json", "config.json", "scheduler_config.json")
LARGEST_SETTINGS = 1 << 20
"""Bytes of files that are fetched while asking: configs, by which a repository is checked."""
THREADS = 4
TELL_EVERY = 0.25


def ask(repositories: Sequence[Mapping[str, Any]], patience: float) -> list[dict[str, Any]]:
    """List repositories, and fetch their configs into the cache."""

    def answer(asked: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return {**asked, **_answer(asked, patience)}
        except Exception as error:
            return {**asked, "error": explain(error, asked["repo"])}

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(answer, repositories))


def _answer(asked: Mapping[str, Any], patience: float) -> dict[str, Any]:
    api, repo, revision = HfApi(), asked["repo"], asked["revision"]
    timeout = 10 if patience else 4

    def look_up(revision: str) -> ModelInfo:
        # One question, which tells the commit and its files.
        return patiently(
            lambda: api.model_info(repo, revision=revision, files_metadata=True, timeout=timeout),
            patience,
        )

    newest = info = look_up(revision)
    if asked["commit"] not in (None, newest.sha):
        # A commit that the hub does not know was a damaged reference.
        with contextlib.suppress(RevisionNotFoundError):
            info = look_up(asked["commit"])
    commit = str(info.sha)
    cached = CachedRepo(repo)
    if cached.listing(commit) is None:
        _keep_listing(cached.home, commit, info.siblings or [])
    if revision != commit:
        _keep(cached.home / "refs" / revision, commit)
    listing = cached.listing(commit) or {}
    settings = [
        file
        for file in listing.values()
        if Path(file.name).name in SETTINGS and file.bytes <= LARGEST_SETTINGS
    ]
    for file in settings:
        fetch_file(file, patience)
    return {"commit": commit, "newest": newest.sha}


def _keep_listing(home: Path, commit: str, files: Sequence[RepoSibling]) -> None:
    """As the hub's client keeps it, which reads it, too (huggingface_hub, _tree_cache.py)."""
    entries = {}
    for file in files:
        entry: dict[str, Any] = {"size": file.size, "blob_id": file.blob_id}
        if file.lfs is not None:
            entry |= {"lfs_sha256": file.lfs.sha256, "lfs_size": file.lfs.size}
        entries[file.rfilename] = entry
    _keep(home / "trees" / f"{commit}.json", json.dumps({"format_version": 1, "files": entries}))


def _keep(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.encode())


def fetch(files: Sequence[RemoteFile], patience: float) -> dict[str, Any]:
    """Fetch files into the cache, several at a time. Returns the last line."""
    failed: list[dict[str, Any]] = []
    waiting = iter(files)
    taking = threading.Lock()

    def work() -> None:
        while not failed:
            with taking:
                file = next(waiting, None)
            if file is None:
                return
            try:
                fetch_file(file, patience)
            except Exception as error:
                failed.append(explain(error, file.repo, file.name))

    # Daemons: a failure ends the process at once, whatever others wait for.
    threads = [threading.Thread(target=work, daemon=True) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) and not failed:
        threads[0].join(TELL_EVERY) if threads[0].is_alive() else time.sleep(TELL_EVERY)
        say(bytes=_there_by_repository(files))
    return {"error": failed[0]} if failed else {"done": True}


def _there_by_repository(files: Sequence[RemoteFile]) -> dict[str, int]:
    there = dict.fromkeys((file.repo for file in files), 0)
    for file in files:
        there[file.repo] += bytes_there(file)
    return there


KINDS: Sequence[tuple[type[Exception], str, bool]] = (
    (DamagedError, "damaged", False),
    (OfflineModeIsEnabled, "offline", False),
    (GatedRepoError, "gated", False),
    (RepositoryNotFoundError, "no_repository", False),
    (RevisionNotFoundError, "no_revision", False),
    (RemoteEntryNotFoundError, "no_file", False),
    (HFValidationError, "name", True),
    (UnicodeEncodeError, "token", False),
    (json.JSONDecodeError, "no_hub", False),
    *((gone, "gone", True) for gone in GONE),
)
"""(class, kind, whether its own words are told): an error is of the first class that it is of."""
REFUSED = (401, 403)
FULL = (errno.ENOSPC, errno.EDQUOT)


def explain(error: Exception, repo: str, name: str | None = None) -> dict[str, Any]:
    """The error as plain values; never with a header of the request, which may hold a token."""
    if isinstance(error, StorageError) and isinstance(error.__cause__, OSError):
        error = error.__cause__
    words = str(error).strip() or type(error).__name__
    kind, detail = "other", f"{type(error).__name__}: {words}"
    known = next(((k, told) for cls, k, told in KINDS if isinstance(error, cls)), None)
    if known is not None:
        kind, detail = known[0], words if known[1] else ""
    elif isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        kind, detail = ("refused" if status in REFUSED else "answered"), str(status)
    elif isinstance(error, OSError):
        kind = "no_space" if error.errno in FULL else "disk"
        detail = os.strerror(error.errno) if error.errno else words
    shown = detail.splitlines()[0][:200] if detail else ""
    return {"kind": kind, "detail": shown, "repo": repo, "name": name}


def main(task: str) -> None:
    """Do what stdin says."""
    given = json.load(sys.stdin)
    if task == "ask":
        say(answers=ask(given["repositories"], given["patience"]))
    else:
        files = [RemoteFile(**file) for file in given["files"]]
        say(**fetch(files, given["patience"]))
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
