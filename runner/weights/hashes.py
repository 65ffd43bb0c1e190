"""Content hashes of a checkpoint's files, cached so that large files are read once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from runner.system.hashes import file_sha256

SHA256_HEX_LENGTH = 64


class FileHashes:
    """sha256 of files, cached by path, size and modification time.

    Args:
        memory: JSON file of the cache; None: no cache. Small files are never cached.
    """

    WORTH_REMEMBERING = 64 << 20

    def __init__(self, memory: Path | None) -> None:
        self._memory = memory
        self._known: dict[str, str] = {}
        self._added = False
        if memory is not None and memory.is_file():
            # Only a cache: if it is damaged, the files are hashed again.
            with contextlib.suppress(OSError, ValueError):
                known = json.loads(memory.read_text())
                self._known = known if isinstance(known, dict) else {}

    def sha256(self, path: Path) -> str:
        """The hex sha256 of the file's bytes."""
        target = path.resolve()
        if _is_hub_blob(target):
            return target.name
        status = target.stat()
        if status.st_size < self.WORTH_REMEMBERING:
            return file_sha256(target)
        identity = f"{target}|{status.st_size}|{status.st_mtime_ns}"
        if identity not in self._known:
            self._known[identity] = file_sha256(target)
            self._added = True
        return self._known[identity]

    def save(self) -> None:
        """Write new hashes to the cache. Failure is no error: files are hashed again next time."""
        if self._memory is None or not self._added:
            return
        temporary = self._memory.with_name(f".{self._memory.name}.{os.getpid()}")
        try:
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(self._known, indent=0))
            temporary.replace(self._memory)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()


def fingerprint(files: Iterable[tuple[str, str]]) -> str:
    """One hash of (relative name, sha256) pairs: 16 hex digits, independent of the files' paths."""
    digest = hashlib.sha256()
    for name, sha256 in sorted(files):
        digest.update(f"{name}\0{sha256}\n".encode())
    return digest.hexdigest()[:16]


def _is_hub_blob(path: Path) -> bool:
    # The hub's cache names the blob of a large file by its sha256 and never changes it.
    return (
        path.parent.name == "blobs"
        and len(path.name) == SHA256_HEX_LENGTH
        and set(path.name) <= set("0123456789abcdef")
    )
