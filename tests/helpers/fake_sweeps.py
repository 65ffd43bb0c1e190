"""Fake records of runs and sweeps: fields that a test sets, defaults for all others."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.analysis.results import CellResult, SweepResult
from runner.recording.manifest import Manifest, SavedImage, SavedMetric, SavedTiming
from runner.recording.sweep_record import CellEntry, SweepRecord
from runner.tracking.status import Status

Choice = Mapping[str, str]
Score = Callable[[Choice, str, int], Mapping[str, float] | None]
"""Of a cell's choice, a prompt and a seed; None: there is no such picture."""

TIMING = SavedTiming(attempt="made.1", workers=1, stored=[], first_calls=[])
"""Of stages that ran one after the other in one attempt."""

IMAGE = SavedImage(
    file="0000_picture_seed0.png", prompt="a red circle", seed=0, height=64, width=64,
    sha256="of the pixels", stage_keys={"decode": "key"}, seconds=0.25, reused=False,
    timing=TIMING,
)  # fmt: skip

MANIFEST = Manifest(
    run_id="20261125T101530-made-0000", status=Status.FINISHED, name="made", overrides=[],
    images=[], config={}, environment={},
)  # fmt: skip

OF_STAGES = ("seconds", "joules")
"""Numbers that are recorded by stage."""

SWEEP = SweepRecord(
    sweep_id="20261125T101530-made", fingerprint="made", name="made", status=Status.FINISHED,
    attempts=1, started="2026-11-25T10:15:30+00:00", seconds=83.5, axes={}, runs={}, cells=(),
    command="kandinsky run -m ...",
)  # fmt: skip


def picture_name(place: int, seed: int) -> str:
    """The file of a run's picture, by its place among them."""
    return f"{place:04d}_picture_seed{seed}.png"


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
    timing: Callable[[Choice, int], SavedTiming | None] = lambda choice, seed: TIMING,
    whole: Callable[[Choice], Mapping[str, float]] | None = None,
    tracking: Mapping[str, Any] | None = None,
    folder: Path = Path("nowhere"),
) -> SweepResult:
    """A sweep as it is read back: all combinations of the axes, and no picture is drawn.

    A cell's own prompts, where those are an axis, are one text.

    Args:
        whole: of all pictures of a cell together.
        timing: of a cell's choice and a seed: what else went on.
        better: of the metrics; `seconds` and `joules` among the scores are what the stages took.
    """
    metrics = {name: SavedMetric(b) for name, b in (better or {"quality": "higher"}).items()}
    config = {
        "baseline": baseline,
        "bench": bench,
        "tracking": tracking or {"tracker": "none", "uri": None, "experiment": None},
    }
    cells = []
    for number, values in enumerate(itertools.product(*axes.values())):
        choice = dict(zip(axes, values, strict=True))
        own = (choice["prompt"],) if "prompt" in choice else prompts
        images = [
            replace(
                _image(place, prompt, seed, scores),
                timing=timing(choice, seed),
                repeats={"decode": [scores.get("seconds", 1.0)]} if bench else {},
                joules={"decode": scores["joules"]} if "joules" in scores else {},
            )
            for place, (prompt, seed) in enumerate(itertools.product(own, seeds))
            if (scores := score(choice, prompt, seed)) is not None
        ]
        together = whole(choice) if whole else {}
        manifest = replace(MANIFEST, config=config, metrics=metrics, images=images, scores=together)
        overrides = tuple(f"{axis}={value}" for axis, value in choice.items())
        path = folder / f"{number:04d}"
        cells.append(
            CellResult(number, path, overrides, choice, None if number in pending else manifest)
        )
    return SweepResult(folder, "made", Status.FINISHED, axes, tuple(cells), "", 1.0, {})


def _image(place: int, prompt: str, seed: int, scores: Mapping[str, float]) -> SavedImage:
    return replace(
        IMAGE,
        file=picture_name(place, seed),
        prompt=prompt,
        seed=seed,
        sha256=f"{place}-{seed}",
        took={"decode": scores["seconds"]} if "seconds" in scores else {},
        scores={name: value for name, value in scores.items() if name not in OF_STAGES},
    )


def write_results(results: SweepResult) -> None:
    """Into its folder, as a sweep leaves it, but for the pictures."""
    entries = []
    for cell in results.cells:
        entries.append(CellEntry(cell.number, cell.overrides, cell.folder.name, "print"))
        if cell.manifest is not None:
            cell.folder.mkdir(parents=True, exist_ok=True)
            cell.manifest.write(cell.folder)
    results.folder.mkdir(parents=True, exist_ok=True)
    replace(SWEEP, name=results.name, axes=results.axes, cells=tuple(entries)).write(results.folder)
