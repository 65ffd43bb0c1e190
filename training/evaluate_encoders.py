"""What each text encoder of Kandinsky 2.0 adds: `python -m training.evaluate_encoders`.

Held-out prompts are drawn with the results of an encoder set to zero, for the prompt and for the
empty text that guidance compares with, and judged as in `training.evaluate`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from runner.mini.known import read_known
from runner.weights.find import MINI_DIR
from training.evaluate import HEAD, RULE, Row, line, pairs_of
from training.judging.family import how
from training.judging.judge import judge, matches
from training.judging.pipelines import SIDE, Pipelines

SILENCED: dict[str, tuple[str, ...]] = {
    "both encoders": (),
    "no states of the first": ("prompt_embeds",),
    "no pooled output of the first": ("pooled_prompt_embeds",),
    "nothing of the first": ("prompt_embeds", "pooled_prompt_embeds"),
    "nothing of the second": ("prompt_embeds_2",),
    "nothing of either": ("prompt_embeds", "pooled_prompt_embeds", "prompt_embeds_2"),
}
"""What is drawn -> the results that are set to zero."""
SHOWN = 8
"""Pictures of each in the sheet."""


def draw(pipeline: Any, prompt: str, seed: int, zeroed: tuple[str, ...]) -> NDArray[np.uint8]:
    """A picture, uint8 [128, 128, 3], of the prompt without the results named in `zeroed`."""
    told = dict(pipeline.encode_prompt(prompt))
    silent = {*zeroed, *(f"negative_{name}" for name in zeroed)}
    told = {key: torch.zeros_like(t) if key in silent else t for key, t in told.items()}
    return np.asarray(pipeline(**told, **how(seed)).images[0])


def main(arguments: list[str] | None = None) -> None:
    """Draw and judge; print a table and, if asked, save a sheet with a row for each line of it."""
    options = parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    pipeline = Pipelines(options.weights).kandinsky_2_0
    pairs = pairs_of(
        Row("2.0", language=options.language), options.pairs, read_known(options.weights)
    )
    shown = []
    print(HEAD, RULE, sep="\n", flush=True)
    for name, zeroed in SILENCED.items():
        images = [draw(pipeline, prompt, seed, zeroed) for prompt, seed, _ in pairs]
        results = [matches(judge(i), asked) for i, (_, _, asked) in zip(images, pairs, strict=True)]
        print(line(name, results), flush=True)
        shown.append(images[:SHOWN])
    if options.sheet is not None:
        sheet = np.concatenate([np.concatenate(drawn, axis=1) for drawn in shown])
        Image.fromarray(sheet).save(options.sheet, optimize=True)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m training.evaluate_encoders",
        description="Judge the small Kandinsky 2.0 with its text encoders silenced.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    made.add_argument("--pairs", type=int, default=50)
    made.add_argument("--language", choices=["en", "ru", "zh"], default="en")
    made.add_argument("--weights", type=Path, default=MINI_DIR)
    made.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
    made.add_argument("--sheet", type=Path, help=f"PNG: a row each, {SHOWN} pictures, {SIDE} px")
    return made


if __name__ == "__main__":
    main()
