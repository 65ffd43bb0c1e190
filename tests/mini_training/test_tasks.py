"""Images that the shipped weights make from pictures, evaluated from the pixels by the judge."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from runner.weights.find import MINI_DIR
from training.judging import asked, tasks
from training.judging.family import Family
from training.judging.tasks import SHARES
from training.scenes import Scene, SceneObject


@pytest.fixture(scope="module")
def family() -> Family:
    torch.set_num_threads(1)
    return Family(MINI_DIR)


@pytest.mark.parametrize("img2img", [tasks.img2img, tasks.img2img_2_0])
def test_img2img_takes_its_colour_from_the_prompt(
    family: Family, img2img: Callable[[Family, int], dict[str, bool]]
) -> None:
    results = [img2img(family, place) for place in range(5)]
    assert sum(result["colour"] for result in results) >= 4, results


@pytest.mark.parametrize("inpaint", [tasks.inpaint, tasks.inpaint_2_1, tasks.inpaint_2_0])
def test_inpaint_puts_what_was_asked_for_into_the_mask(
    family: Family, inpaint: Callable[[Family, int], dict[str, bool]]
) -> None:
    results = [inpaint(family, place) for place in range(5)]
    assert sum(result["asked"] for result in results) >= 4, results
    assert any(result["kept"] for result in results), results


def test_the_controlnet_draws_the_outline_of_the_hint(family: Family) -> None:
    results = [tasks.controlnet(family, place) for place in range(5)]
    assert sum(result["silhouette"] for result in results) >= 4, results
    assert sum(result["colour"] for result in results) >= 4, results


def test_the_depth_of_a_painted_picture_is_estimated(family: Family) -> None:
    results = [tasks.depth(family, place) for place in range(8)]
    assert sum(result["silhouette"] for result in results) >= 7, results
    assert sum(result["depth"] for result in results) >= 7, results


def test_interpolation_goes_from_one_colour_to_the_other(family: Family) -> None:
    turned = tasks.interpolate(family, 2)
    assert len(turned) == len(SHARES)
    assert turned == sorted(turned)
    assert turned[0] <= 0.25
    assert turned[-1] >= 0.75


def test_a_mask_holds_its_object_in_whole_blocks() -> None:
    mask = asked.box_mask(SceneObject("circle", "red", 32, 64, 24))
    assert mask.getbbox() == (0, 32, 64, 96)
    assert mask.getextrema() == (0, 255)
    assert asked.is_white(mask, (63.5, 32.5))
    assert not asked.is_white(mask, (64.5, 32.5))
    assert not asked.is_white(mask, (-0.5, 64.0))
    assert not asked.is_white(mask, (64.0, 128.0))


def test_the_overlap_with_a_silhouette() -> None:
    scene = Scene("white", (SceneObject("circle", "red", 64, 64, 30),))
    moved = Scene("white", (SceneObject("circle", "red", 94, 64, 30),))
    picture = asked.as_tensor(asked.as_picture(scene))
    assert asked.overlap(picture, scene) > 0.95
    # Two circles half across each other.
    assert asked.overlap(picture, moved) == pytest.approx(0.243, abs=0.02)
