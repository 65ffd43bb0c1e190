"""A sweep's folder as a stranger might hand it over: whole, but for what is altered in it."""

from __future__ import annotations

import itertools
import json
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from helpers.made_sweeps import Made, write_sweep
from runner.analysis.reading import read_results
from runner.analysis.votes.judging import judge
from runner.analysis.votes.record import (
    VOTES,
    Answer,
    Shown,
    append_vote,
    new_vote,
    read_votes,
)
from runner.analysis.votes.tables import write
from runner.images.png import png_bytes

SWEEP_DEPTH = 3
ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"

VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 2**63, 2**70, 1e308, -1e308, float("nan"), float("inf"), "", ".", "..",
    "../../outside/secret.png", "/etc/passwd", "outside/../../x", "a\0b", "\ud800", ESCAPES,
    "%s%n{0.__class__}${oc.env:HOME}", "x" * 5000, "http://127.0.0.1:9/x.png", [], {}, [[]],
    {"a": {"b": []}}, [None], "=", "a=b=c", '"', "~root", "file:///etc/passwd", "C:\\x",
)  # fmt: skip

FILES = (
    "sweep.json", "0000_cell/manifest.json", "comparison/comparison.json", "comparison/votes.json",
    VOTES,
)  # fmt: skip
PICTURE = "0000_cell/0000_picture_seed0.png"
INPUT = "0000_cell/inputs/image_0123abcd.png"


def sweep_folder(folder: Path) -> Path:
    """A sweep of two cells with two pictures each, an input picture, and a vote."""
    made = Made(
        axes={"scheduler": ("ddim", "ddpm")}, prompts=("a red circle",), baseline="scheduler=ddim",
        inputs=("image",),
    )  # fmt: skip
    write_sweep(folder, made)
    results = read_results(folder)
    one, other = (Shown(f"000{n}_cell/{results.cells[n].images[0].file.name}",
                        results.cells[n].images[0].record.sha256) for n in range(2))  # fmt: skip
    append_vote(folder, new_vote("ann", "Which?", "a red circle", 0, (one, other), Answer.left))
    judged = judge(results, ["scheduler"], {"scheduler": "ddim"}, {folder: read_votes(folder)})
    assert judged is not None
    write(judged, folder / "comparison")
    return folder


Alteration = Callable[[Path, Path], None]
"""Alters a sweep's folder; the second is a folder outside of it, with a file `secret.png`."""


def places(content: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The keys that lead to each value of what a JSON file says; () is the whole."""
    yield before
    if isinstance(content, dict):
        for key, value in content.items():
            yield from places(value, (*before, key))
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from places(value, (*before, number))


@st.composite
def altered_values(draw: st.DrawFn) -> Alteration:
    """A value of a JSON file becomes another one, or is gone."""
    name = draw(st.sampled_from(FILES))
    where = draw(st.floats(0, 1, exclude_max=True))
    value = draw(st.sampled_from((*VALUES, ...)))

    def alter(sweep: Path, outside: Path) -> None:
        file = sweep / name
        if not file.is_file():
            return  # altered already, as below
        try:
            content = json.loads(file.read_text())
        except (OSError, ValueError, RecursionError):
            return
        file.write_text(altered(content, where, value))

    return alter


def altered(content: Any, where: float, value: Any) -> str:
    """JSON in which the value at a place, a share of all places, is another one, or `...`: gone."""
    all_places = list(places(content))
    *way, last = all_places[int(where * len(all_places))] or (None,)
    if last is None:
        return json.dumps(value if value is not ... else [])
    inner = content
    for key in way:
        inner = inner[key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return json.dumps(content)


def _eps(outside: Path) -> bytes:
    return b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n"


def _chunk(kind: bytes, content: bytes) -> bytes:
    ended = zlib.crc32(kind + content).to_bytes(4, "big")
    return len(content).to_bytes(4, "big") + kind + content + ended


def _bomb(outside: Path) -> bytes:
    """A PNG of 60,000 x 60,000 pixels in a few bytes."""
    size = (60_000).to_bytes(4, "big")
    data = zlib.compress(b"\0" * 60_001)
    head = _chunk(b"IHDR", size + size + b"\x08\x00\x00\x00\x00")
    return b"\x89PNG\r\n\x1a\n" + head + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _text_bomb(outside: Path) -> bytes:
    """A PNG with a text of 100 MB in 100 kB."""
    from PIL import Image

    whole = png_bytes(Image.new("RGB", (8, 8)))
    text = b"config\0\1\0\0\0" + zlib.compress(b" " * 100_000_000)
    return whole[:33] + _chunk(b"iTXt", text) + whole[33:]


def _nested(outside: Path) -> bytes:
    return b'{"a":' + b"[" * 100_000


CONTENTS: tuple[Callable[[Path], bytes], ...] = (
    _eps, _bomb, _text_bomb, _nested,
    lambda outside: b"", lambda outside: b"\xff\xfe\0", lambda outside: b"9" * 5000,
    lambda outside: b'"\\ud800"', lambda outside: (outside / "secret.png").read_bytes()[:60],
)  # fmt: skip


@st.composite
def other_contents(draw: st.DrawFn) -> Alteration:
    """A file with another content."""
    name = draw(st.sampled_from((*FILES, PICTURE, INPUT)))
    content = draw(st.sampled_from(CONTENTS))

    def alter(sweep: Path, outside: Path) -> None:
        _free(sweep / name)
        (sweep / name).write_bytes(content(outside))

    return alter


WRITTEN = (
    "report", "report/index.html", "report.html", "comparison", "comparison/comparison.md",
    "grid.png", ".grid.png.part", "export-geneval", "export-t2i_compbench", ".lock",
    "../../mlflow.db", "../../.spool", "../../mlartifacts",
)  # fmt: skip
"""Where commands write, or once wrote."""


@st.composite
def other_kinds(draw: st.DrawFn) -> Alteration:
    """A link, a pipe, a device or a folder in place of a file or of what a command writes."""
    name = draw(st.sampled_from((*FILES, PICTURE, INPUT, "0000_cell", *WRITTEN)))
    kind = draw(
        st.sampled_from(("link", "folder link", "dangling", "circle", "pipe", "zero", "folder"))
    )

    def alter(sweep: Path, outside: Path) -> None:
        place = sweep / name
        _free(place)
        if kind == "link":
            place.symlink_to(outside / "secret.png")
        elif kind == "folder link":
            place.symlink_to(outside)
        elif kind == "dangling":
            place.symlink_to(outside / "new")
        elif kind == "circle":
            place.symlink_to(place.name)
        elif kind == "pipe":
            os.mkfifo(place)
        elif kind == "zero":
            place.symlink_to("/dev/zero")
        else:
            place.mkdir()

    return alter


def _free(place: Path) -> None:
    """Make room for something else of that name."""
    if place.is_symlink() or place.is_file() or place.is_fifo():
        place.unlink()
    elif place.is_dir():
        names = (place.with_name(f"{place.name}-before{number}") for number in itertools.count())
        place.rename(next(name for name in names if not name.exists()))
    for folder in reversed(place.parents):
        if folder.is_symlink() or folder.is_fifo() or folder.is_file():
            folder.unlink()
        folder.mkdir(exist_ok=True)


alterations = st.one_of(altered_values(), other_contents(), other_kinds())
