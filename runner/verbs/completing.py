"""Completes verbs, and the paths that verbs and keys take; the rest is Hydra's to complete."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from runner.recording.sweep_record import LAST, list_sweeps

CHANGES = ("merge", "delete", "rename")
"""What `kandinsky sweeps` does besides listing."""
STOP = "stop"
"""What `kandinsky workers` does besides listing."""
COMPOSED = ("run", "plan", "download")
"""Verbs that take overrides."""
OF_SWEEPS = ("compare", "report", "table", "grid", "vote", "view", "export")
"""Verbs that take a sweep."""

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
    if before[:1] == ["sweeps"]:
        return [*_changes(before, last), *_sweeps(before, last), *_paths(last)], False
    if before[:1] == ["workers"]:
        return [STOP] if len(before) == 1 and STOP.startswith(last) else [], False
    if before and before[0] in OF_SWEEPS and not before[-1].startswith("-"):
        return [*_sweeps(before, last), *_paths(last)], False
    if before and (before[0] in set(verbs) - set(COMPOSED) or before[-1] in FLAGS_OF_PATHS):
        return list(_paths(last)), False
    key, equals, value = last.partition("=")
    if equals and key == "into":
        return [f"into={name}" for name in _sweeps(before, value)], False
    if equals and key.lstrip("+") in KEYS_OF_PATHS:
        return [f"{key}={path}" for path in _paths(value)], False
    return [], True


def _changes(before: list[str], typed: str) -> list[str]:
    """Those of `kandinsky sweeps` that begin so."""
    return [one for one in CHANGES if len(before) == 1 and one.startswith(typed)]


def _sweeps(before: list[str], typed: str) -> list[str]:
    """The ids of sweeps that begin so, newest first."""
    if before[:1] == ["sweeps"] and not (len(before) > 1 and before[1] in CHANGES):
        return []
    said = [word.partition("=")[2] for word in before if word.startswith("output_dir=")]
    said += [value for flag, value in pairwise(before) if flag == "--output-dir"]
    folder = Path(said[-1] if said else "outputs").absolute()
    ids = [record.sweep_id for _, record in list_sweeps(folder)]
    return [one for one in (LAST, *reversed(ids)) if ids and one.startswith(typed)]


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
