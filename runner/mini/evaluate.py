"""How often the family draws what was asked: `python -m runner.mini.evaluate --pairs 100`.

Prompts name combinations that training never drew; pictures come from the exported folders
through diffusers' own two pipelines, and a strict judge reads their pixels.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import torch
from diffusers import DDIMScheduler, KandinskyV22Pipeline, KandinskyV22PriorPipeline
from numpy.typing import NDArray
from PIL import Image

from runner.mini.judge import judge, matches
from runner.mini.scenes import all_combinations, phrase
from runner.mini.training.export import DECODER_FOLDER, PRIOR_FOLDER
from runner.mini.vocabulary import HELD_OUT, Combination

WEIGHTS = Path(__file__).parent / "weights"
SIDE = 128
ATTRIBUTES = ("background", "count", "shape", "colour", "all")

Pair = tuple[str, int, Combination]
"""A prompt, a seed, and what the picture should show."""


@dataclass(frozen=True)
class Settings:
    """How pictures are made; the defaults are those of the judged promise."""

    scheduler: str = "ddim"
    prior_steps: int = 25
    prior_guidance: float = 4.0
    decoder_steps: int = 25
    decoder_guidance: float = 2.0
    batch: int = 10


@dataclass(frozen=True)
class Pipelines:
    """The exported family, loaded in float32."""

    prior: KandinskyV22PriorPipeline
    decoder: KandinskyV22Pipeline


def held_out_pairs(n: int) -> list[Pair]:
    """`n` fixed pairs: the held-out combinations in turn, each time worded and seeded anew."""
    return pairs_of(sorted(HELD_OUT), n, "held out")


def seen_pairs(n: int) -> list[Pair]:
    """`n` fixed pairs of combinations that training did draw, to compare with the held-out."""
    seen = [combination for combination in all_combinations() if combination not in HELD_OUT]
    Random("order of the seen").shuffle(seen)
    return pairs_of(seen, n, "seen")


def pairs_of(combinations: Sequence[Combination], n: int, source: str) -> list[Pair]:
    """`n` pairs that go round `combinations`; wording and seed depend on `source` and place."""
    pairs = []
    for place in range(n):
        rng = Random(f"{source}/{place}")
        asked = combinations[place % len(combinations)]
        prompt = phrase(rng, asked.shape, asked.colour, asked.background)
        pairs.append((prompt, rng.randrange(2**31), asked))
    return pairs


def load_pipelines(weights: Path = WEIGHTS) -> Pipelines:
    """Load the two folders of the family."""
    prior = KandinskyV22PriorPipeline.from_pretrained(
        weights / PRIOR_FOLDER, dtype=torch.float32, local_files_only=True
    )
    decoder = KandinskyV22Pipeline.from_pretrained(
        weights / DECODER_FOLDER, dtype=torch.float32, local_files_only=True
    )
    for pipeline in (prior, decoder):
        pipeline.set_progress_bar_config(disable=True)
    return Pipelines(prior, decoder)


def use_ddim(decoder: KandinskyV22Pipeline) -> None:
    """Swap the decoder's scheduler for DDIM.

    A left-over `variance_type` would keep the variance channels in the prediction, and the default
    `clip_sample` would cut latents at 1.
    """
    config = dict(decoder.scheduler.config)
    config.pop("variance_type", None)
    decoder.register_modules(scheduler=DDIMScheduler.from_config({**config, "clip_sample": False}))


def draw(
    pipelines: Pipelines, pairs: Sequence[Pair], settings: Settings
) -> Iterator[NDArray[np.uint8]]:
    """Draw each pair, uint8 [128, 128, 3]; each stage's generator starts from the pair's seed."""
    if settings.scheduler == "ddim":
        use_ddim(pipelines.decoder)
    for start in range(0, len(pairs), settings.batch):
        chunk = pairs[start : start + settings.batch]
        seeds = [seed for _, seed, _ in chunk]
        told = pipelines.prior(
            [prompt for prompt, _, _ in chunk],
            num_inference_steps=settings.prior_steps,
            guidance_scale=settings.prior_guidance,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
        )
        images = pipelines.decoder(
            image_embeds=told.image_embeds,
            negative_image_embeds=told.negative_image_embeds,
            height=SIDE,
            width=SIDE,
            num_inference_steps=settings.decoder_steps,
            guidance_scale=settings.decoder_guidance,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
        ).images
        yield from (np.asarray(image) for image in images)


def wilson(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """95% Wilson score interval of a share of `right` in `n`."""
    share = right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def table(results: Sequence[dict[str, bool]]) -> str:
    """A Markdown table: of each attribute how many are right, with the 95% interval."""
    lines = ["| judged | right | share | 95% interval |", "|---|---|---|---|"]
    for attribute in ATTRIBUTES:
        right = sum(result[attribute] for result in results)
        low, high = wilson(right, len(results))
        name = "all right" if attribute == "all" else attribute
        share = f"{right / len(results):.2f}"
        lines.append(f"| {name} | {right} of {len(results)} | {share} | {low:.3f} to {high:.3f} |")
    return "\n".join(lines)


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
    """Draw, judge, print the table and the misses."""
    options = parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    chosen = held_out_pairs if options.combinations == "held-out" else seen_pairs
    pairs = chosen(options.pairs)
    settings = Settings(options.scheduler, batch=options.batch)
    pipelines = load_pipelines(options.weights)
    started = time.monotonic()
    images = list(draw(pipelines, pairs, settings))
    seconds = (time.monotonic() - started) / len(images)
    verdicts = [judge(image) for image in images]
    results = [matches(v, asked) for v, (_, _, asked) in zip(verdicts, pairs, strict=True)]
    print(f"{options.combinations}, {options.scheduler}, {seconds:.2f} s a picture\n")
    print(table(results))
    for (prompt, seed, _), verdict, result in zip(pairs, verdicts, results, strict=True):
        if not result["all"]:
            print(f"wrong: {prompt!r} seed {seed}: {verdict}")
    if options.sheet is not None:
        contact_sheet(images, [result["all"] for result in results]).save(options.sheet)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m runner.mini.evaluate",
        description="Judge the small family on prompts it was never trained on.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    made.add_argument("--pairs", type=int, default=100)
    made.add_argument("--scheduler", choices=["ddim", "ddpm"], default="ddim")
    made.add_argument("--combinations", choices=["held-out", "seen"], default="held-out")
    made.add_argument("--batch", type=int, default=10, help="pictures drawn at once")
    made.add_argument("--weights", type=Path, default=WEIGHTS)
    made.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
    made.add_argument("--sheet", type=Path, help="PNG of all pictures, wrong ones framed")
    return made


if __name__ == "__main__":
    main()
