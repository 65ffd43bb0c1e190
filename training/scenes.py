"""Synthetic scenes: which objects lie where, drawn by seed, and what captions may say of them.

Pure Python; `training.rendering` paints them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product
from random import Random

from runner.mini.vocabulary import (
    BACKGROUNDS,
    COLOURS,
    COLUMNS,
    HELD_OUT,
    HOLLOW,
    RELATIONS,
    ROWS,
    SHAPES,
    SIZES,
    Combination,
)

CANVAS = 128
"""Side of the canvas in pixels, the unit of every position and radius below."""

MARGIN = 4.0
RADII = (16.0, 40.0)

LATTICE = (40.0, 64.0, 88.0)
LATTICE_RADII = (24.0, 34.0)
"""Where and how large the family draws one object: left, centre, right; top, centre, bottom; small,
large.

Multiples of 8 px, the MoVQ's scale: an object's latents are the same at each place but for the
shift. Few and sharp choices are what a UNet of this size learns to draw with clean outlines, and
guidance cannot push it off them, as it pushes sizes in between."""

APART = (32.0, 96.0)
APART_RADIUS = 24.0
"""Where two objects lie beside or above each other; across, they lie where the lattice says."""

OUTER_RADIUS, INNER_RADIUS = 52.0, 22.0
INCENTRE = {"triangle": 0.15}
"""How far below its centre, in radii, the middle of a shape's inside lies."""

JITTER = 5.0
RADIUS_JITTER = 3.0


@dataclass(frozen=True)
class SceneObject:
    """One filled shape; `x`, `y`, `radius` in pixels of a 128 px canvas, y downward."""

    shape: str
    colour: str
    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Scene:
    """A plain background with one object, or two of which the first lies `relation` the second."""

    background: str
    objects: tuple[SceneObject, ...]
    relation: str | None = None

    @property
    def combinations(self) -> tuple[Combination, ...]:
        """What each object looks like, on this background."""
        return tuple(Combination(o.shape, o.colour, self.background) for o in self.objects)

    @property
    def painted(self) -> tuple[SceneObject, ...]:
        """The objects in the order in which they are painted: what lies inside comes last."""
        return self.objects[::-1]


@dataclass(frozen=True)
class ObjectMention:
    """What a caption says of one object; None where it is silent."""

    shape: str | None = None
    colour: str | None = None
    size: str | None = None
    column: str | None = None
    row: str | None = None

    def allows(self, thing: SceneObject) -> bool:
        """Whether the object fits."""
        said = (self.shape, self.colour, self.size, self.column, self.row)
        shown = (thing.shape, thing.colour, size_of(thing), column_of(thing), row_of(thing))
        return all(word in (None, seen) for word, seen in zip(said, shown, strict=True))


@dataclass(frozen=True)
class Mention:
    """What a caption says of a scene; two objects without a relation may lie in any."""

    objects: tuple[ObjectMention, ...]
    background: str | None = None
    relation: str | None = None

    def allows(self, scene: Scene) -> bool:
        """Whether a picture of the scene fits the caption."""
        if self.background not in (None, scene.background):
            return False
        if len(self.objects) != len(scene.objects):
            return False
        if self.relation is not None:
            return self.relation == scene.relation and self._fits(scene.objects)
        return self._fits(scene.objects) or self._fits(scene.objects[::-1])

    def _fits(self, objects: tuple[SceneObject, ...]) -> bool:
        return all(said.allows(o) for said, o in zip(self.objects, objects, strict=True))


def size_of(thing: SceneObject) -> str:
    """ "small" or "large"."""
    return SIZES[thing.radius > sum(LATTICE_RADII) / 2]


def column_of(thing: SceneObject) -> str:
    """Which third of the canvas its centre lies in, from the left."""
    return COLUMNS[_third(thing.x)]


def row_of(thing: SceneObject) -> str:
    """Which third of the canvas its centre lies in, from the top."""
    return ROWS[_third(thing.y)]


def _third(place: float) -> int:
    below, above = ((LATTICE[i] + LATTICE[i + 1]) / 2 for i in (0, 1))
    return (place > below) + (place > above)


def lattice(combination: Combination) -> tuple[Scene, ...]:
    """The object of `combination` in each of the lattice's places and sizes."""
    shape, colour, background = combination
    return tuple(
        Scene(background, (SceneObject(shape, colour, x, y, radius),))
        for x, y, radius in product(LATTICE, LATTICE, LATTICE_RADII)
    )


def arrangements(
    first: tuple[str, str], second: tuple[str, str], relation: str, background: str
) -> tuple[Scene, ...]:
    """Two (shape, colour) in a relation, in each of its places."""
    near, far = APART
    if relation == "left of":
        places = [((near, y, APART_RADIUS), (far, y, APART_RADIUS)) for y in LATTICE]
    elif relation == "above":
        places = [((x, near, APART_RADIUS), (x, far, APART_RADIUS)) for x in LATTICE]
    else:
        middle = CANVAS / 2
        inside = middle + INCENTRE.get(second[0], 0.0) * OUTER_RADIUS
        places = [((middle, inside, INNER_RADIUS), (middle, middle, OUTER_RADIUS))]
    return tuple(
        Scene(background, (SceneObject(*first, *one), SceneObject(*second, *other)), relation)
        for one, other in places
    )


def sample_scene(
    rng: Random, two_share: float = 0.5, excluded: frozenset[Combination] = HELD_OUT
) -> Scene:
    """Draw one scene of the lattice with nothing in it that is `excluded`."""
    while True:
        scene = _any_two(rng) if rng.random() < two_share else _any_one(rng)
        if excluded.isdisjoint(scene.combinations):
            return scene


def _any_one(rng: Random) -> Scene:
    background = rng.choice(tuple(BACKGROUNDS))
    return rng.choice(lattice(Combination(*_look(rng, SHAPES), background)))


def _any_two(rng: Random) -> Scene:
    relation = rng.choice(RELATIONS)
    first = _look(rng, SHAPES)
    second = _look(rng, HOLLOW if relation == "inside" else SHAPES)
    while second[1] == first[1] and (relation == "inside" or second[0] == first[0]):
        second = (second[0], rng.choice(tuple(COLOURS)))
    return rng.choice(arrangements(first, second, relation, rng.choice(tuple(BACKGROUNDS))))


def _look(rng: Random, shapes: tuple[str, ...]) -> tuple[str, str]:
    return rng.choice(shapes), rng.choice(tuple(COLOURS))


def sample_loosely(rng: Random, loose_share: float) -> Scene:
    """Draw one scene, off the lattice in `loose_share` of the cases."""
    scene = sample_scene(rng)
    return loosened(rng, scene) if rng.random() < loose_share else scene


def loosened(rng: Random, scene: Scene) -> Scene:
    """The scene with its objects a little off the lattice; a lone one of any size anywhere."""
    if len(scene.objects) == 1:
        radius = rng.uniform(*RADII)
        low, high = radius + MARGIN, CANVAS - radius - MARGIN
        (thing,) = scene.objects
        placed = replace(thing, x=rng.uniform(low, high), y=rng.uniform(low, high), radius=radius)
        return replace(scene, objects=(placed,))
    dx, dy = rng.uniform(-JITTER, JITTER), rng.uniform(-JITTER, JITTER)
    moved = tuple(
        replace(o, x=o.x + dx, y=o.y + dy, radius=o.radius + rng.uniform(-RADIUS_JITTER, 0))
        for o in scene.objects
    )
    return replace(scene, objects=moved)


def rebound(scene: Scene) -> Iterable[Scene]:
    """Scenes of the same words otherwise bound: colours exchanged, shapes exchanged."""
    if len(scene.objects) == 2:
        first, second = scene.objects
        yield replace(
            scene,
            objects=(
                replace(first, colour=second.colour),
                replace(second, colour=first.colour),
            ),
        )
        if scene.relation != "inside" or {first.shape, second.shape} <= set(HOLLOW):
            yield replace(
                scene,
                objects=(
                    replace(first, shape=second.shape),
                    replace(second, shape=first.shape),
                ),
            )


def mention_of(rng: Random, scene: Scene) -> Mention:
    """What a caption of the scene may say: often all of shape, colour and background."""
    objects = tuple(_mentioned(rng, thing) for thing in scene.objects)
    relation = scene.relation
    if len(objects) == 1:
        (only,) = objects
        if rng.random() < 0.2:
            only = replace(only, size=size_of(scene.objects[0]))
        if rng.random() < 0.3:
            only = _placed(rng, only, scene.objects[0])
        objects = (only,)
    elif relation != "inside" and rng.random() < 0.15:
        relation = None
    background = None if rng.random() < 0.15 else scene.background
    return Mention(objects, background, relation)


def _mentioned(rng: Random, thing: SceneObject) -> ObjectMention:
    left_out = rng.random()
    return ObjectMention(
        shape=None if left_out < 0.06 else thing.shape,
        colour=None if 0.06 <= left_out < 0.12 else thing.colour,
    )


def _placed(rng: Random, said: ObjectMention, thing: SceneObject) -> ObjectMention:
    column, row = column_of(thing), row_of(thing)
    if column == row == "centre":
        return replace(said, column=column, row=row)
    in_corner = "centre" not in (column, row)
    if in_corner and rng.random() < 0.5:
        return replace(said, column=column, row=row)
    if row == "centre" or (in_corner and rng.random() < 0.5):
        return replace(said, column=column)
    return replace(said, row=row)
