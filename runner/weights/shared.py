"""Components shared by several checkpoints: stored in one of them, referenced by the others.

A checkpoint's folder may hold `shared.json`, component -> "<folder beside it>/<component>":

    {"movq": "kandinsky-2-2-decoder/movq"}

The checkpoint and its fingerprint are then the same as with copies of the components.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from runner.errors import WeightsError
from runner.system.untrusted import parse_json, read_regular

FILE = "shared.json"


def shared_components(folder: Path, key: str) -> Mapping[str, Path]:
    """Component -> its folder elsewhere; empty where all components are in `folder` itself.

    Raises:
        WeightsError: `shared.json` is damaged, or names a missing folder.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    try:
        content = parse_json(read_regular(path))
        named = {str(name): PurePosixPath(where) for name, where in content.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise WeightsError(key, path, f"cannot be read: {error}") from error
    for name, where in named.items():
        # Only folders beside this one are allowed, since weights may come from untrusted sources.
        if len(where.parts) != 2 or ".." in where.parts or where.is_absolute():
            raise WeightsError(
                key, path, f"names {where} for {name}", "<folder beside it>/<component>"
            )
        if not (folder.parent / where).is_dir():
            raise WeightsError(key, folder.parent / where, f"is not there; {path} names it")
    return {name: folder.parent / where for name, where in named.items()}
