"""What a scene shows, as numbers: the attributes that embeddings are taught to add up over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from runner.mini.vocabulary import BACKGROUNDS, COLOURS, COLUMNS, RELATIONS, ROWS, SHAPES
from training.scenes import CANVAS, LATTICE_RADII, Scene, SceneObject, column_of, row_of

LAYOUTS: tuple[str | None, ...] = (None, *RELATIONS)
"""One object, or how two lie to each other."""
GROUNDS = tuple(BACKGROUNDS)
PAINTS = tuple(COLOURS)

CLASSES: tuple[tuple[str | None, ...], ...] = (GROUNDS, LAYOUTS, SHAPES, PAINTS, SHAPES, PAINTS)
GEOMETRY = 6
LOOK, PLACE = len(SHAPES) + len(PAINTS), len(COLUMNS) + len(ROWS) + 3
WIDTH = len(GROUNDS) + len(LAYOUTS) + (2 * len(LAYOUTS) - 1) * LOOK + len(LAYOUTS) * PLACE
"""How many numbers `attributes` gives."""


def attributes(scenes: Sequence[Scene]) -> Tensor:
    """float32 [len(scenes), WIDTH]: one-hot groups, and places and sizes in about -1 to 1.

    Background, layout, and for each layout on its own: what each object looks like, where it lies
    and how large it is. Embeddings that are linear in these have the same number for "blue" in
    every combination of a layout, seen in training or not.
    """
    return torch.tensor([list(_row(scene)) for scene in scenes])


def geometry(scenes: Sequence[Scene]) -> Tensor:
    """Centre and radius of both objects, in about -1 to 1: float32 [len(scenes), GEOMETRY].

    Of a lone object twice the same.
    """
    rows = [[*_place(scene.objects[0]), *_place(scene.objects[-1])] for scene in scenes]
    return torch.tensor(rows)


def classes(scenes: Sequence[Scene]) -> Tensor:
    """Background, layout, and of first and last object shape and colour: int64 [len(scenes), 6].

    Indices into `CLASSES`.
    """
    rows = []
    for scene in scenes:
        first, last = scene.objects[0], scene.objects[-1]
        looks = (first.shape, first.colour, last.shape, last.colour)
        names = (scene.background, scene.relation, *looks)
        rows.append([among.index(name) for among, name in zip(CLASSES, names, strict=True)])
    return torch.tensor(rows)


def _row(scene: Scene) -> Iterator[float]:
    yield from _one_hot(scene.background, GROUNDS)
    yield from _one_hot(scene.relation, LAYOUTS)
    for layout in LAYOUTS:
        shown = layout == scene.relation
        for number in range(1 if layout is None else 2):
            yield from _look(scene.objects[number] if shown else None)
        place = scene.objects[0] if shown and layout != "inside" else None
        yield from _one_hot(column_of(place) if place else None, COLUMNS)
        yield from _one_hot(row_of(place) if place else None, ROWS)
        yield from _place(place) if place else (0.0, 0.0, 0.0)


def _look(thing: SceneObject | None) -> Iterator[float]:
    yield from _one_hot(thing.shape if thing else None, SHAPES)
    yield from _one_hot(thing.colour if thing else None, PAINTS)


def _place(thing: SceneObject) -> tuple[float, float, float]:
    small, large = LATTICE_RADII
    size = (2 * thing.radius - small - large) / (large - small)
    return 2 * thing.x / CANVAS - 1, 2 * thing.y / CANVAS - 1, size


def _one_hot(name: str | None, among: Sequence[str | None]) -> Iterator[float]:
    return (float(name == other) for other in among)
