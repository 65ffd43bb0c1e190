"""Sweeps as they are read back, made by hand: no picture is drawn."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.analysis.results import CellResult, ImageResult, SweepResult
from runner.recording.manifest import FINISHED, MANIFEST, PENDING
from runner.recording.sweep_record import CellEntry, SweepRecord, write_record

Choice = Mapping[str, str]
Score = Callable[[Choice, str, int], Mapping[str, float] | None]
"""Of a cell's choice, a prompt and a seed; None: there is no such picture."""


def sweep_of(
    axes: Mapping[str, Sequence[str]],
    score: Score,
    *,
    prompts: Sequence[str] = ("a red circle", "a blue square"),
    seeds: Sequence[int] = (0, 1, 2, 3),
    better: Mapping[str, str | None] | None = None,
    baseline: object = None,
    bench: bool = False,
    pending: Sequence[int] = (),
    whole: Callable[[Choice], Mapping[str, float]] | None = None,
    tracking: Mapping[str, Any] | None = None,
    folder: Path = Path("nowhere"),
) -> SweepResult:
    """All combinations of the axes; a cell's own prompts, where those are an axis, are one text.

    Args:
        whole: of all pictures of a cell together.
        better: of the metrics; `seconds` among the scores is what the stages took.
    """
    metrics = {name: {"better": b} for name, b in (better or {"quality": "higher"}).items()}
    config = {
        "baseline": baseline,
        "bench": bench,
        "tracking": tracking or {"tracker": "none", "uri": None, "experiment": None},
    }
    cells = []
    for number, values in enumerate(itertools.product(*axes.values())):
        choice = dict(zip(axes, values, strict=True))
        own = (choice["prompt"],) if "prompt" in choice else prompts
        records = [
            _record(place, prompt, seed, scores)
            for place, (prompt, seed) in enumerate(itertools.product(own, seeds))
            if (scores := score(choice, prompt, seed)) is not None
        ]
        manifest = {
            "name": "made", "question": None, "status": FINISHED, "overrides": [],
            "config": config, "metrics": metrics, "images": records, "failures": [],
            "scores": whole(choice) if whole else {},
        }  # fmt: skip
        path = folder / f"{number:04d}"
        waits = number in pending
        cells.append(
            CellResult(
                number,
                path,
                PENDING if waits else FINISHED,
                tuple(f"{axis}={value}" for axis, value in choice.items()),
                choice,
                {} if waits else manifest,
                () if waits else tuple(ImageResult(path / r["file"], r) for r in records),
            )
        )
    return SweepResult(folder, "made", FINISHED, axes, tuple(cells), "", 1.0, {})


def _record(place: int, prompt: str, seed: int, scores: Mapping[str, float]) -> dict[str, Any]:
    took = {"decode": scores["seconds"]} if "seconds" in scores else {}
    return {
        "file": f"{place:04d}_picture_seed{seed}.png",
        "prompt": prompt,
        "seed": seed,
        "sha256": f"{place}-{seed}",
        "stage_keys": {"decode": "key"},
        "took": took,
        "scores": {name: value for name, value in scores.items() if name != "seconds"},
    }


def write_sweep(results: SweepResult) -> None:
    """Into its folder, as a sweep leaves it, but for the pictures."""
    entries = []
    for cell in results.cells:
        entries.append(CellEntry(cell.number, cell.overrides, cell.folder.name, "print"))
        if cell.manifest:
            cell.folder.mkdir(parents=True, exist_ok=True)
            (cell.folder / MANIFEST).write_text(json.dumps(cell.manifest), encoding="utf-8")
    record = SweepRecord(
        sweep_id="20260101T000000-abcdef01", fingerprint="", name=results.name, status="FINISHED",
        attempts=1, started="2026-01-01T00:00:00+00:00", seconds=1.0, axes=results.axes, runs={},
        cells=tuple(entries), command="kandinsky run -m ...",
    )  # fmt: skip
    results.folder.mkdir(parents=True, exist_ok=True)
    write_record(results.folder, record)
