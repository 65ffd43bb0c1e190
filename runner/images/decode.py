"""Picture files of any kind, decoded: colours, transparency, which side is up."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache, lru_cache
from io import BytesIO
from typing import Any, BinaryIO

from PIL import Image, ImageCms, UnidentifiedImageError

MAX_PIXELS = 100_000_000

# Not every kind Pillow knows: EPS would start Ghostscript, TGA has no signature and so takes any
# file for a picture.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "JPEG2000", "PPM")

# A profile that changes no colour by more than this is sRGB in all but name.
SRGB_TOLERANCE = 2

EXIF_ORIENTATION = 0x0112

TO_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

TIFF_BITS_PER_SAMPLE = 258

TIFF_PHOTOMETRIC, TIFF_WHITE_IS_ZERO = 262, 0

PNG_BIT_DEPTH_AT = 24


class UnusableError(Exception):
    """What is wrong with a file, for the one who knows which key named it."""

    def __init__(self, problem: str, allowed: str | None = None) -> None:
        self.problem = problem
        self.allowed = allowed
        super().__init__(problem)


@dataclass(frozen=True)
class Picture:
    """A decoded picture, upright.

    Args:
        colour: of mode L, RGB or CMYK.
        alpha: of mode L; None: nothing is transparent.
        profile: the ICC profile that says what the numbers in `colour` mean.
    """

    colour: Image.Image
    alpha: Image.Image | None
    profile: bytes | None

    def rgb(self) -> Image.Image:
        return self._over(255, _in_srgb(self.colour, self.profile))

    def over_black(self) -> Image.Image:
        return self._over(0, self.colour.convert("RGB"))

    def _over(self, background: int, colour: Image.Image) -> Image.Image:
        if self.alpha is None:
            return colour
        ground = Image.new("RGB", colour.size, (background,) * 3)
        return Image.composite(colour, ground, self.alpha)


def decode_picture(file: BinaryIO) -> Picture:
    # Pillow warns of much that is no fault of the picture, such as private EXIF tags. Its warning
    # of large pictures is not needed: the limit here is an error.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(file, formats=_formats()) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise _too_many_pixels()
                # The checksums of a PNG, which decoding alone does not look at.
                image.verify()
            header = _header(file)
            with Image.open(file, formats=_formats()) as image:
                image.load()
                return _picture_of(image, header)
        except (UnusableError, MemoryError):
            raise
        except UnidentifiedImageError as error:
            raise UnusableError(
                "is no picture of a known kind, or too damaged to be taken for one", _kinds()
            ) from error
        except Image.DecompressionBombError as error:
            raise _too_many_pixels() from error
        except Exception as error:
            # Pillow's readers let through whatever a damaged file makes them stumble on:
            # SyntaxError, struct.error, EOFError, zlib.error and more.
            raise UnusableError(f"is damaged or cut short ({error})") from error


@cache
def _formats() -> tuple[str, ...]:
    # Pillow can be built without some of them, and then does not know their names.
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _kinds() -> str:
    return ", ".join(_formats())


def _header(file: BinaryIO) -> bytes:
    file.seek(0)
    header = file.read(PNG_BIT_DEPTH_AT + 1)
    file.seek(0)
    return header


def _too_many_pixels() -> UnusableError:
    limit = f"{MAX_PIXELS // 1_000_000} million"
    return UnusableError(f"has more than {limit} pixels", f"at most {limit} pixels")


def _picture_of(image: Image.Image, header: bytes) -> Picture:
    method = _to_upright(image)
    profile = image.info.get("icc_profile")
    if image.mode == "LAB":
        profile = None  # The colours are absolute and Pillow brings them to sRGB.
    if image.mode == "F":
        raise UnusableError(
            "holds floating-point numbers, and nothing says which of them is white",
            "a picture of 8 or 16 bits a channel",
        )
    if image.mode.startswith("I"):
        colour, alpha = _grey_of_16_bits(image)
    elif image.has_transparency_data:
        colour, alpha = _colour_and_alpha(image, header)
    else:
        mode = image.mode if image.mode in ("L", "CMYK") else "RGB"
        colour, alpha = image.convert(mode), None
    if method is not None:
        colour = colour.transpose(method)
        alpha = alpha and alpha.transpose(method)
    return Picture(colour, alpha, profile)


def _to_upright(image: Image.Image) -> Image.Transpose | None:
    # Asked after loading: a TIFF is turned by then, and a PNG may carry its EXIF at the end.
    try:
        return TO_UPRIGHT.get(image.getexif().get(EXIF_ORIENTATION, 1))
    except Exception:
        # Viewers show a picture whose EXIF is broken as it lies; so does this.
        return None


def _grey_of_16_bits(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """8 bits of grey, rounded, and what is transparent. Pillow's own conversion clips at 255."""
    import numpy as np

    tags: Any = getattr(image, "tag_v2", {})
    white = 4095 if tags.get(TIFF_BITS_PER_SAMPLE) == (12,) else 65535
    numbers = np.asarray(image)
    if image.mode == "I" and (numbers.min() < 0 or numbers.max() > white):
        raise UnusableError(
            f"holds numbers from {numbers.min()} to {numbers.max()}, and nothing says which of "
            "them is white",
            "a picture of 8 or 16 bits a channel",
        )
    table = ((np.arange(white + 1) * 255 + white // 2) // white).astype(np.uint8)
    if tags.get(TIFF_PHOTOMETRIC) == TIFF_WHITE_IS_ZERO:
        table = table[::-1]
    alpha = None
    if "transparency" in image.info:
        opaque = numbers != image.info["transparency"]
        alpha = Image.fromarray(opaque.astype(np.uint8) * np.uint8(255))
    return Image.fromarray(table[numbers]), alpha


def _colour_and_alpha(image: Image.Image, header: bytes) -> tuple[Image.Image, Image.Image]:
    transparent = image.info.get("transparency")
    if image.format == "PNG" and image.mode in ("L", "RGB") and transparent is not None:
        # The transparent colour is written in the file's bit depth, which Pillow forgets: it
        # compares the number with pixels of 8 bits.
        depth = header[PNG_BIT_DEPTH_AT]
        image.info["transparency"] = (
            _in_8_bits(transparent, depth)
            if image.mode == "L"
            else tuple(_in_8_bits(number, depth) for number in transparent)
        )
    grey = image.mode in ("L", "LA")
    rgba = image.convert("RGBA")
    return rgba.getchannel("R") if grey else rgba.convert("RGB"), rgba.getchannel("A")


def _in_8_bits(number: int, depth: int) -> int:
    # As Pillow brings the pixels there: more than 8 bits lose the lower ones.
    number &= (1 << depth) - 1
    return number >> (depth - 8) if depth > 8 else number * 255 // ((1 << depth) - 1)


def _in_srgb(colour: Image.Image, profile: bytes | None) -> Image.Image:
    transform = _to_srgb(colour.mode, profile) if profile else None
    if transform is None:
        return colour.convert("RGB")
    return transform.apply(colour)


@lru_cache(maxsize=8)
def _to_srgb(mode: str, profile: bytes) -> ImageCms.ImageCmsTransform | None:
    """What takes the profile's colours to sRGB. None: it is sRGB, broken, or of another mode.

    A profile that cannot be used is passed over, as browsers do: the colours are then a little off
    for a reason that lies in the file, which is no reason to refuse it.
    """
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        return None if mode != "CMYK" and _changes_little(transform, mode) else transform
    except (ImageCms.PyCMSError, OSError, ValueError):
        # Also where the two do not belong together: a profile of grey in an RGB file and the like.
        return None


def _changes_little(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    # Through an sRGB profile most colours come out one step off, by rounding alone.
    if mode == "L":
        before = Image.frombytes("L", (256, 1), bytes(range(256)))
    else:
        steps = range(0, 256, 17)
        colours = bytes(number for r in steps for g in steps for b in steps for number in (r, g, b))
        before = Image.frombytes("RGB", (len(colours) // 3, 1), colours)
    pairs = zip(before.convert("RGB").tobytes(), transform.apply(before).tobytes(), strict=True)
    return max(abs(a - b) for a, b in pairs) <= SRGB_TOLERANCE
