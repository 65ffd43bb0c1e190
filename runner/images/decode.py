"""Decodes picture files: formats, colour profiles, transparency, orientation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, lru_cache
from io import BytesIO
from typing import Any, BinaryIO

from PIL import Image, ImageCms, UnidentifiedImageError

from runner.images.png_colour import profile_by_chunks
from runner.images.quiet import quiet_decoders

MAX_PIXELS = 100_000_000

# Not all of Pillow's formats: EPS would start Ghostscript, and TGA has no signature, so that any
# file would be taken for a picture.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "JPEG2000", "PPM")

# A profile that changes no colour by more than this is treated as sRGB.
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
    """A file cannot be used; the caller adds the config key that names it."""

    def __init__(self, problem: str, allowed: str | None = None) -> None:
        self.problem = problem
        self.allowed = allowed
        super().__init__(problem)


@dataclass(frozen=True)
class Picture:
    """A decoded picture, rotated upright.

    Args:
        colour: of mode L, RGB or CMYK.
        alpha: of mode L; None: nothing is transparent.
        profile: the ICC profile of the numbers in `colour`.
        by_chunks: it is made from a PNG's gAMA, cHRM or cICP.
    """

    colour: Image.Image
    alpha: Image.Image | None
    profile: bytes | None
    by_chunks: bool = False

    def described(self, profile: bytes) -> Picture:
        """With a profile made from chunks, where that changes any colour."""
        # In RGB also where it is grey: of one channel Little CMS has fewer steps in the dark.
        colour = self.colour.convert("RGB")
        if _to_srgb("RGB", profile) is None:
            return replace(self, profile=None)
        return replace(self, colour=colour, profile=profile, by_chunks=True)

    def rgb(self) -> Image.Image:
        """In sRGB, over white."""
        return self._over(255, _in_srgb(self.colour, self.profile))

    def over_black(self) -> Image.Image:
        """As RGB without its profile, over black: of masks."""
        return self._over(0, self.colour.convert("RGB"))

    def _over(self, background: int, colour: Image.Image) -> Image.Image:
        if self.alpha is None:
            return colour
        ground = Image.new("RGB", colour.size, (background,) * 3)
        return Image.composite(colour, ground, self.alpha)


def decode_picture(file: BinaryIO) -> Picture:
    """Decode a file of one of `formats`, whole. Raises UnusableError: it is none, or damaged."""
    # Pillow warns of much that does not matter here, such as private EXIF tags. Its warning of
    # large pictures is not needed: our own limit is an error.
    with quiet_decoders():
        try:
            with Image.open(file, formats=formats()) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise _too_many_pixels()
                # Checks the checksums of a PNG, which decoding alone does not.
                image.verify()
            header = _header(file)
            with Image.open(file, formats=formats()) as image:
                image.load()
                picture = _picture_of(image, header)
                by_chunks = profile_by_chunks(file) if image.format == "PNG" else None
                return picture if by_chunks is None else picture.described(by_chunks)
        except (UnusableError, MemoryError):
            raise
        except UnidentifiedImageError as error:
            raise UnusableError(
                "is no picture of a known kind, or too damaged to be taken for one", _kinds()
            ) from error
        except Image.DecompressionBombError as error:
            raise _too_many_pixels() from error
        except Exception as error:
            # Pillow's readers raise many kinds of exceptions on damaged files: SyntaxError,
            # struct.error, EOFError, zlib.error and more.
            why = f" ({error})" if str(error) else ""
            raise UnusableError(f"is damaged or cut short{why}") from error


@cache
def formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this Pillow reads."""
    # Pillow may be built without some formats, and then does not know their names.
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _kinds() -> str:
    return ", ".join(formats())


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
        profile = None  # The colours are absolute and Pillow converts them to sRGB.
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
    # Read after loading: a TIFF is already rotated then, and a PNG may have its EXIF at the end.
    try:
        return TO_UPRIGHT.get(image.getexif().get(EXIF_ORIENTATION, 1))
    except Exception:
        # A picture with broken EXIF is not rotated, as in viewers.
        return None


def _grey_of_16_bits(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """8 bits of grey, rounded, and the alpha channel. Pillow's own conversion clips at 255."""
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
        # The transparent colour is given in the file's bit depth, but Pillow compares the number
        # with pixels of 8 bits.
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
    # As Pillow converts the pixels: of more than 8 bits the lower ones are dropped.
    number &= (1 << depth) - 1
    return number >> (depth - 8) if depth > 8 else number * 255 // ((1 << depth) - 1)


def _in_srgb(colour: Image.Image, profile: bytes | None) -> Image.Image:
    transform = _to_srgb(colour.mode, profile) if profile else None
    if transform is None:
        return colour.convert("RGB")
    return transform.apply(colour)


@lru_cache(maxsize=8)
def _to_srgb(mode: str, profile: bytes) -> ImageCms.ImageCmsTransform | None:
    """The transform from the profile to sRGB. None: it is sRGB, broken, or of another mode.

    A profile that cannot be used is ignored, as in browsers: the colours are then slightly wrong,
    but the file is not refused for that.
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
        # Also where profile and file do not match, such as a grey profile in an RGB file.
        return None


def _changes_little(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    # Even an sRGB profile changes most colours by one step, by rounding.
    if mode == "L":
        before = Image.frombytes("L", (256, 1), bytes(range(256)))
    else:
        steps = range(0, 256, 17)
        colours = bytes(number for r in steps for g in steps for b in steps for number in (r, g, b))
        before = Image.frombytes("RGB", (len(colours) // 3, 1), colours)
    pairs = zip(before.convert("RGB").tobytes(), transform.apply(before).tobytes(), strict=True)
    return max(abs(a - b) for a, b in pairs) <= SRGB_TOLERANCE
