"""Content hashes of a checkpoint's files, remembered so that large files are read once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from runner.errors import StorageError
from runner.system.files import write_whole
from runner.system.hashes import file_sha256
from runner.system.user_cache import user_cache_dir

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
    return user_cache_dir() / "file-hashes.json"


class FileHashes:
    """sha256 of files, remembered by path, size and modification time.

    Args:
        memory: JSON file of what is remembered; None: nothing is. Small files never are.
    """

    WORTH_REMEMBERING = 64 << 20

    def __init__(self, memory: Path | None) -> None:
        self._memory = memory
        self._known = _read(memory)
        self._added: dict[str, str] = {}

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
            identity = _identity(target, status)
            if identity not in self._known:
                self._known[identity] = self._added[identity] = file_sha256(target)
            found = self._known[identity]
        if _named_hash(target) not in (None, found) and not _is_git_blob(target):
            raise DamagedBlobError(path)
        return found

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
        """Write new hashes to the memory. Failure is no error: files are hashed again next time."""
        if self._memory is None or not self._added:
            return
        with contextlib.suppress(OSError, StorageError):
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            # Other commands may have written meanwhile.
            known = _read(self._memory) | self._added
            write_whole(self._memory, json.dumps(known, indent=0).encode())


def fingerprint(files: Iterable[tuple[str, str]]) -> str:
    """One hash of (relative name, sha256) pairs: 16 hex digits, independent of the files' paths."""
    digest = hashlib.sha256()
    for name, sha256 in sorted(files):
        digest.update(f"{name}\0{sha256}\n".encode())
    return digest.hexdigest()[:16]


def _read(memory: Path | None) -> dict[str, str]:
    """What is remembered. Only a cache: if it is damaged, the files are hashed again."""
    if memory is None:
        return {}
    try:
        known = json.loads(memory.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _identity(path: Path, status: os.stat_result) -> str:
    return f"{path}|{status.st_size}|{status.st_mtime_ns}"


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
