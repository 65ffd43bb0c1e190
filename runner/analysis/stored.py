"""Reads the JSON in which findings are kept beside a sweep: of a comparison, strata, votes."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TypeVar

from runner.system.typed_json import FieldError, read_as, read_json

T = TypeVar("T")


def read_stored(kind: type[T], file: Path, versions: Collection[int]) -> T:
    """Read findings, which anyone may have written.

    Args:
        kind: a dataclass of the file's fields.
        versions: of the file's form, that are read; one that names none is taken for any.

    Raises:
        OSError: it does not exist or cannot be read.
        FieldError: it is no JSON, or of another version; a field is missing, or of another type.
    """
    content = read_json(file, finite=True)
    named = isinstance(content, dict) and "version" in content
    if named and (version := content["version"]) not in versions:
        raise FieldError(f"'version' is another one: {version!r:.100}", file)
    return read_as(kind, content, file)
