"""Completes verbs, and the paths that verbs and keys take; the rest is Hydra's to complete."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

COMPOSED = ("run", "plan", "download")
"""Verbs that take overrides."""

FLAGS_OF_PATHS = ("--config-dir", "-cd", "--config-path", "-cp", "--graph")
KEYS_OF_PATHS = (
    "inputs.image", "inputs.mask", "inputs.hint", "prompt_file", "axes", "output_dir",
    "tracking.uri",
)  # fmt: skip


def completions(line: str, verbs: Iterable[str]) -> tuple[list[str], bool]:
    """What the last word of a line may be, and whether Hydra knows more.

    Args:
        line: as typed so far, with the program's name.
    """
    words = line.split(" ")
    last, before = words[-1], [word for word in words[1:-1] if word]
    if not before and "=" not in last and not last.startswith("-"):
        found = [verb for verb in verbs if verb.startswith(last)] if last else list(verbs)
        return found, True
    if before and (before[0] in set(verbs) - set(COMPOSED) or before[-1] in FLAGS_OF_PATHS):
        return list(_paths(last)), False
    key, equals, value = last.partition("=")
    if equals and key.lstrip("+") in KEYS_OF_PATHS:
        return [f"{key}={path}" for path in _paths(value)], False
    return [], True


def _paths(typed: str) -> Iterator[str]:
    """The paths that begin so, folders with a slash."""
    folder, slash, name = typed.rpartition("/")
    try:
        entries = sorted(os.scandir(Path(folder + slash).expanduser()), key=lambda one: one.name)
    except (OSError, ValueError, RuntimeError):
        return
    for entry in entries:
        if entry.name.startswith(name) and (name or not entry.name.startswith(".")):
            yield f"{folder}{slash}{entry.name}{'/' if entry.is_dir() else ''}"
