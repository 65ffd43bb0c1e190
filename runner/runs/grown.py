"""The record of a sweep that cells have joined, and the pictures that they need not draw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from runner.engine.results import Made
from runner.errors import ConfigError, RunnerError
from runner.graph.node import Node
from runner.planning.plan import Plan, PlannedImage
from runner.planning.sweep import SweepPlan
from runner.recording.manifest import Manifest, SavedImage
from runner.recording.sweep_record import CellEntry, Part, SweepRecord, manifests_of
from runner.runs.fingerprint import fingerprint, hash_of
from runner.runs.sweep_axes import axis_keys, with_axes
from runner.system.files import below
from runner.system.text import path_here, pluralize
from runner.tracking.status import Status

NameOf = Callable[[int, Sequence[str], Mapping[str, Sequence[str]]], str]
"""A cell's folder, from its number, its overrides and the axes."""


def grown_record(sweep: SweepPlan, path: Path, record: SweepRecord, name_of: NameOf) -> SweepRecord:
    """The record with the cells that join it.

    Args:
        record: as it is now, with the lock held.

    Raises:
        RunnerError: another command has changed it since the cells were planned.
        ConfigError: what is there was drawn with other libraries or weights.
    """
    joined = sweep.joined
    assert joined is not None
    if record.attempts != joined.attempts:
        raise RunnerError(f"another command has changed {path} meanwhile; the same one goes on")
    manifests = manifests_of(path, record.cells)
    said = [*(cell.overrides for cell in sweep.cells), *(e.overrides for e in record.cells)]
    keys = axis_keys([record.axes, joined.axes], said)
    entries = {entry.number: entry for entry in record.cells}
    configs = {number: manifest.config for number, manifest in manifests.items()}
    own = [fingerprint(plan, keys) for plan in sweep.plans]
    for cell, plan, mark in zip(sweep.cells, sweep.plans, own, strict=True):
        entry, manifest = entries.get(cell.number), manifests.get(cell.number)
        configs[cell.number] = plan.run.recorded
        if entry is None:
            entries[cell.number] = CellEntry(cell.number, cell.overrides, "", mark)
        elif manifest is None or lacking(plan, manifest):
            _check_alike(plan, manifest, cell.number)
            entries[cell.number] = replace(entry, overrides=plan.run.overrides, fingerprint=mark)
    cells, axes = with_axes(list(entries.values()), configs, keys)
    cells = tuple(
        c if c.folder else replace(c, folder=name_of(c.number, c.overrides, axes)) for c in cells
    )
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    part = Part(joined.command, hash_of(own), now, tuple(cell.number for cell in sweep.cells))
    parts = parts_of(record)
    # A batch that repeats an earlier one, and a command that was stopped and goes on, add nothing.
    known = any((one.command, one.cells) == (part.command, part.cells) for one in parts)
    return replace(
        record,
        fingerprint=hash_of([cell.fingerprint for cell in cells]),
        status=Status.RUNNING,
        attempts=record.attempts + 1,
        axes=axes,
        cells=cells,
        parts=parts if known else (*parts, part),
    )


def parts_of(record: SweepRecord) -> tuple[Part, ...]:
    """The parts of a sweep, also of one of a single command."""
    numbers = tuple(cell.number for cell in record.cells)
    return record.parts or (Part(record.command, record.fingerprint, record.started, numbers),)


def lacking(plan: Plan, manifest: Manifest) -> list[PlannedImage]:
    """The planned pictures that a cell lacks, or all where it has to be measured once more."""
    there = pairs_of(manifest.images)
    config: Mapping[str, Any] = manifest.config
    if config.get("metrics") != plan.run.recorded["metrics"]:
        return list(plan.images)
    return [image for image in plan.images if _pair(image) not in there]


def shrinks(plan: Plan, manifest: Manifest) -> bool:
    """Whether the plan lacks pictures or metrics that a cell's record has or was to have."""
    config: Mapping[str, Any] = manifest.config
    mine = plan.run.recorded
    return any(config.get(key) != mine[key] for key in ("prompt", "seeds", "metrics"))


def alike_images(plan: Plan, manifest: Manifest | None) -> list[SavedImage]:
    """The pictures of a cell's record that the plan would draw, bit for bit."""
    there = pairs_of(manifest.images if manifest else ())
    found = ((there.get(_pair(image)), image.node.key) for image in plan.images)
    return [saved for saved, key in found if saved and key in saved.stage_keys.values()]


def kept_images(plan: Plan, folder: Path) -> list[SavedImage]:
    """Those of them that are in the cell's folder, whole."""
    from runner.images.png import read_whole_picture  # a plan need not import PIL

    found = alike_images(plan, Manifest.read_if_whole(folder))
    return [one for one in found if read_whole_picture(below(folder, one.file), one.sha256)]


def given(folder: Path, plan: Plan) -> dict[Node, Callable[[], Made | None]]:
    """By node that draws a picture of the plan: the function that reads it from its folder."""
    from runner.images.png import read_whole_picture

    nodes = {_pair(image): image.node for image in plan.images}
    return {
        nodes[one.prompt, one.seed]: partial(
            read_whole_picture, below(folder, one.file), one.sha256
        )
        for one in alike_images(plan, Manifest.read_if_whole(folder))
        if (folder / one.file).is_file()
    }


def pairs_of(images: Iterable[SavedImage]) -> dict[tuple[str, int], SavedImage]:
    """Pictures by prompt and seed."""
    return {(image.prompt, image.seed): image for image in images}


def _pair(image: PlannedImage) -> tuple[str, int]:
    return image.request.prompt, image.request.seed


def _check_alike(plan: Plan, manifest: Manifest | None, number: int) -> None:
    """Raise ConfigError where a cell would get pictures that cannot be compared with its own."""
    there = pairs_of(manifest.images if manifest else ())
    kept = {(image.prompt, image.seed) for image in alike_images(plan, manifest)}
    if changed := there.keys() - kept:
        prompt, seed = min(changed)
        raise ConfigError(
            "into", plan.run.into,
            f"cell {number} was drawn with other libraries, weights or input pictures: the picture "
            f"of {prompt!r} with seed {seed} would be another one now", "into=null: another sweep",
        )  # fmt: skip


def joined_lines(sweep: SweepPlan) -> Iterator[str]:
    """What a plan would add to the sweep that it joins, for the user; nothing if it joins none."""
    if sweep.joined is None:
        return
    path = sweep.joined.path
    entries = SweepRecord.read(path).cells
    manifests = manifests_of(path, entries)
    numbers = {entry.number for entry in entries}
    yield f"joins {path_here(path)}/, which has {pluralize(len(entries), 'cell')}"
    left = 0
    for cell, plan in zip(sweep.cells, sweep.plans, strict=True):
        manifest = manifests.get(cell.number)
        images = plan.images if manifest is None else lacking(plan, manifest)
        there = pairs_of(manifest.images if manifest else ())
        new = sum(_pair(image) not in there for image in images)
        what = [f"{pluralize(new, 'new image')}"] if new else []
        what += ["measured anew"] if len(images) > new and manifest is not None else []
        _check_alike(plan, manifest if images else None, cell.number)
        if cell.number not in numbers:
            yield f"  {cell.number:<4} new: {what[0]}  {sweep.label(cell)}"
        elif what:
            yield f"  {cell.number:<4} {', '.join(what)}  {sweep.label(cell)}"
        left += not what
    if left:
        yield f"  {pluralize(left, 'cell')} left alone"
