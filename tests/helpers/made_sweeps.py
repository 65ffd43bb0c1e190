"""Makes sweep folders like the runner's, with small pictures of one colour each."""

from __future__ import annotations

import colorsys
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image

from helpers.fake_sweeps import IMAGE, MANIFEST, SWEEP, TIMING, picture_name
from runner.images.png import pixel_sha256, png_bytes
from runner.recording.manifest import Manifest, SavedFailure, SavedImage, SavedMetric, SavedTiming
from runner.recording.sweep_record import CellEntry
from runner.tracking.status import Status

HOSTILE = "</script><img src=x onerror=alert(1)>\"'`&amp; \u2028\u2029 ${1} --> __proto__"
"""What would break out of a script, an element, an attribute or a string, where that can be."""

GIVEN = (10, 120, 30)
"""Colour of the pictures that others are made from."""

ERROR = "the stage decode failed: <b>out of memory</b>"


@dataclass(frozen=True)
class Made:
    """What a sweep is to be like.

    Attributes:
        broken: number of a cell -> its status, where that is not FINISHED.
        lacking: numbers of cells without ssim.
        inputs: names of what each picture is made from.
        timing: of each picture.
    """

    axes: Mapping[str, Sequence[str]] = field(
        default_factory=lambda: {"scheduler": ("ddim", "ddpm"), "decoder.steps": ("5", "10", "50")}
    )
    prompts: Sequence[str] = ("a red circle", "синий квадрат")
    seeds: Sequence[int] = (0, 1)
    question: str | None = "How many steps are enough?"
    baseline: str | None = None
    broken: Mapping[int, Status] = field(default_factory=dict)
    lacking: Sequence[int] = ()
    inputs: Sequence[str] = ()
    timing: SavedTiming | None = TIMING
    side: int = 32
    status: Status = Status.FINISHED
    error: str = ERROR


def write_sweep(folder: Path, made: Made) -> Path:
    """A sweep's folder."""
    entries = []
    for number, values in enumerate(itertools.product(*made.axes.values())):
        overrides = tuple(f"{k}={v}" for k, v in zip(made.axes, values, strict=True))
        entries.append(CellEntry(number, overrides, f"{number:04d}_cell", f"fingerprint{number}"))
        status = made.broken.get(number, Status.FINISHED)
        if status != Status.PENDING:
            write_run(folder / entries[-1].folder, made, number, overrides, status)
    folder.mkdir(parents=True, exist_ok=True)
    replace(
        SWEEP,
        status=made.status,
        axes=made.axes,
        runs={SWEEP.sweep_id: "mlflow-of-the-sweep"},
        cells=tuple(entries),
        command="kandinsky run -m scheduler=ddim,ddpm 'decoder.steps=5,10,50'",
    ).write(folder)
    return folder


def write_run(
    folder: Path,
    made: Made,
    number: int = 0,
    overrides: Sequence[str] = (),
    status: Status = Status.FINISHED,
) -> Path:
    """The folder of a run, or of a sweep's cell."""
    folder.mkdir(parents=True)
    _manifest(folder, made, number, overrides, status).write(folder)
    return folder


def _manifest(
    folder: Path, made: Made, number: int, overrides: Sequence[str], status: Status
) -> Manifest:
    failed = status == Status.FAILED
    return replace(
        MANIFEST,
        run_id=f"{SWEEP.sweep_id}-{number:04d}",
        mlflow_run_id=f"mlflow-{number}",
        status=status,
        question=made.question,
        overrides=list(overrides),
        images=[] if failed else [_image(folder, made, number, n) for n in range(_count(made))],
        metrics={"ssim": SavedMetric("higher"), "warmth": SavedMetric(None)},
        failures=[SavedFailure("k", "decode", made.error)] if failed else [],
        config=_config(made, overrides),
        environment={
            "runner": "0.1.0",
            "device": "cpu",
            "libraries": {"torch": "2.13.0" if number < 4 else "2.14.0"},
            "weights": {"decoder": {"sha256": "b6d4bdf7", "revision": None}},
        },
    )


def picture(number: int, place: int, side: int) -> Image.Image:
    """A colour of its own for each picture of a sweep."""
    hue = (number * 0.17 + place * 0.031) % 1
    colour = tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.8, 0.9))
    return Image.new("RGB", (side, side), colour)


def _count(made: Made) -> int:
    return len(made.prompts) * len(made.seeds)


def _image(folder: Path, made: Made, number: int, place: int) -> SavedImage:
    prompt = made.prompts[place // len(made.seeds)]
    seed = made.seeds[place % len(made.seeds)]
    image = picture(number, place, made.side)
    file = picture_name(place, seed)
    (folder / file).write_bytes(png_bytes(image))
    took = {"prior": 0.25, "decode": 0.25 * (number % 3 + 1) + 0.01 * place}
    scores = {"ssim": 0.5 + 0.05 * number + 0.01 * place, "warmth": 10.0 - number}
    if number in made.lacking:
        del scores["ssim"]
    inputs = {name: f"inputs/{name}_0123abcd.png" for name in made.inputs}
    for given in inputs.values():
        (folder / given).parent.mkdir(exist_ok=True)
        (folder / given).write_bytes(png_bytes(Image.new("RGB", (48, 16), GIVEN)))
    return replace(
        IMAGE,
        file=file,
        prompt=prompt,
        seed=seed,
        height=made.side,
        width=made.side,
        sha256=pixel_sha256(image),
        stage_keys={"prior": f"prior{place}", "decode": f"decode{number}-{place}"},
        seconds=sum(took.values()),
        took=took,
        timing=made.timing,
        inputs=inputs,
        scores=scores,
    )


def _config(made: Made, overrides: Sequence[str]) -> dict[str, Any]:
    config: dict[str, Any] = {"baseline": made.baseline, "seeds": list(made.seeds)}
    for override in overrides:
        key, _, value = override.partition("=")
        inner = config
        *groups, last = key.split(".")
        for group in groups:
            inner = inner.setdefault(group, {})
        inner[last] = value
    return config


def comparison(of: str = "") -> dict[str, Any]:
    """What `kandinsky compare` writes of such a sweep."""

    def row(steps: str, scheduler: str, verdict: str, *numbers: float | None) -> dict[str, Any]:
        difference, low, high = numbers
        return {
            "choice": {"scheduler": scheduler, "decoder.steps": steps}, "n": 4, "mean": 0.6,
            "mean_low": 0.5, "mean_high": 0.7, "pairs": 4, "difference": difference, "low": low,
            "high": high, "verdict": verdict,
        }  # fmt: skip

    rows = [
        row("5", "ddim", "worse", -0.02, -0.04, -0.003),
        row("50", "ddim", "baseline", None, None, None),
        row("5", "ddpm", "better", 0.03, 0.01, 0.05),
        row("10", "ddpm", "too few pairs", 0.01, None, None),
    ]
    return {
        "version": 2,
        "of": of,
        "by": ["scheduler", "decoder.steps"],
        "baseline": {"scheduler": "ddim", "decoder.steps": "50"},
        "confidence": 0.95,
        "note": "Pairs of the same prompt and seed.",
        "metrics": {
            "ssim": {"better": "higher", "rows": rows},
            "seconds": {"better": "lower", "rows": rows[1:]},
            "warmth": {
                "better": None,
                "rows": [row(steps, "ddim", "none", None, None, None) for steps in ("5", "10")],
            },
        },
        "pareto": {},
    }
