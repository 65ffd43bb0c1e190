"""Groups a sweep's cells by execution profile, orders the groups, and reads baselines' pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from runner.engine.results import Made
from runner.graph.node import Node
from runner.images.png import read_whole_picture
from runner.planning.plan import Plan
from runner.recording.cells import CellAtWork
from runner.recording.manifest import Manifest


def group_by_profile(
    cells: Sequence[CellAtWork], baselines: Mapping[int, int]
) -> list[list[CellAtWork]]:
    """Group cells by profile; a cell comes after the baseline whose pictures it needs.

    Args:
        baselines: cell's number -> that of the cell it is compared with.
    """
    by_number = {cell.number: cell for cell in cells}
    groups: defaultdict[tuple[int, object], list[CellAtWork]] = defaultdict(list)
    for cell in cells:
        groups[_depth(cell, by_number, baselines), cell.plan.profile].append(cell)
    return [groups[key] for key in sorted(groups, key=lambda key: key[0])]


def _depth(
    cell: CellAtWork, by_number: Mapping[int, CellAtWork], baselines: Mapping[int, int]
) -> int:
    """How many cells of other profiles must run before it, one after the other."""
    depth, seen = 0, {cell.number}
    baseline = by_number.get(baselines.get(cell.number, cell.number))
    while baseline is not None and baseline.number not in seen:
        depth += baseline.plan.profile != cell.plan.profile
        seen.add(baseline.number)
        cell = baseline
        baseline = by_number.get(baselines.get(cell.number, cell.number))
    return depth


def drawn_in(folder: Path, plans: Iterable[Plan]) -> dict[Node, Callable[[], Made | None]]:
    """For each external node of the plans whose picture is in the baseline's folder: the function
    that reads it.
    """
    try:
        images = Manifest.read(folder).images
    except (OSError, ValueError):
        return {}
    drawn = {(image.prompt, image.seed): (folder / image.file, image.sha256) for image in images}
    return {
        node: partial(read_whole_picture, *drawn[asked])
        for plan in plans
        for asked, node in plan.external_references.items()
        if asked in drawn
    }
