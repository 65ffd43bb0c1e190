"""Makes the hub's cache whole: asks what is missing, checks that it fits, fetches it."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from runner.errors import StorageError, WeightsError, raise_all
from runner.system.files import free_bytes, write_whole
from runner.system.text import format_bytes
from runner.system.user_cache import user_cache_dir
from runner.weights.ask_hub import (
    UNREACHED,
    Answer,
    Asked,
    HubError,
    ask_hub,
    fetch_files,
    patience,
)
from runner.weights.find import mini_folder
from runner.weights.found import FoundCheckpoint
from runner.weights.hashes import FileHashes, hash_memory
from runner.weights.hub import CachedRepo, RemoteFile, cache_dir, is_offline

LARGER_DISK = "HF_HOME=<folder on another disk>"


class DownloadDisplay(Protocol):
    """Who is told how a download goes on."""

    def started(self, total: Mapping[str, int]) -> None:
        """Repository -> bytes of all its files that are missing."""

    def progressed(self, there: Mapping[str, int]) -> None:
        """Repository -> bytes of these that are there."""

    def waits(self, why: str) -> None:
        """The hub is busy or gone."""

    def ended(self) -> None:
        """All is there, or it failed."""


def ask_about(
    checkpoints: Iterable[FoundCheckpoint],
    *,
    seconds: float | None = None,
    newest: bool = False,
) -> str | None:
    """Ask the hub for the listings and configs of checkpoints.

    Args:
        seconds: of patience; None: as for a download, and a hub that cannot be reached is an error.
        newest: of branches the newest commits, not those that this disk has.

    Returns:
        why the hub could not be asked, where that is no error.

    Raises:
        WeightsError, SeveralError: a repository or a revision of it cannot be had.
    """
    wanted = {_asked(found, newest): found for found in checkpoints if found.wanted is not None}
    if not wanted:
        return None
    _check_endpoint()
    answers = _answers(list(wanted), patience() if seconds is None else seconds)
    unreached = None
    errors = []
    for asked, answer in answers.items():
        if answer.error is None:
            _remember_newest(asked, answer)
        elif wanted[asked].checked is not None or (
            seconds is not None and answer.error.kind in UNREACHED
        ):
            unreached = str(answer.error)
        else:
            errors.append(explain(wanted[asked], answer.error))
    raise_all(errors)
    return unreached


def _check_endpoint() -> None:
    """Raises WeightsError where the client's variable names no address."""
    endpoint = os.environ.get("HF_ENDPOINT")
    if endpoint and not re.match(r"https?://[^/]", endpoint):
        raise WeightsError(
            "HF_ENDPOINT", endpoint, "is no address of a hub", "https://<host>, or not set"
        )


def raise_unfetched(checkpoints: Sequence[FoundCheckpoint]) -> None:
    """Raise the errors of checkpoints that are not whole although all was fetched."""
    raise_all(
        [
            WeightsError(found.key, found.repo, f"is not whole after a download: {found.problem}")
            for found in checkpoints
        ]
    )


def _answers(asked: Sequence[Asked], seconds: float) -> dict[Asked, Answer]:
    if is_offline():
        return {
            one: Answer(None, HubError({"kind": "offline", "repo": one.repo, "detail": ""}))
            for one in asked
        }
    return ask_hub(asked, seconds)


def _asked(found: FoundCheckpoint, newest: bool) -> Asked:
    assert found.wanted is not None
    known = None if newest else CachedRepo(found.repo).commit_of(found.wanted)
    return Asked(found.repo, found.wanted, known)


def explain(found: FoundCheckpoint, error: HubError) -> WeightsError:
    """The error of a checkpoint that cannot be had from the hub."""
    key, value, problem = found.key, found.repo, str(error)
    if error.kind == "no_revision":
        key = re.sub(r"\.(repo|path)$", ".revision", found.key)
        value = str(found.wanted)
        problem = f"{found.repo} {error}"
    elif error.kind in UNREACHED:
        what = found.problem or f"is not on this disk (looked in {cache_dir()})"
        if error.name:
            what = f"{error.name} of it is not on this disk"
        problem = f"{what}, and {error}"
    instead = f"weights=<folder that holds {found.checkpoint.folder}>"
    if found.key.startswith("metrics."):
        instead = f"{found.key}=<folder>"
    if found.key.startswith("lora["):
        instead = "a safetensors file, or a folder that holds one"
    elif mini_folder(found.checkpoint) is not None:
        instead += ", or weights=mini"
    if error.kind in ("no_space", "disk"):
        instead = LARGER_DISK
    return WeightsError(key, value, problem, instead)


def missing_files(checkpoints: Iterable[FoundCheckpoint]) -> list[RemoteFile]:
    """All files that are to be fetched, each once, by repository."""
    files = {file: None for found in checkpoints for file in found.missing or ()}
    return sorted(files, key=lambda file: (file.repo, file.name))


def check_space(files: Sequence[RemoteFile]) -> None:
    """Check that the files fit.

    Raises:
        WeightsError: the disk of the cache has not enough space left.
    """
    free, needed = free_bytes(cache_dir()), sum(file.bytes for file in files)
    if needed > free:
        raise WeightsError(
            "weights", "hub",
            f"{format_bytes(needed)} are to be fetched, and the disk of {cache_dir()} has "
            f"{format_bytes(free)} left",
            LARGER_DISK,
        )  # fmt: skip


def fetch_missing(checkpoints: Sequence[FoundCheckpoint], display: DownloadDisplay) -> None:
    """Fetch all that is missing, and check its bytes.

    Raises:
        WeightsError: it does not fit, or a file cannot be had.
    """
    files = missing_files(checkpoints)
    if not files:
        return
    check_space(files)
    for found in checkpoints:
        for file in found.damaged:
            _discard(file)
    total: dict[str, int] = {}
    for file in files:
        total[file.repo] = total.get(file.repo, 0) + file.bytes
    display.started(total)
    try:
        fetch_files(files, display.progressed, display.waits)
    except HubError as error:
        of = next((one for one in checkpoints if one.repo == error.repo), None)
        if of is None:
            raise WeightsError("weights", "hub", str(error)) from error
        raise explain(of, error) from error
    finally:
        display.ended()
    hashes = FileHashes(hash_memory())
    for file in files:
        if file.sha256 is not None:
            hashes.remember(CachedRepo(file.repo).snapshot(file.commit) / file.name, file.sha256)
    hashes.save()


def newest_commit(repo: str, revision: str) -> str | None:
    """The newest commit of a branch, as the hub said when it was last asked."""
    try:
        found = json.loads(_newest_file().read_text(encoding="utf-8"))[f"{repo}@{revision}"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(found)


def _discard(file: RemoteFile) -> None:
    """Remove a damaged file and its blob, which would be taken for whole."""
    place = CachedRepo(file.repo).snapshot(file.commit) / file.name
    try:
        place.resolve().unlink(missing_ok=True)
        place.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"{place} is damaged, and cannot be removed: {error.strerror}"
        ) from error


def _remember_newest(asked: Asked, answer: Answer) -> None:
    path = _newest_file()
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    known = {**known, f"{asked.repo}@{asked.revision}": answer.newest}
    with contextlib.suppress(OSError, StorageError):  # only for display
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(known).encode())


def _newest_file() -> Path:
    return user_cache_dir() / "newest-commits.json"
