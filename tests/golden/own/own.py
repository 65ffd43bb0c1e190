"""Metrics of a user's own file: its hash is part of their keys, so it stays as it is."""

from __future__ import annotations

from PIL import Image

from runner.metrics import metric


@metric(better="higher")
def redness(image: Image.Image, *, above: int) -> float:
    red = image.getchannel("R").histogram()
    return sum(red[above:]) / (image.width * image.height)


@metric()
def failing(image: Image.Image) -> float:
    raise ValueError("this metric always fails")
