"""Input pictures: which are refused, and what the check tells of the others."""

from __future__ import annotations

import hashlib
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from runner.errors import StageError
from runner.images import decode
from runner.images.inputs import check_image, mask_of_file, open_rgb
from unit.made_pictures import gradient, png_file, refusal, saved


def test_a_checked_picture_tells_its_place_hash_and_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "cat.png", gradient())
    monkeypatch.chdir(tmp_path)
    found = check_image("cat.png", "image")
    assert found.path == path
    assert found.path.is_absolute()
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (found.width, found.height) == (24, 16)


def test_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path / "cat.png", gradient())
    monkeypatch.setenv("HOME", str(tmp_path))
    assert check_image("~/cat.png", "image").path == tmp_path / "cat.png"
    assert "~no-such-user-here/x.png: cannot be read" in refusal("~no-such-user-here/x.png")


def test_a_missing_file_is_named_with_the_place_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refusal("cat.png") == f"hint=cat.png: there is no such file ({tmp_path}/cat.png)"
    assert refusal(tmp_path / "cat.png") == f"hint={tmp_path}/cat.png: there is no such file"


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert "is a folder, not a picture" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    assert "is not a regular file" in refusal(tmp_path / "pipe.png")
    assert "is empty" in refusal("")
    assert "cannot be read" in refusal("a\0b.png")
    assert "cannot be read: Not a directory" in refusal(saved(tmp_path / "a.png", gradient()) / "b")


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("a red cat\n" * 100)
    (tmp_path / "empty.png").touch()
    message = refusal(tmp_path / "text.png")
    assert "is no picture of a known kind" in message
    assert "allowed: PNG, JPEG" in message
    assert "is an empty file" in refusal(tmp_path / "empty.png")


def test_a_kind_that_would_start_another_program_is_refused(tmp_path: Path) -> None:
    gradient().save(tmp_path / "drawing.eps")
    assert "is no picture of a known kind" in refusal(tmp_path / "drawing.eps")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("x.png", {}),
        ("x.jpg", {"quality": 95}),
        ("progressive.jpg", {"progressive": True}),
        ("x.webp", {"lossless": True}),
        ("x.bmp", {}),
        ("x.gif", {}),
        ("x.tif", {}),
    ],
)
def test_a_file_cut_short_is_refused(tmp_path: Path, name: str, options: dict[str, object]) -> None:
    if name.endswith("webp") and not features.check("webp"):
        pytest.skip("this Pillow reads no WebP")
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    path = saved(tmp_path / name, Image.fromarray(noise), **options)
    check_image(path, "image")
    content = path.read_bytes()
    for length in (len(content) // 2, len(content) * 9 // 10, len(content) - 5):
        path.write_bytes(content[:length])
        assert "is damaged or cut short" in refusal(path), length


def test_a_png_with_one_wrong_byte_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.png", gradient())
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 40] ^= 1
    path.write_bytes(content)
    assert "is damaged or cut short" in refusal(path)


def test_a_header_that_claims_too_many_pixels_is_refused_with_one_message(tmp_path: Path) -> None:
    bomb = png_file(tmp_path / "bomb.png", (50_000, 50_000), 8, 2, b"")
    # Over the limit here, below the one at which Pillow itself says no.
    large = png_file(tmp_path / "large.png", (10_001, 10_000), 8, 0, b"")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert "has more than 100 million pixels" in refusal(bomb)
        assert "has more than 100 million pixels" in refusal(large)
    assert warned == []


def test_pillows_lower_limit_neither_warns_nor_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "x.png", gradient())
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 24 * 16 - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check_image(path, "image").width == 24
    monkeypatch.setattr(decode, "MAX_PIXELS", 24 * 16 - 1)
    assert "pixels" in refusal(saved(tmp_path / "y.png", gradient()))


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (Image.new("F", (4, 2), 0.5), "floating-point"),
        (Image.new("I", (4, 2), 65536), "holds numbers from 65536 to 65536"),
        (Image.new("I", (4, 2), -1), "holds numbers from -1 to -1"),
    ],
)
def test_pixels_of_unknown_range_are_refused(
    tmp_path: Path, image: Image.Image, problem: str
) -> None:
    message = refusal(saved(tmp_path / "x.tif", image))
    assert problem in message
    assert "allowed: a picture of 8 or 16 bits a channel" in message


def test_an_unchanged_file_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "x.png", gradient())
    first = check_image(path, "image")
    opened: list[object] = []
    real_open = Image.open

    def counting_open(*args: object, **options: object) -> Image.Image:
        opened.append(args)
        return real_open(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Image, "open", counting_open)
    assert check_image(str(path), "hint") == first
    assert opened == []
    saved(path, gradient(30, 10))
    assert check_image(path, "image").width == 30
    assert opened


def test_a_file_that_is_repaired_is_taken_then(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_text("no picture")
    refusal(path)
    saved(path, gradient())
    assert check_image(path, "image").width == 24


def test_a_picture_gone_after_the_check_fails_the_stage(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.png", gradient())
    check_image(path, "image")
    path.write_bytes(path.read_bytes()[:80])
    with pytest.raises(StageError, match=r"x\.png is damaged or cut short"):
        open_rgb(path)
    path.unlink()
    with pytest.raises(StageError, match=r"x\.png cannot be read: No such file"):
        mask_of_file(path, invert=False)
