"""The judge: right on the truth, and strict on what is nearly a shape."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from runner.mini.judge import Verdict, judge, matches
from runner.mini.scenes import Scene, SceneObject, place, render
from runner.mini.vocabulary import BACKGROUNDS, COLOURS, SHAPES, Combination

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]


def paint(scene: Scene, size: int = 128) -> Floats:
    return render([scene], size)[0].permute(1, 2, 0).numpy().astype(np.float64) * 255


def to_bytes(pixels: Floats) -> Bytes:
    return np.asarray(pixels.round().clip(0, 255).astype(np.uint8))


def one(shape: str, radius: float = 30.0, colour: str = "blue", ground: str = "white") -> Scene:
    return Scene(ground, (SceneObject(shape, colour, 62.3, 66.7, radius),))


def warped(scene: Scene, source: Callable[[Floats, Floats], tuple[Floats, Floats]]) -> Verdict:
    """Judge a scene resampled: `source` maps offsets (x, y) from the object to where to read."""
    pixels, thing = paint(scene), scene.objects[0]
    ys, xs = np.mgrid[:128, :128] + 0.5
    x, y = source(xs - thing.x, ys - thing.y)
    places = [y + thing.y - 0.5, x + thing.x - 0.5]
    layers = [
        ndimage.map_coordinates(pixels[..., c], places, order=1, mode="nearest") for c in range(3)
    ]
    return judge(to_bytes(np.stack(layers, axis=-1)))


def test_every_combination_is_read_right_through_noise() -> None:
    rng, noise = Random(0), np.random.default_rng(0)
    every = [Combination(*c) for c in product(SHAPES, COLOURS, BACKGROUNDS)] * 2
    right = 0
    for asked in every:
        pixels = paint(place(rng, asked))
        right += matches(judge(to_bytes(pixels + noise.normal(0, 4, pixels.shape))), asked)["all"]
    assert right >= 0.99 * len(every)


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
    assert not matches(verdict, Combination("circle", "red", "gray"))["count"]


def test_an_empty_picture_has_no_objects() -> None:
    verdict = judge(np.full((128, 128, 3), BACKGROUNDS["black"], np.uint8))
    assert verdict == Verdict("black", ())
    assert not any(
        right
        for name, right in matches(verdict, Combination("circle", "red", "black")).items()
        if name != "background"
    )


def test_a_colour_between_names_has_none() -> None:
    pixels = paint(one("square", colour="blue"))
    object_pixels = np.linalg.norm(pixels - BACKGROUNDS["white"], axis=-1) > 100
    pixels[object_pixels] = (90, 220, 220)
    assert judge(to_bytes(pixels)).objects[0].colour is None


def test_a_background_of_no_name_has_none() -> None:
    pixels = paint(one("square"))
    pixels[np.linalg.norm(pixels - BACKGROUNDS["white"], axis=-1) < 5] = (240, 180, 240)
    assert judge(to_bytes(pixels)).background is None


@pytest.mark.parametrize("wrong", range(3))
def test_one_wrong_attribute_makes_a_picture_wrong(wrong: int) -> None:
    shown = Combination("cross", "purple", "gray")
    asked = shown._replace(**{shown._fields[wrong]: ("circle", "red", "black")[wrong]})
    result = matches(judge(to_bytes(paint(one("cross", 30, "purple", "gray")))), asked)
    assert not result[shown._fields[wrong]]
    assert not result["all"]
    assert sum(result.values()) == 3


def test_other_sizes_and_pil_images_are_judged_too() -> None:
    large = Image.fromarray(to_bytes(paint(one("triangle"), size=256)))
    assert matches(judge(large), Combination("triangle", "blue", "white"))["all"]
