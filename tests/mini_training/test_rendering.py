"""Painted scenes and their depth."""

from __future__ import annotations

import math
from random import Random

import pytest
import torch
from torch.nn.functional import avg_pool2d

from runner.mini.vocabulary import BACKGROUNDS, COLOURS, SHAPES
from training.rendering import DRAWN, EDGE_DEPTH, render, render_depth, silhouettes
from training.scenes import CANVAS, Scene, SceneObject, sample_scene


def one(shape: str, radius: float = 30.0, x: float = 64.0, y: float = 64.0) -> Scene:
    return Scene("black", (SceneObject(shape, "red", x, y, radius),))


def cover(scene: Scene, size: int = CANVAS) -> torch.Tensor:
    """How much of each pixel the object covers, [size, size]."""
    return silhouettes([scene], size)[0, 0]


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        ("circle", math.pi * 30**2),
        ("square", (2 * 0.88 * 30) ** 2),
        ("triangle", 3 * math.sqrt(3) * (0.62 * 30) ** 2),
        ("cross", 4 * 30**2 * (2 * 0.34 - 0.34**2)),
        ("ring", math.pi * 30**2 * (1 - 0.56**2)),
        ("half-circle", math.pi * 30**2 / 2),
        ("line", 4 * 0.17 * 30**2),
    ],
)
def test_shapes_cover_their_area(shape: str, area: float) -> None:
    assert cover(one(shape)).sum().item() == pytest.approx(area, rel=0.04)


def test_every_shape_of_the_vocabulary_can_be_drawn() -> None:
    assert set(DRAWN) == set(SHAPES)


def test_objects_leave_the_edge_of_the_canvas_to_the_ground() -> None:
    rng = Random(0)
    images = render([sample_scene(rng) for _ in range(100)])
    corner = images[:, :, :1, 0]
    edges = (images[:, :, 0], images[:, :, -1], images[:, :, :, 0], images[:, :, :, -1])
    assert all(torch.equal(edge, corner.expand_as(edge)) for edge in edges)


def test_edges_are_anti_aliased_at_sub_pixel_positions() -> None:
    row = render([one("square", radius=25.0, x=64.25)])[0, 0, 64]
    black, red = BACKGROUNDS["black"][0] / 255, COLOURS["red"][0] / 255
    left, right = (row[[64 - 22, 64 + 22]] - black) / (red - black)
    assert 0.6 < left < 0.76
    assert 0.2 < right < 0.26


def test_a_smaller_canvas_shows_the_same_picture() -> None:
    large, small = render([one("cross")]), render([one("cross")], size=64)
    assert (avg_pool2d(large, 2) - small).abs().mean().item() < 0.01


def test_what_lies_inside_is_painted_over_what_is_around_it() -> None:
    inner = SceneObject("circle", "yellow", 64, 64, 20)
    outer = SceneObject("square", "blue", 64, 64, 40)
    image = render([Scene("white", (inner, outer), "inside")])[0]
    assert torch.allclose(image[:, 64, 64], torch.tensor(COLOURS["yellow"]) / 255, atol=0.01)
    assert torch.allclose(image[:, 64, 40], torch.tensor(COLOURS["blue"]) / 255, atol=0.1)


def test_shade_and_depth_are_those_of_a_low_dome() -> None:
    scene = one("circle")
    depth, red = render_depth([scene])[0, 0], render([scene])[0, 0]
    inside = cover(scene) == 1
    assert depth[0, 0] == 0
    assert depth[inside].min() >= EDGE_DEPTH - 0.05
    assert depth[64, 64] > 0.99
    along = slice(38, 64)
    assert (depth[64, along].diff() >= 0).all()
    assert (red[64, along].diff() >= 0).all()
    assert red[64, 64] > 1.1 * red[64, 36]


def test_a_palette_changes_the_colours_and_nothing_else() -> None:
    scene = one("ring")
    painted = render([scene], palettes=[{"red": (0, 0, 255), "black": (255, 255, 255)}])[0]
    assert painted[:, 0, 0].tolist() == [1, 1, 1]
    changed = (painted - painted[:, :1, :1]).abs().sum(0) > 1e-3
    assert torch.equal(changed, cover(scene) > 1e-3)
