"""How often the family draws what was asked: `python -m training.evaluate --pairs 200`.

Prompts name combinations that training never drew; pictures come from the exported folders
through diffusers' own pipelines (those of 2.0 are the runner's), and a strict judge reads their
pixels.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from runner.mini.known import Known, read_known
from runner.weights.find import MINI_DIR
from training.captions import LANGUAGES
from training.judging.held_out import everything, held_out_scenes
from training.judging.judge import judge, matches
from training.judging.pipelines import SIDE, Pipelines
from training.scenes import Mention

ATTRIBUTES = ("background", "count", "shape", "colour", "relation", "all")

Pair = tuple[str, int, Mention]
"""A prompt, a seed, and what the picture should show."""


@dataclass(frozen=True)
class Row:
    """A row of the table: what is asked for, in which language, and how pictures are made.

    `version` is 2.2, 2.1, 2.0 or 3, `objects` 1 or 2. The other defaults are those of the judged
    promise.
    """

    version: str = "2.2"
    objects: int = 1
    language: str = "en"
    scheduler: str = "ddim"
    prior_steps: int = 25
    prior_guidance: float = 4.0
    decoder_steps: int = 25
    decoder_guidance: float = 2.0

    @property
    def name(self) -> str:
        """For the table: what differs from the defaults."""
        asked = "one object" if self.objects == 1 else "two objects"
        how = f"{self.scheduler.upper()}, {self.decoder_steps} steps, g {self.decoder_guidance:g}"
        return f"{self.version}, {asked}, {self.language}, {how}"


ROWS: tuple[Row, ...] = (
    Row(),
    Row(scheduler="ddpm"),
    Row(language="ru"),
    Row(language="zh"),
    Row(decoder_steps=10),
    Row(decoder_steps=50),
    Row(decoder_guidance=1.0),
    Row(decoder_guidance=4.0),
    Row(objects=2),
    Row(objects=2, scheduler="ddpm"),
    Row(objects=2, language="ru"),
    Row(objects=2, language="zh"),
    Row("2.1"),
    Row("2.1", scheduler="ddpm"),
    Row("2.1", objects=2),
    Row("2.0"),
    Row("2.0", scheduler="ddpm"),
    Row("2.0", language="ru"),
    Row("2.0", language="zh"),
    Row("2.0", objects=2),
    Row("3", decoder_guidance=3.0),
    Row("3", scheduler="ddpm", decoder_guidance=3.0),
    Row("3", objects=2, decoder_guidance=3.0),
)
"""The table of the model card."""


def pairs_of(row: Row, count: int, known: Known) -> list[Pair]:
    """`count` fixed pairs; the same scenes and seeds in every language."""
    scenes = held_out_scenes(row.objects, count, known)
    pairs = []
    for place, scene in enumerate(scenes):
        rng = Random(f"{row.language}/{place}")
        asked = everything(scene)
        prompt = LANGUAGES[row.language](rng, asked)
        pairs.append((prompt, Random(f"seed/{place}").randrange(2**31), asked))
    return pairs


def draw(
    pipelines: Pipelines, pairs: Sequence[Pair], row: Row, batch: int = 10
) -> Iterator[NDArray[np.uint8]]:
    """Draw each pair as the row says: see `Pipelines.draw`."""
    for start in range(0, len(pairs), batch):
        chunk = pairs[start : start + batch]
        yield from pipelines.draw(
            row.version,
            [prompt for prompt, _, _ in chunk],
            [seed for _, seed, _ in chunk],
            scheduler=row.scheduler,
            prior_steps=row.prior_steps,
            prior_guidance=row.prior_guidance,
            steps=row.decoder_steps,
            guidance=row.decoder_guidance,
        )


def wilson(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """95% Wilson score interval of a share of `right` in `n`."""
    share = right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


HEAD = "| asked and made | n | " + " | ".join(ATTRIBUTES) + " | 95% interval |"
RULE = "|---|---|" + "---|" * (len(ATTRIBUTES) + 1)


def line(name: str, results: Sequence[dict[str, bool]]) -> str:
    """A line of the Markdown table: a name, in which share of the pictures each attribute is right,
    and the 95% interval of all right.
    """
    count = len(results)
    right = [sum(result[attribute] for result in results) for attribute in ATTRIBUTES]
    low, high = wilson(right[-1], count)
    shares = " | ".join(f"{number / count:.2f}" for number in right)
    return f"| {name} | {count} | {shares} | {low:.2f} to {high:.2f} |"


def contact_sheet(
    images: Sequence[NDArray[np.uint8]], right: Sequence[bool], columns: int = 10
) -> Image.Image:
    """All pictures in rows; a wrong one has a magenta frame."""
    cell = SIDE + 6
    sheet = Image.new("RGB", (columns * cell, math.ceil(len(images) / columns) * cell), "white")
    for place, (image, good) in enumerate(zip(images, right, strict=True)):
        corner = (place % columns * cell, place // columns * cell)
        framed = Image.new("RGB", (cell, cell), "white" if good else "magenta")
        framed.paste(Image.fromarray(image), (3, 3))
        sheet.paste(framed, corner)
    return sheet


def main(arguments: list[str] | None = None) -> None:
    """Draw, judge, print the table and, if asked, the misses."""
    options = parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    pipelines = Pipelines(options.weights)
    known = read_known(options.weights)
    rows = (
        [row for row in ROWS if pipelines.has(row.version) and within(row, known)]
        if options.all
        else [chosen_row(options)]
    )
    print(HEAD, RULE, sep="\n", flush=True)
    for row in rows:
        pairs = pairs_of(row, options.pairs, known)
        started = time.monotonic()
        images = list(draw(pipelines, pairs, row, options.batch))
        seconds = (time.monotonic() - started) / len(images)
        verdicts = [judge(image) for image in images]
        results = [matches(v, asked) for v, (_, _, asked) in zip(verdicts, pairs, strict=True)]
        print(line(row.name, results), flush=True)
        if options.misses:
            print(f"{seconds:.2f} s a picture")
            for (prompt, seed, _), verdict, result in zip(pairs, verdicts, results, strict=True):
                if not result["all"]:
                    print(f"wrong: {prompt!r} seed {seed}: {verdict}")
        if options.sheet is not None:
            contact_sheet(images, [result["all"] for result in results]).save(options.sheet)


def within(row: Row, known: Known) -> bool:
    """Whether the weights were taught what the row asks for."""
    return row.language in known.languages and row.objects <= known.most_objects


def chosen_row(options: argparse.Namespace) -> Row:
    """The row that the options describe."""
    named = ("version", "objects", "language", "scheduler", "decoder_steps", "decoder_guidance")
    given = {name: getattr(options, name) for name in named}
    return replace(Row(), **{name: value for name, value in given.items() if value is not None})


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m training.evaluate",
        description="Judge the small family on prompts it was never trained on.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    made.add_argument("--all", action="store_true", help="every row of the model card's table")
    made.add_argument("--pairs", type=int, default=200, help="of each row")
    made.add_argument("--version", choices=["2.0", "2.1", "2.2", "3"])
    made.add_argument("--objects", type=int, choices=[1, 2])
    made.add_argument("--language", choices=sorted(LANGUAGES))
    made.add_argument("--scheduler", choices=["ddim", "ddpm"])
    made.add_argument("--decoder-steps", type=int)
    made.add_argument("--decoder-guidance", type=float)
    made.add_argument("--batch", type=int, default=10, help="pictures drawn at once")
    made.add_argument("--weights", type=Path, default=MINI_DIR)
    made.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
    made.add_argument("--misses", action="store_true", help="list what is wrong")
    made.add_argument("--sheet", type=Path, help="PNG of all pictures, wrong ones framed")
    return made


if __name__ == "__main__":
    main()
