"""Content hashes of a checkpoint's files, remembered so that large files are read once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from runner.system.hashes import file_sha256
from runner.system.machine import cpu_cores
from runner.system.together import call_together
from runner.system.user_cache import user_cache_dir

MOST_AT_ONCE = 8
"""Large files that are read at once: more than that keep no disk busier."""

SHA256_HEX_LENGTH, GIT_HEX_LENGTH = 64, 40


class DamagedBlobError(Exception):
    """A file in the hub's cache has other bytes than its name says.

    Attributes:
        path: the file, as it was asked for.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(str(path))


def hash_memory() -> Path:
    """Where hashes are remembered, for all output folders of a user."""
    return user_cache_dir() / "file-hashes.jsonl"


class FileHashes:
    """sha256 of files, remembered by path, size, and the times of the last change of content and
    of anything: a file that is replaced by one of the same size and time is read again.

    Several threads may ask: each file is read once.

    Args:
        memory: JSON lines of what is remembered; None: nothing is. Small files never are.
    """

    WORTH_REMEMBERING = 64 << 20

    def __init__(self, memory: Path | None) -> None:
        self._memory = memory
        self._known = _read(memory)
        self._added: dict[str, str] = {}
        self._lock = threading.Lock()
        self._reading: dict[str, threading.Lock] = {}
        self._turns = threading.BoundedSemaphore(max(1, min(cpu_cores(), MOST_AT_ONCE)))

    def sha256(self, path: Path) -> str:
        """The hex sha256 of the file's bytes.

        Raises:
            DamagedBlobError: the hub's cache names the file by another hash.
        """
        target = path.resolve()
        status = target.stat()
        if status.st_size < self.WORTH_REMEMBERING:
            found = file_sha256(target)
        else:
            found = self._of_large(target, _identity(target, status))
        if _named_hash(target) not in (None, found) and not _is_git_blob(target):
            raise DamagedBlobError(path)
        return found

    def sha256_of(self, files: Mapping[str, Path]) -> dict[str, str]:
        """Name -> hex sha256 of several files; large ones are read at once. Raises as `sha256`."""
        self.read_together(files.values())
        return {name: self.sha256(file) for name, file in files.items()}

    def read_together(self, files: Iterable[Path]) -> None:
        """Read those at once that are large and not remembered."""
        unread = [file for file in files if self._is_unread(file)]
        if len(unread) > 1:
            call_together([partial(self.sha256, file) for file in unread])

    def _is_unread(self, path: Path) -> bool:
        try:
            target = path.resolve()
            status = target.stat()
        except OSError:
            return False  # told by who needs it
        large = status.st_size >= self.WORTH_REMEMBERING
        return large and _identity(target, status) not in self._known

    def _of_large(self, target: Path, identity: str) -> str:
        with self._lock:
            reading = self._reading.setdefault(identity, threading.Lock())
        with reading:
            if identity not in self._known:
                with self._turns:
                    self._known[identity] = self._added[identity] = file_sha256(target)
        return self._known[identity]

    def matches(self, path: Path, sha256: str | None, git: str) -> bool:
        """Whether a file has the bytes that the hub lists: by sha256, or of small ones by git's."""
        if sha256 is None:
            return git_hash(path) == git
        try:
            return self.sha256(path) == sha256
        except DamagedBlobError:
            return False

    def remember(self, path: Path, sha256: str) -> None:
        """Take a hash that was computed elsewhere, such as by a download."""
        target = path.resolve()
        status = target.stat()
        if status.st_size >= self.WORTH_REMEMBERING:
            identity = _identity(target, status)
            self._known[identity] = self._added[identity] = sha256

    def save(self) -> None:
        """Add new hashes to the memory. Failure is no error: files are hashed again next time."""
        with self._lock:
            added, self._added = self._added, {}
        if self._memory is None or not added:
            return
        # In one piece at the end, as other commands may write too; after whatever a kill has left.
        lines = "".join(f"\n{json.dumps(entry)}" for entry in added.items())
        with contextlib.suppress(OSError):
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            with self._memory.open("ab", buffering=0) as file:
                file.write(f"{lines}\n".encode())


def fingerprint(files: Iterable[tuple[str, str]]) -> str:
    """One hash of (relative name, sha256) pairs: 16 hex digits, independent of the files' paths."""
    digest = hashlib.sha256()
    for name, sha256 in sorted(files):
        digest.update(f"{name}\0{sha256}\n".encode())
    return digest.hexdigest()[:16]


def _read(memory: Path | None) -> dict[str, str]:
    """What is remembered. Only a cache: files of damaged lines are hashed again."""
    try:
        lines = memory.read_bytes().splitlines() if memory is not None else []
    except OSError:
        return {}
    known = {}
    for line in lines:
        with contextlib.suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, list) and len(entry) == 2 and _is_sha256(entry[1]):
                known[str(entry[0])] = entry[1]
    return known


def _is_sha256(value: object) -> bool:
    return (
        isinstance(value, str)
        and len(value) == SHA256_HEX_LENGTH
        and set(value) <= set("0123456789abcdef")
    )


def _identity(path: Path, status: os.stat_result) -> str:
    return f"{path}|{status.st_size}|{status.st_mtime_ns}|{status.st_ctime_ns}"


def _named_hash(path: Path) -> str | None:
    """The hash that the hub's cache names a blob by: sha256 of large files, git's of others."""
    lengths = (SHA256_HEX_LENGTH, GIT_HEX_LENGTH)
    is_hash = len(path.name) in lengths and set(path.name) <= set("0123456789abcdef")
    return path.name if path.parent.name == "blobs" and is_hash else None


def _is_git_blob(path: Path) -> bool:
    """Whether the file's name is git's hash of its bytes; such files are small."""
    return len(path.name) == GIT_HEX_LENGTH and git_hash(path) == path.name


def git_hash(path: Path) -> str:
    """git's hash of a file's bytes, read whole."""
    content = path.read_bytes()
    digest = hashlib.sha1(f"blob {len(content)}\0".encode(), usedforsecurity=False)
    digest.update(content)
    return digest.hexdigest()
