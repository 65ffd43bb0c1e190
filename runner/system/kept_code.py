"""Compiled code that is kept for later processes, in the user's cache of this program.

Never in an output folder: it is code that is loaded and run, and such a folder may be somebody
else's. A folder for each machine and its libraries, of which a process holds the lock while it uses
it; one that is in use is never removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from runner.system.files import write_whole
from runner.system.locks import hold, share
from runner.system.untrusted import parse_json, read_regular
from runner.system.user_cache import user_cache_dir

CODE_FOLDER = "TORCHINDUCTOR_CACHE_DIR"
"""torch's own variable: where it keeps what it compiles, and looks for it first."""
ABOUT = "about.json"
MOST_BYTES = 10 * 10**9
"""What all folders may take; the least recently used are removed first."""


@dataclass(frozen=True)
class KeptCode:
    """A folder of compiled code.

    Attributes:
        made_for: the device and the versions that it was compiled with.
        used: when it was last used, in seconds since 1970.
    """

    path: Path
    made_for: Mapping[str, str]
    bytes: int
    used: float


def code_dir() -> Path:
    """Where the folders are."""
    return user_cache_dir() / "compiled"


def open_code(made_for: Mapping[str, str]) -> tuple[Path, IO[str]]:
    """The folder for a device and its libraries, and its lock, to be held while it is used.

    Raises:
        OSError, StorageError: it cannot be made.
    """
    text = json.dumps(dict(made_for), sort_keys=True)
    folder = code_dir() / hashlib.sha256(text.encode()).hexdigest()[:16]
    code_dir().mkdir(mode=0o700, parents=True, exist_ok=True)
    trim_code(MOST_BYTES)
    lock = share(_lock_of(folder))
    folder.mkdir(mode=0o700, exist_ok=True)
    if not (folder / ABOUT).exists():
        write_whole(folder / ABOUT, text.encode())
    os.utime(folder / ABOUT)
    return folder, lock


def kept_code() -> list[KeptCode]:
    """All folders, the least recently used first."""
    return sorted(_folders(), key=lambda one: one.used)


def trim_code(most_bytes: int) -> int:
    """Remove the least recently used folders until all take at most `most_bytes`; those in use
    stay.

    Returns:
        bytes that were freed.
    """
    folders = kept_code()
    size, freed = sum(one.bytes for one in folders), 0
    for one in folders:
        if size - freed <= most_bytes:
            break
        with contextlib.suppress(OSError), hold(_lock_of(one.path)):
            aside = one.path.with_name(f".{secrets.token_hex(8)}")
            one.path.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
            freed += one.bytes
    return freed


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _folders() -> Iterator[KeptCode]:
    for about in code_dir().glob(f"[0-9a-f]*/{ABOUT}"):
        with contextlib.suppress(OSError, ValueError):
            made_for = parse_json(read_regular(about))
            if isinstance(made_for, dict):
                size = sum(_bytes_of(file) for file in about.parent.rglob("*"))
                yield KeptCode(about.parent, made_for, size, about.stat().st_mtime)


def _bytes_of(file: Path) -> int:
    try:
        return file.lstat().st_size
    except OSError:
        return 0  # removed meanwhile
