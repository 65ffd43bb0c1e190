"""Thumbnails, and full pictures as links or copies."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from PIL import Image

from runner.analysis.report.pictures import Placed, Source, place
from runner.images.png import png_bytes
from runner.images.thumbnails import SIDE


def source(folder: Path, name: str, size: tuple[int, int], colour: str = "red") -> Source:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(png_bytes(Image.new("RGB", size, colour), {"prompt": "x"}))
    return Source(folder / name, name)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    folder = tmp_path / "page"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("size", "small"),
    [
        ((1024, 1024), (SIDE, SIDE)),
        ((1024, 512), (SIDE, SIDE // 2)),
        ((100, 400), (SIDE // 4, SIDE)),
        ((64, 32), (64, 32)),
    ],
)
def test_thumbnails_keep_their_shape_and_are_never_enlarged(
    tmp_path: Path, page: Path, size: tuple[int, int], small: tuple[int, int]
) -> None:
    (placed,) = place([source(tmp_path / "made", "a.png", size)], page)
    assert placed == Placed("thumbs/a.webp", "images/a.png")
    with Image.open(page / placed.thumb) as thumb:
        assert (thumb.format, thumb.size) == ("WEBP", small)
        red, green, blue = thumb.convert("RGB").getpixel((5, 5))  # type: ignore[misc]
        assert red > 230
        assert max(green, blue) < 25


def test_the_full_picture_is_the_very_file(tmp_path: Path, page: Path) -> None:
    given = source(tmp_path / "made", "a.png", (32, 32))
    place([given], page)
    assert (page / "images" / "a.png").samefile(given.file)


def test_where_there_are_no_links_it_is_copied(
    tmp_path: Path, page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    given = source(tmp_path / "made", "a.png", (32, 32))
    place([given], page)
    copy = page / "images" / "a.png"
    assert not copy.samefile(given.file)
    assert copy.read_bytes() == given.file.read_bytes()


def test_files_that_are_no_pictures_leave_a_gap(tmp_path: Path, page: Path) -> None:
    made = tmp_path / "made"
    whole = source(made, "whole.png", (32, 32))
    half = source(made, "half.png", (256, 256))
    half.file.write_bytes(half.file.read_bytes()[:120])
    (made / "text.png").write_text("no picture")
    gone, text = Source(made / "gone.png", "gone.png"), Source(made / "text.png", "text.png")
    placed = place([half, gone, whole, text], page)
    assert placed == [None, None, Placed("thumbs/whole.webp", "images/whole.png"), None]
    assert [file.name for file in (page / "images").iterdir()] == ["whole.png"]


def test_many_are_in_their_order(tmp_path: Path, page: Path) -> None:
    colours = ["red", "lime", "blue"] * 20
    made = tmp_path / "made"
    given = [source(made, f"{n}.png", (8, 8), colour) for n, colour in enumerate(colours)]
    for colour, placed in zip(colours, place(given, page), strict=True):
        assert placed is not None
        with Image.open(page / placed.thumb) as thumb:
            pixel = thumb.convert("RGB").getpixel((4, 4))
            assert isinstance(pixel, tuple)
            assert pixel.index(max(pixel)) == ["red", "lime", "blue"].index(colour)
