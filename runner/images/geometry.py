"""Resizes pictures and masks, both in the same geometry.

Masks are images of mode "L" that hold only 0 (keep) and 255 (repaint).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from PIL import Image

from runner.config.choices import Resize
from runner.errors import ConfigError

KEPT, REPAINTED = 0, 255

CELL = 8
"""Pixels on a side of what the MoVQ makes one latent of."""

# The filter of diffusers' Kandinsky pipelines. Lanczos is a little sharper, but rings at hard
# edges, and the ringing would be encoded as part of the picture.
RESAMPLING = Image.Resampling.BICUBIC

Size = tuple[int, int]

Box = tuple[int, int, int, int]


def mask_of_box(size: Size, box: Box, *, invert: bool) -> Image.Image:
    """The mask of a rectangle in a picture of `size`; with `invert`, of everything outside it.

    Args:
        size: width and height of the picture.
        box: x0, y0, x1, y1 in the picture's pixels; x1 and y1 are exclusive.

    Raises:
        ConfigError: the box is empty or reaches beyond the picture.
    """
    x0, y0, x1, y1 = box
    width, height = size
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise ConfigError(
            "inputs.mask_box",
            list(box),
            f"is no rectangle within the picture of {width}x{height} pixels",
            f"[x0,y0,x1,y1] with 0 <= x0 < x1 <= {width} and 0 <= y0 < y1 <= {height}",
        )
    inside, outside = (KEPT, REPAINTED) if invert else (REPAINTED, KEPT)
    mask = Image.new("L", size, outside)
    mask.paste(inside, box)
    return mask


def resized(image: Image.Image, width: int, height: int, resize: Resize) -> Image.Image:
    """The picture at another size; unchanged where it has that size already.

    cover: scaled to fill the size, the excess cropped equally on both sides. fit: scaled to lie
    within the size, centred, the rest black. stretch: scaled to the size, proportions not kept.
    """
    if image.size == (width, height):
        return image
    geometry = _Geometry.of(image.size, (width, height), resize)
    left, top, right, bottom = (float(edge) for edge in geometry.source)
    drawn = image.resize(geometry.size, RESAMPLING, box=(left, top, right, bottom))
    return _placed(drawn, (width, height), geometry.corner)


def cut_off(size: Size, target: Size, resize: Resize) -> float:
    """The share of a picture that `resized` cuts off."""
    if resize is not Resize.cover or size == target:
        return 0.0
    (left, top, right, bottom) = _Geometry.of(size, target, resize).source
    return float(1 - (right - left) * (bottom - top) / (size[0] * size[1]))


def repaints(mask: Image.Image, target: Size, resize: Resize) -> bool:
    """Whether any white of a mask is in the part of the picture that `resized` draws."""
    if resize is Resize.cover and mask.size != target:
        left, top, right, bottom = _Geometry.of(mask.size, target, resize).source
        mask = mask.crop((math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom)))
    return mask.getbbox() is not None


def repaints_in_diffusers(mask: Image.Image, size: Size, *, is_box: bool) -> bool:
    """Whether diffusers repaints anything, which reads one pixel of the mask for each latent.

    Args:
        mask: not made black and white.
        size: width and height of the image.
        is_box: it is given as an array, which diffusers does not resize
            (prepare_mask_and_masked_image in pipeline_kandinsky2_2_inpainting.py).
    """
    import numpy as np

    if not is_box:
        mask = mask.resize(size, Image.Resampling.LANCZOS)
    # As torch's interpolate(mode="nearest") counts, in numbers of 32 bits.
    columns, rows = (
        (np.arange(count) * np.float32(side / count)).astype(int)
        for side, count in zip(mask.size, (size[0] // CELL, size[1] // CELL), strict=True)
    )
    return bool((np.asarray(mask)[np.ix_(rows, columns)] > REPAINTED // 2).any())


def resized_mask(mask: Image.Image, width: int, height: int, resize: Resize) -> Image.Image:
    """The mask at another size, in the geometry of `resized`; still only 0 and 255.

    A pixel of the result is white if any source pixel that it covers, even in part, is white: a
    small spot does not vanish by downscaling. What `fit` adds around the picture is kept (0).
    """
    import numpy as np

    if mask.size == (width, height):
        return mask
    geometry = _Geometry.of(mask.size, (width, height), resize)
    left, top, right, bottom = geometry.source
    columns, rows = geometry.size
    pixels = np.asarray(mask)
    pixels = np.stack([pixels[a:b].max(axis=0) for a, b in _covered(top, bottom, rows)])
    pixels = np.stack(
        [pixels[:, a:b].max(axis=1) for a, b in _covered(left, right, columns)], axis=1
    )
    return _placed(Image.fromarray(pixels), (width, height), geometry.corner)


def aligned_mask(mask: Image.Image) -> Image.Image:
    """The mask with every block of CELL x CELL pixels wholly white if any of its pixels is.

    One block is what the MoVQ makes one latent of; blocks count from the upper left corner.
    """
    import numpy as np

    pixels = np.asarray(mask)
    height, width = pixels.shape
    padded = np.pad(pixels, ((0, -height % CELL), (0, -width % CELL)))
    rows, columns = padded.shape[0] // CELL, padded.shape[1] // CELL
    blocks = padded.reshape(rows, CELL, columns, CELL).max(axis=(1, 3))
    whole = blocks.repeat(CELL, axis=0).repeat(CELL, axis=1)
    return Image.fromarray(whole[:height, :width])


@dataclass(frozen=True)
class _Geometry:
    """Which part of the source is drawn, on how many pixels, and where; the same for masks.

    Args:
        source: left, top, right, bottom in source pixels. Fractions, so that the pixels that a
            mask's pixel covers are exact.
        size: width and height of the drawn part.
        corner: the drawn part's upper left corner in the result.
    """

    source: tuple[Fraction, Fraction, Fraction, Fraction]
    size: Size
    corner: Size

    @classmethod
    def of(cls, source: Size, target: Size, resize: Resize) -> _Geometry:
        across, down = (Fraction(new, old) for new, old in zip(target, source, strict=True))
        whole = (Fraction(0), Fraction(0), Fraction(source[0]), Fraction(source[1]))
        if resize is Resize.stretch:
            return cls(whole, target, (0, 0))
        if resize is Resize.fit:
            scale = min(across, down)
            width, height = (max(1, round(side * scale)) for side in source)
            corner = ((target[0] - width) // 2, (target[1] - height) // 2)
            return cls(whole, (width, height), corner)
        scale = max(across, down)
        width_used, height_used = target[0] / scale, target[1] / scale
        left, top = (source[0] - width_used) / 2, (source[1] - height_used) / 2
        if scale == 1:
            # Cropped at whole pixels: a shift by half a pixel would blur an unscaled picture.
            left, top = Fraction(math.floor(left)), Fraction(math.floor(top))
        return cls((left, top, left + width_used, top + height_used), target, (0, 0))


def _covered(start: Fraction, end: Fraction, count: int) -> list[tuple[int, int]]:
    """For each of `count` equal parts of start..end, its source pixels: first, one past last."""
    step = (end - start) / count
    return [
        (math.floor(start + index * step), math.ceil(start + (index + 1) * step))
        for index in range(count)
    ]


def _placed(drawn: Image.Image, size: Size, corner: Size) -> Image.Image:
    if drawn.size == size:
        return drawn
    ground = Image.new(drawn.mode, size)
    ground.paste(drawn, corner)
    return ground
