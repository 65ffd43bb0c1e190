"""Files that others may have written: what they name, how they are opened, how large they may be.

A sweep's folder, a picture or a manifest may come from anyone. A name in it means a file below its
own folder and nothing else, and reading it always ends.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, TypeAlias

MOST_BYTES = 2**29
"""Bytes of the largest file that is read: a manifest of 100,000 images has a fifth of that."""

IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")
HALF_A_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")


class UntrustedError(ValueError):
    """A name or a file that is not used; the message is the end of a sentence."""


def check_name_below(name: str) -> str:
    """A relative path of plain names, such as `inputs/image.png`.

    Raises:
        UntrustedError: it is absolute, empty, or leads out of its folder.
    """
    parts = name.split("/")
    if not name or "\0" in name or "\\" in name or {"", ".", ".."} & set(parts):
        raise UntrustedError(f"is no name below its folder: {name!r:.100}")
    return name


def check_plain_name(name: str) -> str:
    """A name without a folder. Raises UntrustedError."""
    if "/" in check_name_below(name):
        raise UntrustedError(f"is no plain name: {name!r:.100}")
    return name


def check_identifier(text: str) -> str:
    """Letters, digits and `_ . -`, at most 200, as ids have.

    Raises:
        UntrustedError: it has another form.
    """
    if not IDENTIFIER.fullmatch(text):
        raise UntrustedError(f"has not the form of an id: {text!r:.100}")
    return text


def check_finite(number: float) -> float:
    """Neither NaN nor infinite. Raises UntrustedError."""
    if not math.isfinite(number):
        raise UntrustedError(f"is no finite number: {number}")
    return number


FileName: TypeAlias = Annotated[str, check_name_below]
PlainName: TypeAlias = Annotated[str, check_plain_name]
Identifier: TypeAlias = Annotated[str, check_identifier]
Finite: TypeAlias = Annotated[float, check_finite]
"""Types of fields for `typed_json.read_as`."""


def true_path(path: Path) -> Path:
    """A path without links; it need not exist. Where links lead round in a circle it is the path
    of one of them, and opening it says so.
    """
    return Path(os.path.realpath(path))  # Path.resolve raises RuntimeError there


def path_below(folder: Path, name: str) -> Path:
    """The path that a record in a folder names; it need not exist.

    Raises:
        UntrustedError: it leads out of the folder, also by a link, or is neither a regular file
            nor a folder.
        OSError: the folders above it cannot be read.
    """
    path = folder
    for part in PurePosixPath(check_name_below(name)).parts:
        path = path / part
        try:
            mode = path.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return folder / name
        if stat.S_ISLNK(mode) and not true_path(path).is_relative_to(true_path(folder)):
            raise UntrustedError(f"is a link out of its folder: {str(path.readlink())!r:.100}")
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
            raise UntrustedError("is no regular file")
    return path


def read_regular(file: Path) -> bytes:
    """A regular file's bytes: a pipe, a device or an endless file does not block the caller.

    Raises:
        OSError: it does not exist or cannot be read.
        UntrustedError: it is no regular file, or larger than `MOST_BYTES`.
    """
    # Without O_NONBLOCK opening a pipe would wait for its writer.
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as opened:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(21, "is a folder", str(file))
        if not stat.S_ISREG(status.st_mode):
            raise UntrustedError("is no regular file")
        if status.st_size > MOST_BYTES:
            raise UntrustedError(f"is larger than {MOST_BYTES} bytes")
        content = opened.read(MOST_BYTES + 1)  # it may grow meanwhile
    if len(content) > MOST_BYTES:
        raise UntrustedError(f"is larger than {MOST_BYTES} bytes")
    return content


def parse_json(content: bytes, *, finite: bool = False) -> Any:
    """What a JSON file says; with `finite` without NaN and Infinity.

    Raises:
        UntrustedError: it is no JSON in UTF-8, is nested too deeply, or holds text or numbers
            that cannot be written down again.
    """
    try:
        text = content.decode("utf-8")
        found = json.loads(text, parse_constant=_refuse if finite else None)
        if HALF_A_PAIR.search(content):
            json.dumps(found, ensure_ascii=False).encode()
    except RecursionError:
        raise UntrustedError("is no JSON that can be read: nested too deeply") from None
    except UnicodeEncodeError:
        raise UntrustedError("holds half a surrogate pair, which is no text") from None
    except ValueError as error:
        raise UntrustedError(f"is no JSON that can be read: {error}") from None
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")
