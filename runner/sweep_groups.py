"""Cells that one engine serves, in which order, and what the later ones are lent of the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from PIL import Image

from runner.image_files import image_of_png, pixel_sha256
from runner.outputs import read_manifest
from runner.plans import Plan
from runner.recording import CellAtWork
from runner.store import Store


def alike(cells: Sequence[CellAtWork], baselines: Mapping[int, int]) -> list[list[CellAtWork]]:
    """Cells by how they are run; whoever borrows pictures comes after those whose they are.

    Args:
        baselines: cell's number -> that of the cell it is compared with.
    """
    by_number = {cell.number: cell for cell in cells}
    groups: defaultdict[tuple[int, object], list[CellAtWork]] = defaultdict(list)
    for cell in cells:
        groups[_depth(cell, by_number, baselines), cell.plan.way].append(cell)
    return [groups[key] for key in sorted(groups, key=lambda key: key[0])]


def _depth(
    cell: CellAtWork, by_number: Mapping[int, CellAtWork], baselines: Mapping[int, int]
) -> int:
    """How many cells of another way have to be drawn before, one after the other."""
    depth, seen = 0, {cell.number}
    baseline = by_number.get(baselines.get(cell.number, cell.number))
    while baseline is not None and baseline.number not in seen:
        depth += baseline.plan.way != cell.plan.way
        seen.add(baseline.number)
        cell = baseline
        baseline = by_number.get(baselines.get(cell.number, cell.number))
    return depth


def lend(store: Store, plan: Plan, baseline: Path) -> None:
    """What a cell borrows from the folder of its baseline, as far as that has been drawn. Each
    picture is read when it is needed.
    """
    borrowed = plan.borrowed
    for asked, file, sha256 in _pictures(baseline):
        if asked in borrowed:
            store.lend(borrowed[asked], partial(_whole, file, sha256))


def _pictures(folder: Path) -> Iterator[tuple[tuple[str, int], Path, str]]:
    """By prompt and seed, files of a cell's pictures, and the hash of their pixels."""
    try:
        images = read_manifest(folder)["images"]
    except (OSError, ValueError, KeyError):
        return
    for image in images:
        yield (image["prompt"], image["seed"]), folder / image["file"], image["sha256"]


def _whole(file: Path, sha256: str) -> Image.Image | None:
    try:
        picture = image_of_png(file.read_bytes())
    except (OSError, ValueError):
        return None
    return picture if pixel_sha256(picture) == sha256 else None
