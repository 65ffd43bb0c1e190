"""Places the pictures of a page: thumbnails, and full pictures as links or copies."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from runner.images.png import DamagedPictureError
from runner.images.thumbnails import thumbnail_webp
from runner.system.machine import cpu_cores

THUMBS, IMAGES = "thumbs", "images"


@dataclass(frozen=True)
class Placed:
    """A picture in the page's folder: paths relative to that."""

    thumb: str
    full: str


@dataclass(frozen=True)
class Source:
    """A picture to show: its PNG, and a name that is unique on the page."""

    file: Path
    name: str


def place(sources: Sequence[Source], folder: Path) -> list[Placed | None]:
    """Put thumbnails (WebP) and full pictures (PNG) into a page's folder.

    Pillow releases the GIL while it decodes, scales and encodes, so threads help.

    Returns:
        In order; None for a file that cannot be read as a picture.

    Raises:
        OSError: the folder cannot be written.
    """
    for name in (THUMBS, IMAGES):
        (folder / name).mkdir()
    pool = ThreadPoolExecutor(max_workers=cpu_cores())
    try:
        return list(pool.map(lambda source: _place(source, folder), sources))
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C: finish only those begun


def _place(source: Source, folder: Path) -> Placed | None:
    try:
        small = thumbnail_webp(source.file)
    except DamagedPictureError:
        return None
    placed = Placed(f"{THUMBS}/{Path(source.name).stem}.webp", f"{IMAGES}/{source.name}")
    (folder / placed.thumb).write_bytes(small)
    _link(source.file, folder / placed.full)
    return placed


def _link(file: Path, target: Path) -> None:
    """A hard link takes no space, but not all file systems have them, and none spans two."""
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)
