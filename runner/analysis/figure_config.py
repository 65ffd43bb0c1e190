"""What a figure was made of, kept inside it: in a PDF's information, an SVG's metadata, a PNG's
text, a JPEG's EXIF.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from xml.sax.saxutils import unescape

from PIL import Image

import runner
from runner.analysis.results import SweepResult
from runner.analysis.together import labels_of
from runner.errors import ConfigError
from runner.images.png import DamagedPictureError, text_of_png
from runner.images.quiet import quiet_decoders
from runner.system.machine import versions
from runner.system.text import path_here, shell
from runner.system.untrusted import UntrustedError, parse_json, read_regular

KEY = "kandinsky_figure"
USER_COMMENT, EXIF_IFD, ASCII = 0x9286, 0x8769, b"ASCII\0\0\0"
MOST_EXIF = 60_000
"""Bytes; a segment of a JPEG has 65,535."""
DRAWN_BY = ("matplotlib", "pillow")
SUFFIXES = (".png", ".jpg", ".jpeg", ".pdf", ".svg")
PDF_ESCAPES = {b"n": b"\n", b"r": b"\r"}

FigureConfig = Mapping[str, Any]
"""Plain values: the command, the sweeps, what was chosen, versions, the pictures' hashes."""


def config_of(kind: str, **said: Any) -> dict[str, Any]:
    """The config of a figure, with the versions of what draws it."""
    program = {"runner": runner.__version__, **versions(DRAWN_BY)}
    return {"figure": kind, **said, "versions": program}


def asked_by(verb: str, arguments: Sequence[str], sweeps: Sequence[SweepResult]) -> dict[str, Any]:
    """What the config of a figure says of the command that drew it, and of its sweeps."""
    # A path below the working directory is told from there, not from the root of this machine.
    typed = [path_here(Path(each)) if each.startswith("/") else each for each in arguments]
    labels = labels_of([sweep.folder for sweep in sweeps])
    return {
        "command": shell(["kandinsky", verb, *typed]),
        "sweeps": [
            {"name": sweep.name, "folder": label, "started": sweep.started,
             "command": sweep.command}
            for sweep, label in zip(sweeps, labels, strict=True)
        ],
    }  # fmt: skip


def as_text(config: FigureConfig) -> str:
    """One line of ASCII, as every format can hold."""
    return json.dumps(config)


def as_exif(config: FigureConfig) -> bytes:
    """For a JPEG; where the list of pictures is too long for it, its hash instead."""
    text = as_text(config)
    if len(text) > MOST_EXIF and "pictures" in config:
        pictures = json.dumps(config["pictures"], sort_keys=True)
        told = {"count": len(config["pictures"]), "sha256": sha256(pictures.encode()).hexdigest()}
        text = as_text({**config, "pictures": told})
    exif = Image.Exif()
    exif.get_ifd(EXIF_IFD)[USER_COMMENT] = ASCII + text.encode()
    return exif.tobytes()


def read_figure(file: Path) -> FigureConfig:
    """The config that a figure holds.

    Raises:
        ConfigError: it cannot be read, or holds none.
    """
    try:
        text = _text_of(read_regular(file), file.suffix.lower())
        found = parse_json(text.encode()) if text is not None else None
    except OSError as error:
        raise ConfigError("read", file, f"cannot be read: {error.strerror or error}") from error
    except (UntrustedError, DamagedPictureError, ValueError) as error:
        raise ConfigError("read", file, f"cannot be read: {error}") from error
    if not isinstance(found, dict):
        allowed = "a figure of `kandinsky grid`, or a plot of `kandinsky compare`"
        raise ConfigError("read", file, "holds no config of a figure", allowed)
    return found


def _text_of(content: bytes, suffix: str) -> str | None:
    if suffix == ".png":
        return text_of_png(content).get(KEY)
    if suffix in (".jpg", ".jpeg"):
        return _exif_text(content)
    if suffix == ".pdf":
        found = re.search(rb"/" + KEY.encode() + rb" \(((?:[^()\\]|\\.)*)\)", content, re.DOTALL)
        return None if found is None else _unescaped(found[1]).decode("ascii", "replace")
    if suffix == ".svg":
        pattern = rb"<dc:description>\s*(\{.*?\})\s*</dc:description>"
        found = re.search(pattern, content, re.DOTALL)
        return None if found is None else unescape(found[1].decode("ascii", "replace"))
    return None


def _exif_text(content: bytes) -> str | None:
    try:
        # JPEG alone: for other formats Pillow may start other programs.
        with quiet_decoders(), Image.open(io.BytesIO(content), formats=("JPEG",)) as image:
            said = image.getexif().get_ifd(EXIF_IFD).get(USER_COMMENT)
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises many kinds of them on damaged files
        raise DamagedPictureError(f"is no JPEG, or is damaged ({error})") from error
    if not isinstance(said, bytes) or not said.startswith(ASCII):
        return None
    return said[len(ASCII) :].decode("ascii", "replace")


def _unescaped(text: bytes) -> bytes:
    """A PDF's literal string (ISO 32000-1, 7.3.4.2), as far as matplotlib escapes it."""
    return re.sub(rb"\\(.)", lambda m: PDF_ESCAPES.get(m[1], m[1]), text, flags=re.DOTALL)
