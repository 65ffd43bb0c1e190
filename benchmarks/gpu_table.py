"""The table that `gpu.py` prints, and what its numbers are made from."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from gpu_setting import Setting
from PIL import Image

from runner.system.machine import versions

Pictures = dict[tuple[int, int], Path]
"""(cell, seed) -> file."""


@dataclass
class Row:
    """What one way took.

    Attributes:
        seconds: wall; None where it was not measured.
        inside: the share of the time from the first stage's begin to the last one's end that was
            spent in stages.
        problem: why it was not measured.
        notes: what else is to be said.
    """

    seconds: float | None = None
    inside: float | None = None
    problem: str = ""
    notes: list[str] = field(default_factory=list)


def read_rows(folder: Path) -> dict[str, Row]:
    """The rows that are known of a folder, by name."""
    file = folder / "rows.json"
    found = json.loads(file.read_text()) if file.exists() else {}
    return {name: Row(**row) for name, row in found.items()}


def plain(rows: Mapping[str, Row]) -> dict[str, dict[str, object]]:
    """Rows as JSON has them."""
    return {name: asdict(row) for name, row in rows.items()}


def write_rows(folder: Path, rows: Mapping[str, Row]) -> None:
    """Keep them for another call that goes on in the folder."""
    (folder / "rows.json").write_text(json.dumps(plain(rows), indent=1))


def compare(row: Row, mine: Pictures, other: Pictures, exact: bool) -> None:
    """Note how far the pictures that both have are off.

    Args:
        exact: whether they have to be the same.
    """
    both = [(mine[key], other[key]) for key in mine.keys() & other.keys()]
    furthest = max((levels(one, another) for one, another in both), default=0)
    if not exact:
        row.notes.append(f"pictures within {furthest} of 255 levels")
    elif furthest == 0 and both:
        row.notes.append(f"the same {len(both)} pictures")
    else:
        row.notes.append(f"WRONG: {len(both)} pictures, up to {furthest} of 255 levels off")


def levels(one: Path, other: Path) -> int:
    """The largest difference of two pictures, of 255."""
    with Image.open(one) as a, Image.open(other) as b:
        return int(np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16)).max())


def share_inside(log: Path) -> float | None:
    """The share of the time, from the first stage's begin to the last one's end, in stages; without
    the loading of models in between.
    """
    events = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    began = next((event["time"] for event in events if event["event"] == "stage_started"), None)
    finished = [event for event in events if event["event"] == "stage_finished"]
    if began is None or not finished:
        return None
    # Loading is its own row's matter, and the same for the loop.
    loads = [event for event in events if event["event"] == "loaded" and event["time"] > began]
    wall = finished[-1]["time"] - began - sum(event["seconds"] for event in loads)
    inside = sum(event["seconds"] for event in finished)
    # What is loaded in one worker while another draws is not waited for: at most all of the time.
    return min(1.0, inside / wall) if wall > 0 else None


def machine(setting: Setting) -> dict[str, str]:
    """The device and the versions, for the table."""
    device = setting.device
    if device == "cuda":
        query = [
            "nvidia-smi",
            "--query-gpu=name,driver_version,memory.total",
            "--format=csv,noheader",
        ]
        try:
            device = subprocess.run(
                query, capture_output=True, text=True, check=True
            ).stdout.strip()
        except (OSError, subprocess.SubprocessError) as error:
            device = f"cuda, unnamed: {error}"
    return {"device": device, **versions(("kandinsky-runner", "torch", "diffusers"))}


def show(name: str, row: Row, rows: Mapping[str, Row]) -> str:
    """A line of the table."""
    whole = rows.get("loop")
    against = None if whole is None else whole.seconds
    ratio = "" if row.seconds is None or not against else f"{row.seconds / against:.2f}"
    shown = (
        name, "" if row.seconds is None else f"{row.seconds:.1f}", ratio,
        "" if row.inside is None else f"{row.inside:.0%}",
        "; ".join([*([f"not measured: {row.problem}"] if row.problem else []), *row.notes]),
    )  # fmt: skip
    return f"| {' | '.join(shown)} |"
