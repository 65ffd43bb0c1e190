"""Pictures under the names by which MLflow's image charts find them.

As `MlflowClient.log_image(key=..., step=...)` of MLflow 3 names its files: its pages read key, step
and time from the name, and take pictures of one key in several runs for the same one. The pages
show none of a run where its folder `images` holds a file of another form.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from runner.images.thumbnails import SIDE

IMAGES = "images"
"""Folder of the artifacts that the pages look in."""
CHARTED = {"mlflow.loggedImages": "True"}
"""The tag by which they know a run with pictures."""
KEY = re.compile(r"[a-zA-Z0-9_\-./ ]{1,200}")
"""What `log_image` allows for a key."""
FOREIGN = re.compile(r"[^A-Za-z0-9_.-]+")
LONGEST = 48
"""Characters of a prompt in a key."""
STAMP = re.compile(r"\d{8}T\d{6}")


@dataclass(frozen=True)
class ChartFiles:
    """The two files of a picture, in the folder `images`.

    Attributes:
        full: the picture.
        small: what the charts show: a thumbnail; the picture itself where it is small enough.
        is_thumbnail: whether `small` is one.
    """

    full: str
    small: str
    is_thumbnail: bool


def chart_files(key: str, time_ms: int, width: int, height: int) -> ChartFiles:
    """The files of a picture of that size, in pixels. The same for each delivery of it."""
    is_thumbnail = max(width, height) > SIDE
    mark = uuid.uuid5(uuid.NAMESPACE_URL, key)
    stem = f"{key.replace('/', '~')}+step+0+timestamp+{time_ms}+{mark}"
    small = f"{stem}+compressed.{'webp' if is_thumbnail else 'png'}"
    return ChartFiles(f"{stem}.png", small, is_thumbnail)


def picture_keys(pictures: Iterable[tuple[str, int]]) -> list[str]:
    """A key for each (prompt, seed) of a run: the same in every run that has both; the second of
    the same prompt and seed has another one.
    """
    found: dict[str, None] = {}
    for prompt, seed in pictures:
        key = own = f"{_words(prompt)}/seed {seed}".lstrip("/")
        number = 1
        while key in found:
            number += 1
            key = f"{own} no {number}"
        found[key] = None
    return list(found)


def _words(prompt: str) -> str:
    """A prompt as MLflow takes it, which shows pictures of one prompt together. Where it is cut or
    other characters are left out, its hash keeps it apart.
    """
    short = " ".join(FOREIGN.sub(" ", prompt).split())[:LONGEST].strip(" .-")
    if short == prompt:
        return short
    return f"{short} {hashlib.sha256(prompt.encode()).hexdigest()[:6]}".lstrip()


def moment_of(run: str) -> int:
    """The time in a run's own id, in milliseconds since 1970: the same in each attempt at it."""
    stamp = STAMP.match(run)
    try:
        return int(datetime.strptime(stamp[0], "%Y%m%dT%H%M%S").timestamp() * 1000) if stamp else 0
    except (ValueError, OverflowError):
        return 0
