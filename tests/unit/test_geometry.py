"""Pictures and masks at another size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from runner.config.choices import Resize
from runner.errors import ConfigError
from runner.images.geometry import aligned_mask, mask_of_box, repaints, resized, resized_mask
from runner.images.inputs import mask_of_file
from unit.made_pictures import (
    BLACK,
    BLUE,
    GREEN,
    RED,
    WHITE,
    Pixels,
    largest_difference,
    pixels_of,
    row,
    saved,
)


def halves(width: int, height: int) -> Image.Image:
    """Left half red, right half blue."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image


@pytest.mark.parametrize("resize", Resize)
def test_a_picture_of_the_size_is_not_touched(resize: Resize) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    assert (
        largest_difference(resized(Image.fromarray(noise), 24, 16, resize), Image.fromarray(noise))
        == 0
    )
    mask = Image.fromarray(np.where(noise[..., 0] > 127, 255, 0).astype(np.uint8))
    assert largest_difference(resized_mask(mask, 24, 16, resize), mask) == 0


def test_stretch_brings_both_sides_to_size() -> None:
    found = np.asarray(resized(halves(40, 10), 20, 20, Resize.stretch))
    assert found.shape == (20, 20, 3)
    assert (found[:, :8] == RED).all()
    assert (found[:, 12:] == BLUE).all()


def test_cover_cuts_what_sticks_out_on_both_sides_alike() -> None:
    # A green strip, a quarter wide, on either side of the halves: what is cut off.
    wide = Image.new("RGB", (80, 20), GREEN)
    wide.paste(halves(40, 20), (20, 0))
    found = np.asarray(resized(wide, 20, 10, Resize.cover))
    assert (found[:, 2:8] == RED).all()
    assert (found[:, 12:18] == BLUE).all()
    tall = wide.transpose(Image.Transpose.ROTATE_270)
    found = np.asarray(resized(tall, 10, 20, Resize.cover))
    assert found.shape == (20, 10, 3)
    assert (found[2:8] == RED).all()
    assert (found[12:18] == BLUE).all()


@pytest.mark.parametrize("size", [(16, 16), (15, 16), (24, 9)])
def test_cover_only_cuts_where_no_scaling_is_needed(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    width, height = size
    left, top = (24 - width) // 2, (16 - height) // 2
    found = np.asarray(resized(Image.fromarray(noise), width, height, Resize.cover))
    assert (found == noise[top : top + height, left : left + width]).all()


def test_fit_adds_black_on_both_sides_alike() -> None:
    found = np.asarray(resized(halves(40, 20), 20, 20, Resize.fit))
    assert (found[:5] == 0).all()
    assert (found[15:] == 0).all()
    assert (found[5:15, :8] == RED).all()
    assert (found[5:15, 12:] == BLUE).all()
    found = np.asarray(resized(Image.new("RGB", (20, 40), RED), 40, 40, Resize.fit))
    assert (found[:, :10] == 0).all()
    assert (found[:, 10:30] == RED).all()
    assert (found[:, 30:] == 0).all()


@pytest.mark.parametrize("resize", Resize)
def test_a_picture_grows_too(resize: Resize) -> None:
    found = resized(Image.new("RGB", (4, 4), RED), 16, 16, resize)
    assert set(pixels_of(found)) == {RED}


def test_a_very_long_picture_keeps_a_line() -> None:
    found = np.asarray(resized(Image.new("RGB", (1000, 1), RED), 64, 65, Resize.fit))
    assert (found == RED).all(axis=(1, 2)).tolist() == [y == 32 for y in range(65)]


def as_picture(mask: Image.Image) -> Pixels:
    pixels = np.asarray(mask)
    assert mask.mode == "L"
    assert set(np.unique(pixels)) <= {0, 255}
    return pixels


def test_the_light_half_of_a_mask_file_is_repainted(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.png", row((0,), (127,), (128,), (255,), mode="L"))
    assert as_picture(mask_of_file(path, invert=False)).tolist() == [[0, 0, 255, 255]]
    assert as_picture(mask_of_file(path, invert=True)).tolist() == [[255, 255, 0, 0]]


def test_transparent_parts_of_a_mask_are_kept(tmp_path: Path) -> None:
    image = row((*WHITE, 0), (*WHITE, 127), (*WHITE, 128), (*BLACK, 255), mode="RGBA")
    path = saved(tmp_path / "x.png", image)
    assert as_picture(mask_of_file(path, invert=False)).tolist() == [[0, 0, 255, 0]]
    assert as_picture(mask_of_file(path, invert=True)).tolist() == [[255, 255, 0, 255]]


def test_a_mask_of_two_colours(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.png", row((0,), (255,), mode="1"))
    assert as_picture(mask_of_file(path, invert=False)).tolist() == [[0, 255]]


def test_a_box_reaches_up_to_its_last_edge() -> None:
    found = as_picture(mask_of_box((6, 4), (1, 2, 5, 3), invert=False))
    expected = np.zeros((4, 6), np.uint8)
    expected[2, 1:5] = 255
    assert (found == expected).all()
    inverted = as_picture(mask_of_box((6, 4), (1, 2, 5, 3), invert=True))
    assert (inverted == 255 - expected).all()


def test_a_box_may_be_all_of_the_picture() -> None:
    assert as_picture(mask_of_box((6, 4), (0, 0, 6, 4), invert=False)).min() == 255
    assert as_picture(mask_of_box((6, 4), (0, 0, 6, 4), invert=True)).max() == 0


@pytest.mark.parametrize(
    "box", [(-1, 0, 2, 2), (0, 0, 7, 4), (0, 0, 6, 5), (3, 1, 3, 2), (4, 1, 3, 2), (0, 2, 6, 2)]
)
def test_a_box_must_lie_within_the_picture(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(ConfigError, match=r"mask_box.* is no rectangle within .* of 6x4 pixels"):
        mask_of_box((6, 4), box, invert=False)


@pytest.mark.parametrize("resize", Resize)
@pytest.mark.parametrize("size", [(64, 48), (30, 30), (16, 40), (200, 120)])
def test_a_mask_goes_where_its_picture_goes(resize: Resize, size: tuple[int, int]) -> None:
    box = (33, 11, 75, 52)
    picture = Image.new("RGB", (100, 80), (1, 1, 1))
    picture.paste(WHITE, box)
    drawn = np.asarray(resized(picture, *size, resize))[..., 0]
    mask = as_picture(resized_mask(mask_of_box((100, 80), box, invert=False), *size, resize))
    assert mask.shape == drawn.shape
    assert (mask[drawn >= 128] == 255).all()
    # And no further than one pixel around what is light.
    light = np.pad(drawn >= 128, 1)
    height, width = drawn.shape
    near = [light[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    assert (mask[~np.any(near, axis=0)] == 0).all()
    assert 0 < mask.mean() < 255


@pytest.mark.parametrize("resize", Resize)
def test_a_small_spot_does_not_vanish(resize: Resize) -> None:
    for x, y in [(0, 500), (499, 500), (999, 999), (123, 777)]:
        mask = mask_of_box((1000, 1000), (x, y, x + 1, y + 1), invert=False)
        found = as_picture(resized_mask(mask, 64, 64, resize))
        assert np.argwhere(found).tolist() == [[y * 64 // 1000, x * 64 // 1000]]


def test_a_pixel_on_the_border_of_two_whitens_both() -> None:
    mask = mask_of_box((3, 1), (1, 0, 2, 1), invert=False)
    assert as_picture(resized_mask(mask, 2, 1, Resize.stretch)).tolist() == [[255, 255]]
    assert as_picture(resized_mask(mask, 6, 1, Resize.stretch)).tolist() == [[0, 0, 255, 255, 0, 0]]
    first = mask_of_box((3, 1), (0, 0, 1, 1), invert=False)
    assert as_picture(resized_mask(first, 2, 1, Resize.stretch)).tolist() == [[255, 0]]


def test_what_cover_cuts_off_is_not_in_the_mask() -> None:
    mask = mask_of_box((80, 20), (20, 0, 60, 20), invert=True)
    assert as_picture(resized_mask(mask, 20, 10, Resize.cover)).max() == 0
    assert (
        as_picture(resized_mask(mask, 21, 10, Resize.cover)).tolist()
        == [[255, *[0] * 19, 255]] * 10
    )


@pytest.mark.parametrize("invert", [False, True])
def test_what_fit_adds_is_kept(tmp_path: Path, invert: bool) -> None:
    path = saved(tmp_path / "x.png", Image.new("L", (40, 20), 0 if invert else 255))
    found = as_picture(resized_mask(mask_of_file(path, invert=invert), 20, 20, Resize.fit))
    expected = np.zeros((20, 20), np.uint8)
    expected[5:15] = 255
    assert (found == expected).all()


def test_blocks_with_a_white_pixel_become_white() -> None:
    mask = mask_of_box((32, 24), (15, 7, 17, 8), invert=False)
    expected = np.zeros((24, 32), np.uint8)
    expected[0:8, 8:24] = 255
    assert (as_picture(aligned_mask(mask)) == expected).all()
    assert (as_picture(aligned_mask(aligned_mask(mask))) == expected).all()
    assert as_picture(aligned_mask(Image.new("L", (32, 24)))).max() == 0


def test_blocks_at_the_far_edge_are_cut_off() -> None:
    mask = mask_of_box((12, 10), (11, 9, 12, 10), invert=False)
    expected = np.zeros((10, 12), np.uint8)
    expected[8:, 8:] = 255
    assert (as_picture(aligned_mask(mask)) == expected).all()


SIDES = st.integers(8, 200)
TARGETS = st.sampled_from([64, 128, 192])
SHARES = st.lists(st.floats(0, 1), min_size=2, max_size=2).map(sorted)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.tuples(SIDES, SIDES), SHARES, SHARES, TARGETS, TARGETS, st.sampled_from(Resize))
def test_what_is_said_to_be_repainted_is_repainted(
    size: tuple[int, int], across: list[float], down: list[float], width: int, height: int,
    resize: Resize,
) -> None:  # fmt: skip
    sides = list(zip(size, (across, down), strict=True))
    x0, y0 = (min(int(share[0] * side), side - 1) for side, share in sides)
    x1, y1 = (
        max(int(share[1] * side), start + 1)
        for (side, share), start in zip(sides, (x0, y0), strict=True)
    )
    mask = mask_of_box(size, (x0, y0, x1, y1), invert=False)
    drawn = aligned_mask(resized_mask(mask, width, height, resize))
    assert repaints(mask, (width, height), resize) == (drawn.getbbox() is not None)
