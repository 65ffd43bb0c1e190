"""Plans and runs the cases, into what the record holds of them."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import plain
from .cases import ALWAYS, PLANS, RUNS, SMALL, Arguments
from .reading import plan, said

HERE = Path(__file__).parent
GRAPH = "graph.mmd"


def furnish(folder: Path) -> Path:
    """A folder with all files that the cases name."""
    shutil.copytree(HERE / "own", folder / "own", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@contextlib.contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """In a furnished folder, without what the environment would change."""
    before = os.environ.pop("HYDRA_FULL_ERROR", None)
    try:
        with contextlib.chdir(folder):
            yield
    finally:
        if before is not None:
            os.environ["HYDRA_FULL_ERROR"] = before


def planned(group: str, name: str, folder: Path) -> dict[str, Any]:
    """What `kandinsky plan` says of a case, its graph and its fingerprints.

    Args:
        folder: furnished; nothing was run in it.
    """
    arguments = (*ALWAYS, *PLANS[group][name])
    graph = folder / GRAPH
    graph.unlink(missing_ok=True)
    with working_in(folder):
        one, facts = plan(["plan", *arguments, "--graph", GRAPH])
        found = {"arguments": list(arguments), **plain.printed(one, folder)}
        if one.status == 0:
            found["graph"] = graph.read_text(encoding="utf-8").splitlines()
            found["identity"] = plain.sweep(facts) if isinstance(facts, dict) else facts
    return found


def commands(name: str) -> list[Arguments]:
    """Those of a case that is run, whole. What it says itself goes before what all say."""
    return [complete(own) for own in RUNS[name]]


def complete(own: Arguments) -> Arguments:
    """Arguments with those that every run takes."""
    said_itself = {argument.partition("=")[0] for argument in own}
    rest = [one for one in (*ALWAYS, *SMALL) if one.partition("=")[0] not in said_itself]
    return (*own, *rest)


def ran(name: str, folder: Path) -> dict[str, Any]:
    """What the commands of a case print, and what they leave.

    Args:
        folder: furnished; nothing was run in it.
    """
    spoken = []
    with working_in(folder):
        for arguments in commands(name):
            one = said(arguments)
            spoken.append({"arguments": list(arguments), **plain.printed(one, folder)})
    return {"commands": spoken, **plain.left(folder)}
