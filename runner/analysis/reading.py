"""Reads the results of a run or a sweep from its folder, for comparison, report and export."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from runner.analysis.costs import COSTS
from runner.analysis.results import CellResult, SweepResult
from runner.config.overrides import assigned, shown_values
from runner.errors import ConfigError
from runner.recording.manifest import MANIFEST, Manifest
from runner.recording.sweep_record import SWEEP, CellEntry, SweepRecord
from runner.system.text import shell
from runner.system.typed_json import FieldError
from runner.system.untrusted import UntrustedError, path_below

ReadManifest: TypeAlias = Callable[[Path], Manifest]


def read_results(folder: Path, read: ReadManifest = Manifest.read_file) -> SweepResult:
    """Read the folder of a sweep or of a single run.

    Args:
        read: reads a manifest's file; one that remembers reads those that changed.

    Raises:
        ConfigError: it is neither of them, or cannot be read.
    """
    try:
        if (folder / SWEEP).is_file():
            return _sweep(folder, read)
        if (folder / MANIFEST).is_file():
            return _run(folder, read)
    except (OSError, FieldError) as error:
        raise ConfigError("folder", folder, f"cannot be read: {error}") from error
    problem = f"is no folder of a run or a sweep (no {MANIFEST}, no {SWEEP}), nor a sweep here"
    raise ConfigError("folder", folder, problem)


def _run(folder: Path, read: ReadManifest) -> SweepResult:
    manifest = read(folder / MANIFEST)
    _check_manifest(folder, manifest)
    cell = CellResult(0, folder, tuple(manifest.overrides), {}, manifest)
    command = shell(["kandinsky", "run", *manifest.flags, *cell.overrides])
    begun = _begun(manifest.run_id)
    return SweepResult(folder, manifest.name, cell.status, {}, (cell,), command, None, {}, begun)


def _begun(run_id: str) -> str:
    """When a run began: its id starts with that time, by the clock of its machine."""
    try:
        return datetime.strptime(run_id[:15], "%Y%m%dT%H%M%S").isoformat()
    except ValueError:
        return ""


def _sweep(folder: Path, read: ReadManifest) -> SweepResult:
    record = SweepRecord.read(folder)
    shown = {axis: shown_values(values) for axis, values in record.axes.items() if len(values) > 1}
    axes = {axis: tuple(texts.values()) for axis, texts in shown.items()}
    cells = []
    for entry in record.cells:
        pairs = assigned(entry.overrides)
        choice = {
            axis: texts.get(pairs[axis], pairs[axis])
            for axis, texts in shown.items()
            if axis in pairs
        }
        cells.append(_cell(folder, entry, choice, read))
    return SweepResult(
        folder=folder,
        name=record.name,
        status=record.status,
        axes=axes,
        cells=tuple(cells),
        command="\n".join(record.commands),
        seconds=record.seconds,
        runs=record.runs,
        started=record.started,
    )


def _cell(
    sweep: Path, entry: CellEntry, choice: Mapping[str, str], read: ReadManifest
) -> CellResult:
    try:
        folder = path_below(sweep, entry.folder)
        file = path_below(folder, MANIFEST)
    except UntrustedError as error:
        raise FieldError(f"the folder {entry.folder!r} {error}", sweep / SWEEP) from error
    manifest = read(file) if file.is_file() else None
    if manifest is not None:
        _check_manifest(folder, manifest)
    own = entry.overrides or tuple(manifest.overrides if manifest else ())
    return CellResult(entry.number, folder, own, choice, manifest)


def _check_manifest(folder: Path, manifest: Manifest) -> None:
    """Check that the pictures lie in the folder (they need not exist), and that scores are of its
    metrics. Raises FieldError.
    """
    known = {*manifest.metrics, *COSTS}
    for scores in (manifest.scores, *(image.scores for image in manifest.images)):
        for name in scores:
            if name.partition(".")[0] not in known:
                raise FieldError(f"{name!r} is none of its metrics", folder / MANIFEST)
    inputs = dict.fromkeys(file for image in manifest.images for file in image.inputs.values())
    for name in [*(image.file for image in manifest.images), *inputs]:
        try:
            path_below(folder, name)
        except UntrustedError as error:
            raise FieldError(f"the picture {name!r} {error}", folder / MANIFEST) from error
