"""Synthetic scenes: sampling, captions, rendering."""

from __future__ import annotations

import math
from random import Random

import pytest
import torch

from runner.mini.scenes import (
    CANVAS,
    DISTANCES,
    Mention,
    Scene,
    SceneObject,
    caption,
    lattice,
    phrase,
    place,
    render,
    sample_scene,
)
from runner.mini.vocabulary import BACKGROUNDS, COLOURS, HELD_OUT, SHAPES, Combination


def one(shape: str, radius: float = 30.0, x: float = 64.0, y: float = 64.0) -> Scene:
    return Scene("black", (SceneObject(shape, "red", x, y, radius),))


def red_share(scene: Scene, size: int = CANVAS) -> torch.Tensor:
    """How much of each pixel the object covers, [size, size]."""
    black, red = BACKGROUNDS["black"][0] / 255, COLOURS["red"][0] / 255
    return (render([scene], size)[0, 0] - black) / (red - black)


def test_sampling_is_a_function_of_the_seed() -> None:
    first, again, other = (
        [sample_scene(rng) for _ in range(5)] for rng in (Random(3), Random(3), Random(4))
    )
    assert first == again
    assert first != other


def test_training_draws_every_combination_but_the_held_out() -> None:
    rng = Random(0)
    drawn = {sample_scene(rng).combination for _ in range(3000)}
    assert drawn.isdisjoint(HELD_OUT)
    assert len(drawn) == len(SHAPES) * len(COLOURS) * len(BACKGROUNDS) - len(HELD_OUT)


def test_objects_lie_wholly_on_the_canvas() -> None:
    rng = Random(0)
    images = render([sample_scene(rng) for _ in range(200)])
    corner = images[:, :, :1, :1]
    edges = (images[:, :, 0], images[:, :, -1], images[:, :, :, 0], images[:, :, :, -1])
    assert all(torch.equal(edge, corner[..., 0].expand_as(edge)) for edge in edges)


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        ("circle", math.pi * 30**2),
        ("square", (2 * 0.88 * 30) ** 2),
        ("triangle", 3 * math.sqrt(3) * (0.62 * 30) ** 2),
        ("cross", 4 * 30**2 * (2 * 0.34 - 0.34**2)),
    ],
)
def test_shapes_cover_their_area(shape: str, area: float) -> None:
    assert red_share(one(shape)).sum().item() == pytest.approx(area, rel=0.01)


def test_edges_are_anti_aliased_at_sub_pixel_positions() -> None:
    row = red_share(one("square", radius=25.0, x=64.25))[64]
    assert row[64 - 22].item() == pytest.approx(0.75, abs=1e-3)
    assert row[64 + 22].item() == pytest.approx(0.25, abs=1e-3)


def test_a_smaller_canvas_shows_the_same_picture() -> None:
    large, small = red_share(one("cross")), red_share(one("cross"), size=64)
    pooled = torch.nn.functional.avg_pool2d(large[None], 2)[0]
    assert (pooled - small).abs().mean().item() < 0.01


def test_later_objects_are_painted_over_earlier_ones() -> None:
    below = SceneObject("square", "blue", 64, 64, 40)
    above = SceneObject("circle", "yellow", 64, 64, 20)
    image = render([Scene("white", (below, above))])[0]
    expected = torch.tensor(COLOURS["yellow"]) / 255
    assert torch.allclose(image[:, 64, 64], expected, atol=1e-6)
    assert torch.allclose(image[:, 64, 34], torch.tensor(COLOURS["blue"]) / 255, atol=1e-6)


def test_every_shape_of_the_vocabulary_can_be_drawn() -> None:
    assert set(DISTANCES) == set(SHAPES)


def test_a_caption_says_what_its_mention_says() -> None:
    rng = Random(0)
    for _ in range(500):
        combination = sample_scene(rng).combination
        text, mention = caption(rng, combination)
        words = set(text.replace("grey", "gray").split())
        assert mention.allows(combination)
        assert words & {*SHAPES} == {mention.shape} - {None}
        assert words & {*COLOURS} == {mention.colour} - {None}
        assert words & {*BACKGROUNDS} == {mention.background} - {None}


def test_wording_varies() -> None:
    rng = Random(0)
    assert len({phrase(rng, "cross", "orange", "gray") for _ in range(200)}) > 30


@pytest.mark.parametrize(
    ("mention", "allowed"),
    [
        (Mention("circle", "red", "black"), True),
        (Mention(None, None, None), True),
        (Mention("circle", "red", "white"), False),
        (Mention("square", None, None), False),
    ],
)
def test_a_mention_allows_what_it_does_not_contradict(mention: Mention, allowed: bool) -> None:
    assert mention.allows(Combination("circle", "red", "black")) is allowed


def test_the_lattice_holds_all_places_and_sizes_on_the_canvas() -> None:
    found = lattice(Combination("circle", "red", "black"))
    assert len(found) == 18
    assert len({scene.objects[0] for scene in found}) == 18
    for scene in found:
        (thing,) = scene.objects
        assert scene.combination == Combination("circle", "red", "black")
        for centre in (thing.x, thing.y):
            assert thing.radius < centre < CANVAS - thing.radius


def test_placing_keeps_the_combination() -> None:
    asked = Combination("circle", "red", "black")
    assert place(Random(0), asked).combination == asked
