"""Paints scenes: anti-aliased, softly shaded shapes on a plain ground, and their depth.

Every object is a low dome on the canvas: its shade and its depth follow the same height.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from runner.mini.vocabulary import BACKGROUNDS, COLOURS, RGB
from training.scenes import CANVAS, Scene

SQUARE_HALF_SIDE = 0.88
TRIANGLE_INRADIUS = 0.62
TRIANGLE_DROP = 0.15
CROSS_HALF_WIDTH = 0.34
RING_HOLE = 0.56
HALF_CIRCLE_DROP = 0.42
"""How far below the centre of a half-circle its straight side lies."""
LINE_HALF_WIDTH = 0.17

EDGE_SHADE = 0.84
"""Brightness at an object's edge; 1 at its top."""
EDGE_DEPTH, TOP_DEPTH = 0.5, 1.0
"""Nearness in a depth picture, in which the ground is 0 and what lies nearest is 1."""

STRIPE = 16
"""Height of a stripe in pixels, and of the ground between two: two latents each."""
STRIPES: Mapping[str, RGB] = {
    "white": (178, 178, 176),
    "black": (78, 78, 82),
    "gray": (106, 106, 106),
    "beige": (164, 148, 122),
}
"""The stripes' colour on each ground."""

Distance = Callable[[Tensor, Tensor, Tensor], Tensor]


def circle(dx: Tensor, dy: Tensor, radius: Tensor) -> Tensor:
    """Signed distance (px, negative inside) to a circle."""
    return torch.hypot(dx, dy) - radius


def square(dx: Tensor, dy: Tensor, radius: Tensor) -> Tensor:
    """Signed distance (px; Chebyshev outside, which keeps corners sharp) to an upright square."""
    return torch.maximum(dx.abs(), dy.abs()) - SQUARE_HALF_SIDE * radius


def triangle(dx: Tensor, dy: Tensor, radius: Tensor) -> Tensor:
    """Signed distance (px) to an equilateral triangle that points up."""
    inradius = TRIANGLE_INRADIUS * radius
    dy = dy - TRIANGLE_DROP * radius
    slanted = dx.abs() * (math.sqrt(3) / 2) - dy * 0.5 - inradius
    return torch.maximum(dy - inradius, slanted)


def cross(dx: Tensor, dy: Tensor, radius: Tensor) -> Tensor:
    """Signed distance (px) to an upright cross with four equal arms."""
    arm = CROSS_HALF_WIDTH * radius
    across = torch.maximum(dx.abs() - radius, dy.abs() - arm)
    upright = torch.maximum(dx.abs() - arm, dy.abs() - radius)
    return torch.minimum(across, upright)


def ring(dx: Tensor, dy: Tensor, radius: Tensor) -> Tensor:
    """Signed distance (px) to a ring."""
    away = torch.hypot(dx, dy)
    return torch.maximum(away - radius, RING_HOLE * radius - away)


def half_circle(dx: Tensor, dy: Tensor, radius: Tensor) -> Tensor:
    """Signed distance (px) to the upper half of a circle."""
    dy = dy - HALF_CIRCLE_DROP * radius
    return torch.maximum(torch.hypot(dx, dy) - radius, dy)


def line(dx: Tensor, dy: Tensor, radius: Tensor) -> Tensor:
    """Signed distance (px) to a bar that rises from left to right."""
    along, across = (dx - dy) / math.sqrt(2), (dx + dy) / math.sqrt(2)
    return torch.maximum(along.abs() - radius, across.abs() - LINE_HALF_WIDTH * radius)


@dataclass(frozen=True)
class Shape:
    """Signed distance from offsets `dx`, `dy` to the centre and a radius, all broadcast; and how
    far its edge lies from its deepest inside, in radii.
    """

    distance: Distance
    inradius: float


DRAWN: dict[str, Shape] = {
    "circle": Shape(circle, 1.0),
    "square": Shape(square, SQUARE_HALF_SIDE),
    "triangle": Shape(triangle, TRIANGLE_INRADIUS),
    "cross": Shape(cross, CROSS_HALF_WIDTH),
    "ring": Shape(ring, (1 - RING_HOLE) / 2),
    "half-circle": Shape(half_circle, 0.5),
    "line": Shape(line, LINE_HALF_WIDTH),
}


Palette = Mapping[str, RGB]
"""The RGB (0-255) of a name."""
NAMED: Palette = {**COLOURS, **BACKGROUNDS}


def render(
    scenes: Sequence[Scene], size: int = CANVAS, palettes: Sequence[Palette] | None = None
) -> Tensor:
    """Paint scenes: float32 [len(scenes), 3, size, size] in [0, 1], edges anti-aliased.

    Args:
        palettes: of each scene, what its colours look like.
    """
    return _layers(scenes, size, palettes)[0]


def render_striped(scenes: Sequence[Scene], size: int = CANVAS) -> Tensor:
    """Paint scenes with stripes across the ground, behind the objects: as `render`, which gives the
    colour between the stripes.
    """
    plain, covered = _layers(scenes, size)[0], silhouettes(scenes, size)
    rows = torch.arange(size) * CANVAS // size // STRIPE
    striped = (rows % 2 == 0).float()[:, None].expand(size, size)
    step = torch.stack([
        colour_tensor(STRIPES[scene.background]) - colour_tensor(BACKGROUNDS[scene.background])
        for scene in scenes
    ])  # fmt: skip
    return plain + step[:, :, None, None] * striped * (1 - covered)


def render_depth(scenes: Sequence[Scene], size: int = CANVAS) -> Tensor:
    """How near each pixel is: float32 [len(scenes), 1, size, size] in [0, 1], the ground 0."""
    return _layers(scenes, size)[1]


def silhouettes(scenes: Sequence[Scene], size: int = CANVAS) -> Tensor:
    """How much of each pixel the objects cover: float32 [len(scenes), 1, size, size]."""
    return (render_depth(scenes, size) / EDGE_DEPTH).clamp(max=1)


def _layers(
    scenes: Sequence[Scene], size: int, palettes: Sequence[Palette] | None = None
) -> tuple[Tensor, Tensor]:
    palettes = palettes or [NAMED] * len(scenes)
    centres = (torch.arange(size, dtype=torch.float32) + 0.5) * (CANVAS / size)
    ys, xs = torch.meshgrid(centres, centres, indexing="ij")
    grounds = torch.stack(
        [colour_tensor(p[s.background]) for s, p in zip(scenes, palettes, strict=True)]
    )
    images = grounds[:, :, None, None].repeat(1, 1, size, size)
    depths = torch.zeros(len(scenes), 1, size, size)
    for layer in range(max((len(scene.objects) for scene in scenes), default=0)):
        for name, shape in DRAWN.items():
            chosen = [
                (index, scene.painted[layer])
                for index, scene in enumerate(scenes)
                if len(scene.objects) > layer and scene.painted[layer].shape == name
            ]
            if not chosen:
                continue
            rows = [index for index, _ in chosen]
            geometry = torch.tensor([[o.x, o.y, o.radius] for _, o in chosen])[:, :, None, None]
            x, y, radius = geometry.unbind(1)
            distance = shape.distance(xs - x, ys - y, radius)
            # One pixel of ramp, centred on the edge: the coverage of a straight edge.
            cover = (0.5 - distance * (size / CANVAS)).clamp(0, 1)[:, None]
            rise = (-distance / (shape.inradius * radius)).clamp(0, 1)[:, None]
            dome = (1 - (1 - rise).square()).sqrt()
            paint = torch.stack([colour_tensor(palettes[row][o.colour]) for row, o in chosen])
            shaded = paint[:, :, None, None] * (EDGE_SHADE + (1 - EDGE_SHADE) * dome)
            near = EDGE_DEPTH + (TOP_DEPTH - EDGE_DEPTH) * dome
            images[rows] = images[rows] * (1 - cover) + shaded * cover
            depths[rows] = depths[rows] * (1 - cover) + near * cover
    return images, depths


def colour_tensor(rgb: RGB) -> Tensor:
    """float32 [3] in [0, 1]."""
    return torch.tensor(rgb, dtype=torch.float32) / 255
