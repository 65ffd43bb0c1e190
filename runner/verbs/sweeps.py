"""`kandinsky sweeps`: the sweeps of an output folder, and how far each came; merge, delete, rename.

kandinsky sweeps merge A B       the cells of B go into A
kandinsky sweeps delete A        its folder and its runs in MLflow
kandinsky sweeps rename A NAME

A sweep is named by its id (--json shows it), its name, its folder, or as the last one.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from runner.recording.manifest import cell_status
from runner.recording.sweep_record import SweepRecord, is_running, list_sweeps, status_now
from runner.system.terminal import to_json
from runner.system.text import path_here
from runner.tracking.status import Status
from runner.verbs.completing import CHANGES
from runner.verbs.folders import add_output_dir
from runner.verbs.parser import VerbParser


def main(arguments: list[str]) -> int:
    """List them, newest last; or change one."""
    if arguments[:1] and arguments[0] in CHANGES:
        # Imported here: the list needs none of it.
        from runner.verbs.sweep_changes import change

        return change(arguments)
    raw = argparse.RawDescriptionHelpFormatter
    parser = VerbParser(prog="kandinsky sweeps", description=__doc__, formatter_class=raw)
    add_output_dir(parser, CHANGES)
    parser.add_argument("--json", action="store_true", help="for other programs")
    options = parser.parse_args(arguments)
    found = [_row(path, record) for path, record in list_sweeps(options.output_dir.absolute())]
    if options.json:
        print(to_json(found, indent=1))
    elif not found:
        print("no sweeps yet; `kandinsky -m key=a,b` runs one")
    else:
        print("\n".join(map(_text, found)))
    return 0


def _row(path: Path, record: SweepRecord) -> dict[str, object]:
    running = is_running(path)
    statuses = Counter(
        status_now(cell_status(path / cell.folder), running) for cell in record.cells
    )
    return {
        "id": record.sweep_id,
        "name": record.name,
        "started": record.started,
        "status": Status.RUNNING if running else status_now(record.status, running),
        "cells": dict(statuses),
        "attempts": record.attempts,
        "seconds": round(record.seconds, 1),
        "axes": {key: list(values) for key, values in record.axes.items()},
        "folder": str(path),
    }


def _text(row: dict[str, object]) -> str:
    cells, axes = row["cells"], row["axes"]
    assert isinstance(cells, dict)
    assert isinstance(axes, dict)
    done = f"{cells.get(Status.FINISHED, 0)} of {sum(cells.values())} cells"
    others = ", ".join(f"{n} {status}" for status, n in cells.items() if status != Status.FINISHED)
    keys = " x ".join(f"{key} ({len(values)})" for key, values in axes.items())
    return (
        f"{row['started']}  {row['status']:<8}  {row['name']}: {done}"
        + (f" ({others})" if others else "")
        + (f", {keys}" if keys else "")
        + f"\n  {path_here(Path(str(row['folder'])))}"
    )
