"""Cells that one engine serves, in which order, and what the later ones are lent of the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from pathlib import Path

from PIL import Image

from runner.image_files import image_of_png, pixel_sha256
from runner.outputs import read_manifest
from runner.plans import Plan
from runner.recording import CellAtWork
from runner.store import Store


def alike(cells: Sequence[CellAtWork], baselines: Set[int]) -> list[list[CellAtWork]]:
    """Cells by how they are run.

    Args:
        baselines: numbers of cells that others are compared with: their pictures come first.
    """
    groups: defaultdict[tuple[object, ...], list[CellAtWork]] = defaultdict(list)
    for cell in cells:
        groups[cell.plan.way].append(cell)
    return sorted(
        groups.values(), key=lambda group: baselines.isdisjoint(cell.number for cell in group)
    )


def lend(store: Store, plan: Plan, baseline: Path) -> None:
    """What a cell borrows from the folder of its baseline, as far as that has been drawn."""
    borrowed = plan.borrowed
    for asked, picture in _whole_pictures(baseline) if borrowed else ():
        if asked in borrowed:
            store.lend(borrowed[asked], picture)


def _whole_pictures(folder: Path) -> Iterator[tuple[tuple[str, int], Image.Image]]:
    """By prompt and seed, the pictures of a cell that are as its manifest has them."""
    try:
        images = read_manifest(folder)["images"]
    except (OSError, ValueError, KeyError):
        return
    for image in images:
        try:
            picture = image_of_png((folder / image["file"]).read_bytes())
        except (OSError, ValueError):
            continue
        if pixel_sha256(picture) == image["sha256"]:
            yield (image["prompt"], image["seed"]), picture
