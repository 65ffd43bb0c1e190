"""The judge: right on true shapes, and strict on near misses."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from runner.mini.vocabulary import BACKGROUNDS, SHAPES
from training.judging.judge import Verdict, describe, judge, matches
from training.rendering import render
from training.scenes import (
    Mention,
    ObjectMention,
    Scene,
    SceneObject,
    arrangements,
    column_of,
    loosened,
    row_of,
    sample_scene,
    size_of,
)

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]
Source = Callable[[Floats, Floats], tuple[Floats, Floats]]


def paint(scene: Scene, size: int = 128) -> Floats:
    return render([scene], size)[0].permute(1, 2, 0).numpy().astype(np.float64) * 255


def to_bytes(pixels: Floats) -> Bytes:
    return np.asarray(pixels.round().clip(0, 255).astype(np.uint8))


def one(shape: str, radius: float = 30.0, colour: str = "blue", ground: str = "white") -> Scene:
    return Scene(ground, (SceneObject(shape, colour, 62.3, 66.7, radius),))


def asked(shape: str, colour: str, ground: str) -> Mention:
    return Mention((ObjectMention(shape, colour),), ground)


def warped(scene: Scene, source: Source) -> Verdict:
    """Judge a scene resampled: `source` maps offsets (x, y) from the object to where to read."""
    pixels, thing = paint(scene), scene.objects[0]
    ys, xs = np.mgrid[:128, :128] + 0.5
    x, y = source(xs - thing.x, ys - thing.y)
    places = [y + thing.y - 0.5, x + thing.x - 0.5]
    layers = [
        ndimage.map_coordinates(pixels[..., c], places, order=1, mode="nearest") for c in range(3)
    ]
    return judge(to_bytes(np.stack(layers, axis=-1)))


def everything(scene: Scene) -> Mention:
    """All that can be said of the scene; of two objects no places."""
    objects = [ObjectMention(o.shape, o.colour) for o in scene.objects]
    if len(objects) == 1:
        (o,) = scene.objects
        objects = [ObjectMention(o.shape, o.colour, size_of(o), column_of(o), row_of(o))]
    return Mention(tuple(objects), scene.background, scene.relation)


@pytest.mark.parametrize("loose", [False, True])
def test_the_truth_is_read_right_through_noise(loose: bool) -> None:
    rng, noise = Random(0), np.random.default_rng(0)
    wrong = []
    for _ in range(100):
        scene = sample_scene(rng, excluded=frozenset())
        scene = loosened(rng, scene) if loose else scene
        pixels = paint(scene)
        verdict = judge(to_bytes(pixels + noise.normal(0, 4, pixels.shape)))
        if not matches(verdict, everything(scene))["all"]:
            wrong.append((scene, verdict))
    assert len(wrong) <= 1, wrong


@pytest.mark.parametrize("radius", [20.0, 30.0, 40.0])
@pytest.mark.parametrize(("bow", "shape"), [(0.0, "square"), (0.03, "square"), (0.12, None)])
def test_a_pincushioned_square_is_no_square(radius: float, bow: float, shape: str | None) -> None:
    half = 0.88 * radius

    def source(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        def stretch(across: Floats) -> Floats:
            return 1 / (1 - bow * (1 - (np.abs(across) / half).clip(0, 1) ** 2))

        return x * stretch(y), y * stretch(x)

    (found,) = warped(one("square", radius), source).objects
    assert found.shape == shape


@pytest.mark.parametrize(("lobes", "shape"), [(0.0, "circle"), (0.08, None)])
def test_a_blobby_circle_is_no_circle(lobes: float, shape: str | None) -> None:
    def source(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        stretch = 1 + lobes * np.sin(5 * np.arctan2(y, x))
        return x * stretch, y * stretch

    (found,) = warped(one("circle"), source).objects
    assert found.shape == shape


@pytest.mark.parametrize(("bend", "shape"), [(0.0, "line"), (0.012, None)])
def test_a_bent_line_is_no_line(bend: float, shape: str | None) -> None:
    def source(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        off = bend * (x - y) ** 2
        return x + off, y + off

    (found,) = warped(one("line", 36), source).objects
    assert found.shape == shape


@pytest.mark.parametrize(("wider", "shape"), [(1.0, "ring"), (0.8, None)])
def test_a_ring_with_too_large_a_hole_is_no_ring(wider: float, shape: str | None) -> None:
    def source(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        away = np.hypot(x, y)
        stretch = np.where(away < 20, wider, np.interp(away, [20, 30], [wider, 1]))
        return x * stretch, y * stretch

    (found,) = warped(one("ring"), source).objects
    assert found.shape == shape


def test_an_ellipse_is_no_circle() -> None:
    (found,) = warped(one("circle"), lambda x, y: (x * 1.2, y)).objects
    assert found.shape is None


def test_a_rotated_square_is_no_square() -> None:
    turn = np.deg2rad(20)
    (found,) = warped(
        one("square"),
        lambda x, y: (x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)),
    ).objects
    assert found.shape is None


@pytest.mark.parametrize("shape", SHAPES)
def test_a_little_blur_leaves_a_shape_its_name(shape: str) -> None:
    blurred = ndimage.gaussian_filter(paint(one(shape)), (1, 1, 0))
    assert judge(to_bytes(blurred)).objects[0].shape == shape


def test_where_and_how_large_an_object_is() -> None:
    (found,) = judge(to_bytes(paint(one("circle", radius=25)))).objects
    assert found.centre == pytest.approx((62.3, 66.7), abs=0.1)
    assert found.area == pytest.approx(np.pi * 25**2 / 128**2, rel=0.02)
    assert found.fit > 0.98


def test_two_objects_are_two_the_largest_first() -> None:
    small = SceneObject("square", "green", 30, 30, 18)
    large = SceneObject("circle", "red", 85, 85, 28)
    verdict = judge(to_bytes(paint(Scene("gray", (small, large)))))
    names = [(found.shape, found.colour) for found in verdict.objects]
    assert names == [("circle", "red"), ("square", "green")]
    assert not matches(verdict, asked("circle", "red", "gray"))["count"]


RED_CIRCLE, BLUE_SQUARE = ("circle", "red"), ("square", "blue")


def said(first: tuple[str, str], second: tuple[str, str], relation: str | None) -> Mention:
    return Mention((ObjectMention(*first), ObjectMention(*second)), "white", relation)


@pytest.mark.parametrize("relation", ["left of", "above", "inside"])
def test_two_objects_must_be_bound_and_lie_as_asked(relation: str) -> None:
    scene = arrangements(RED_CIRCLE, BLUE_SQUARE, relation, "white")[0]
    verdict = judge(to_bytes(paint(scene)))
    assert matches(verdict, said(RED_CIRCLE, BLUE_SQUARE, relation))["all"]
    assert matches(verdict, said(RED_CIRCLE, BLUE_SQUARE, None))["all"]
    exchanged = said(("circle", "blue"), ("square", "red"), relation)
    assert not matches(verdict, exchanged)["all"]
    assert not matches(verdict, said(BLUE_SQUARE, RED_CIRCLE, relation))["all"]
    for other in {"left of", "above", "inside"} - {relation}:
        right = matches(verdict, said(RED_CIRCLE, BLUE_SQUARE, other))
        assert [name for name, good in right.items() if not good] == ["relation", "all"]


@pytest.mark.parametrize(
    ("where", "right"),
    [
        (ObjectMention(column="centre", row="centre"), True),
        (ObjectMention(size="large"), True),
        (ObjectMention(size="small"), False),
        (ObjectMention(column="left"), False),
        (ObjectMention(row="bottom"), False),
    ],
)
def test_place_and_size_are_judged_where_they_are_asked(where: ObjectMention, right: bool) -> None:
    verdict = judge(to_bytes(paint(one("circle", radius=34), size=256)))
    assert matches(verdict, Mention((where,)))["place"] is right


def test_an_empty_picture_has_no_objects() -> None:
    verdict = judge(np.full((128, 128, 3), BACKGROUNDS["black"], np.uint8))
    assert verdict == Verdict("black", (), 128)
    right = matches(verdict, asked("circle", "red", "black"))
    assert [name for name, good in right.items() if good] == ["background"]


def test_a_colour_between_names_has_none() -> None:
    pixels = paint(one("square", colour="blue"))
    object_pixels = np.linalg.norm(pixels - BACKGROUNDS["white"], axis=-1) > 100
    pixels[object_pixels] = (90, 220, 220)
    assert judge(to_bytes(pixels)).objects[0].colour is None


def test_a_background_of_no_name_has_none() -> None:
    pixels = paint(one("square"))
    pixels[np.linalg.norm(pixels - BACKGROUNDS["white"], axis=-1) < 5] = (240, 180, 240)
    assert judge(to_bytes(pixels)).background is None


@pytest.mark.parametrize(
    ("attribute", "wanted"),
    [
        ("shape", asked("circle", "purple", "gray")),
        ("colour", asked("cross", "red", "gray")),
        ("background", asked("cross", "purple", "black")),
    ],
)
def test_one_wrong_attribute_makes_a_picture_wrong(attribute: str, wanted: Mention) -> None:
    result = matches(judge(to_bytes(paint(one("cross", 30, "purple", "gray")))), wanted)
    assert [name for name, good in result.items() if not good] == [attribute, "all"]


def test_other_sizes_and_pil_images_are_judged_too() -> None:
    large = Image.fromarray(to_bytes(paint(one("triangle"), size=256)))
    assert matches(judge(large), asked("triangle", "blue", "white"))["all"]


def test_a_picture_full_of_objects_is_judged_wrong() -> None:
    (found,) = judge(to_bytes(paint(one("circle")))).objects
    right = matches(Verdict("white", (found,) * 50, 128), asked("circle", "blue", "white"))
    assert right["background"]
    assert not right["count"]
    assert not right["all"]


def test_a_spot_in_the_colour_of_the_ground_has_no_name_of_a_colour() -> None:
    pixels = np.full((128, 128, 3), 255.0)
    found = describe(pixels, pixels[0, 0], np.hypot(*np.mgrid[-64:64, -64:64]) < 30)
    assert found.colour is None
    assert found.likest == "circle"
