"""The sha256 of files, read piece by piece: weights are larger than memory."""

from __future__ import annotations

import hashlib
from io import BufferedReader
from pathlib import Path


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as file:
        return open_file_sha256(file)


def open_file_sha256(file: BufferedReader) -> str:
    """Hex sha256 of an open file, from its beginning."""
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()
