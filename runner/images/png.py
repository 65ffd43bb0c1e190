"""PNG files: writing and reading pixels and text entries, and the hash of pixels."""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, PngImagePlugin, UnidentifiedImageError

from runner.images.decode import MAX_PIXELS
from runner.images.png_colour import SIGNATURE
from runner.images.quiet import quiet_decoders
from runner.system.untrusted import UntrustedError, read_regular

CHUNK_FRAME = 12
"""Bytes of a chunk around its content: length, name, checksum."""
TEXT_CHUNKS = (b"tEXt", b"iTXt", b"zTXt")
BEFORE_TEXT = (b"IHDR", b"iCCP")


class DamagedPictureError(Exception):
    """A file is no PNG, or its pixels cannot be read; the message is the end of a sentence."""


def png_bytes(
    image: Image.Image,
    text: Mapping[str, str] | None = None,
    plain: Mapping[str, str] | None = None,
    dpi: tuple[float, float] | None = None,
) -> bytes:
    """A PNG file of the image.

    Args:
        text: text entries, as `iTXt` (UTF-8).
        plain: further ones for other programs, of which some read `tEXt` alone (Latin-1): as that
            where it can hold them, else as `iTXt`.
        dpi: its resolution.
    """
    buffer = io.BytesIO()
    said = {} if dpi is None else {"dpi": dpi}
    image.save(buffer, format="PNG", pnginfo=_entries(text, plain), **said)
    return buffer.getvalue()


def with_text(
    content: bytes, text: Mapping[str, str], plain: Mapping[str, str] | None = None
) -> bytes:
    """A PNG file with these text entries in place of its own; its pixels are not encoded again.

    The same bytes as `png_bytes` gives for its image.

    Raises:
        DamagedPictureError: it is no PNG, or cut short.
    """
    if not content.startswith(SIGNATURE):
        raise DamagedPictureError("is no PNG")
    before: list[bytes] = [SIGNATURE]
    behind: list[bytes] = []
    here = len(SIGNATURE)
    name = b""
    while name != b"IDAT":
        if here + CHUNK_FRAME > len(content):
            raise DamagedPictureError("is cut short before its pixels")
        length, name = struct.unpack_from(">I4s", content, here)
        end = here + CHUNK_FRAME + length if name != b"IDAT" else len(content)
        if name not in TEXT_CHUNKS:
            # PNG specification, 5.6: text may stand anywhere before IEND; Pillow puts it here.
            (before if name in BEFORE_TEXT else behind).append(content[here:end])
        here = end
    chunks = io.BytesIO()
    for entry in _entries(text, plain).chunks:
        PngImagePlugin.putchunk(chunks, *entry[:2])
    return b"".join([*before, chunks.getvalue(), *behind])


def _entries(
    text: Mapping[str, str] | None, plain: Mapping[str, str] | None
) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for key, value in (plain or {}).items():
        info.add_text(key, value)
    for key, value in (text or {}).items():
        info.add_itxt(key, value)
    return info


def image_of_png(content: bytes) -> Image.Image:
    """The RGB image of a PNG file. Raises DamagedPictureError."""
    with _opened(content) as image:
        return image.convert("RGB")


def text_of_png(content: bytes) -> dict[str, str]:
    """The text entries of a PNG file. Raises DamagedPictureError."""
    with _opened(content) as image:
        image.load()  # some may be behind the pixels
        return {key: str(value) for key, value in image.text.items()}


@contextmanager
def _opened(content: bytes) -> Iterator[PngImagePlugin.PngImageFile]:
    # PNG alone: for other formats Pillow may start other programs.
    try:
        with quiet_decoders(), Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DamagedPictureError(f"has more than {MAX_PIXELS} pixels")
            assert isinstance(image, PngImagePlugin.PngImageFile)
            yield image
    except (DamagedPictureError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise DamagedPictureError("is no PNG") from error
    except Exception as error:
        # Pillow raises many kinds of exceptions on damaged files: SyntaxError, struct.error,
        # EOFError, zlib.error and more.
        raise DamagedPictureError(f"is damaged or cut short ({error})") from error


def pixel_sha256(image: Image.Image) -> str:
    """Hex sha256 of mode, size and pixels: independent of the file's compression."""
    digest = hashlib.sha256(f"{image.mode} {image.width}x{image.height}\n".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()


def read_png(file: Path) -> Image.Image:
    """The RGB image of a PNG file, which anyone may have written.

    Raises:
        DamagedPictureError: it is missing, no regular file, no PNG, too large, or damaged.
    """
    return image_of_png(read_png_file(file))


def read_png_file(file: Path) -> bytes:
    """The bytes of what may be a PNG file. Raises DamagedPictureError: it cannot be read."""
    try:
        return read_regular(file)
    except UntrustedError as error:
        raise DamagedPictureError(str(error)) from error
    except FileNotFoundError as error:
        raise DamagedPictureError("is missing") from error
    except OSError as error:
        raise DamagedPictureError(f"cannot be read: {error.strerror or error}") from error


def read_whole_picture(file: Path, sha256: str) -> Image.Image | None:
    """The picture of a PNG file; None where it is missing, damaged, or its pixels' hash differs."""
    try:
        picture = read_png(file)
    except DamagedPictureError:
        return None
    return picture if pixel_sha256(picture) == sha256 else None
