"""Files and folders: atomic writes, and names that a person can read."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import unicodedata
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from runner.errors import ConfigError, StorageError
from runner.system.untrusted import UntrustedError, path_below

LATEST = "latest"


SLUG_LENGTH = 60
LONGEST_NAME = 255
"""Bytes; most file systems take no more."""


def below(folder: Path, name: str) -> Path:
    """Where to write in a folder that may have come from somebody else.

    Raises:
        StorageError: a link of that name leads out of the folder, or the folders above it cannot
            be read.
    """
    try:
        return path_below(folder, name)
    except UntrustedError as error:
        raise StorageError(f"cannot write {folder / name}: it {error}") from error
    except OSError as error:
        raise StorageError(f"cannot write {folder / name}: {error.strerror}") from error


def output_below(folder: Path, name: str) -> Path:
    """Where a command writes in a folder that others may have made.

    Raises:
        ConfigError: a link of that name leads elsewhere, or the folders above it cannot be read.
    """
    try:
        return path_below(folder, name)
    except (UntrustedError, OSError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise ConfigError("out", folder / name, problem, "--out, another place") from error


def size_and_time(path: Path | str) -> tuple[int, int]:
    """A file's size, and when its content was last changed, in nanoseconds; (-1, -1) where there is
    none.
    """
    try:
        found = Path(path).stat()
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns


def free_bytes(folder: Path) -> int:
    """Bytes left on the disk of a folder, which need not exist yet."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(".*.part"):  # left by a process that was killed
            left.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"output_dir: {folder} cannot be made: {error.strerror}") from error


def new_folder(output_dir: Path, name: str) -> Path:
    """Create a folder named after the current time for a run or sweep; `latest` points to it.

    Raises:
        ConfigError: there cannot be one.
        StorageError: the disk is full.
    """
    path = _fresh(output_dir / fit_name(name))
    _point_latest(output_dir, path)
    return path


def _fresh(parent: Path) -> Path:
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    try:
        for number in range(1, 10_000):
            path = parent / (stamp if number == 1 else f"{stamp}_{number}")
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue
            return path
    except OSError as error:
        problem = f"cannot be made: {error.strerror}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(f"output_dir: {parent} {problem}") from error
        raise ConfigError(
            "output_dir", parent.parent, problem, "a folder that you may write to"
        ) from error
    raise StorageError(f"output_dir: {parent} has thousands of runs of this very second")


def _point_latest(output_dir: Path, target: Path) -> None:
    """Point `latest` to the newest run, in one step. Does nothing where links are unsupported."""
    link = output_dir / f".{LATEST}.{os.getpid()}"
    try:
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(target, output_dir), target_is_directory=True)
        link.replace(output_dir / LATEST)
    except OSError:
        link.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file atomically, whoever else writes it, too. Raises StorageError."""
    write_by(path, lambda file: file.write(content))


def write_by(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Have a file written part by part, and put it there atomically. Raises StorageError."""
    # A name that nobody can guess, and a file that did not exist: so nothing is written through a
    # link that somebody put there.
    temporary = path.with_name(f".{secrets.token_hex(16)}.part")
    try:
        with temporary.open("xb") as file:
            write(file)
        temporary.replace(path)
    except OSError as error:
        full = " (what was made before is kept)" if error.errno == errno.ENOSPC else ""
        raise StorageError(f"cannot write {path}: {error.strerror}{full}") from error
    finally:
        # Also on Ctrl-C. After the rename no file of that name is left.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def slug(text: str) -> str:
    """Letters and digits of any script, joined by hyphens."""
    text = unicodedata.normalize("NFC", text).lower()
    short = "-".join(re.findall(r"\w+", text.replace("_", " ")))
    # File systems limit bytes; letters of other scripts take up to four.
    while len(short) > SLUG_LENGTH or len(short.encode()) > 3 * SLUG_LENGTH:
        short = short[:-1]
    return short.strip("-") or "image"


def expand_home(path: str) -> str:
    """A path with `~` and `~user` replaced by the home; as it is where there is none."""
    return os.path.expanduser(path)  # noqa: PTH111 - Path would also change the // of an address


def fit_name(name: str) -> str:
    """Cut a name that is too long for a file system, at a letter's end; its hash keeps it apart
    from others of the same beginning.
    """
    if len(name.encode()) <= LONGEST_NAME:
        return name
    mark = "-" + hashlib.sha256(name.encode()).hexdigest()[:8]
    short = name.encode()[: LONGEST_NAME - len(mark)].decode(errors="ignore")
    return short.rstrip(" -_.") + mark
