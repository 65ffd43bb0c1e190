"""`kandinsky convert`: makes diffusers folders of the published files of Kandinsky 2.0."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from runner.catalog.quantization import PACKAGES
from runner.system.imports import without
from runner.system.text import path_here
from runner.verbs.parser import VerbParser


def main(arguments: list[str]) -> int:
    """Convert, and print what was written and what was left out."""
    options = parser().parse_args(arguments)
    # What diffusers and transformers would import because it is there prints messages.
    with without(PACKAGES):
        _convert(options)
    return 0


def _convert(options: argparse.Namespace) -> None:
    # Imported here, as they import torch.
    from runner.kandinsky2_0.conversion.convert import convert
    from runner.pipelines.load import quiet_libraries

    quiet_libraries()
    source, target = (path.expanduser().absolute() for path in (options.source, options.target))
    done = convert(source, target, dtype=options.dtype, tell=print)
    for name, dropped in done.dropped.items():
        begun = Counter(tensor.split(".")[0] for tensor in dropped)
        for beginning, number in begun.items():
            print(f"left out of {name}, as no model needs them: {number} x {beginning}.*")
    for folder in done.folders:
        print(path_here(folder))


def parser() -> VerbParser:
    """The argument parser."""
    made = VerbParser(
        prog="kandinsky convert",
        description="Folders in diffusers' layout, with safetensors, of the published files of "
        "Kandinsky 2.0 (https://huggingface.co/ai-forever/Kandinsky_2.0). The files are read "
        "without being executed, one tensor at a time. A tensor that is missing or left over is "
        "named, and nothing is written.",
    )
    made.add_argument(
        "source", type=Path, metavar="SOURCE",
        help="the folder with Kandinsky-2-0.pt, Kandinsky-2-0-inpainting.pt (or one of them), "
        "vae.ckpt, text_encoder1/ and text_encoder2/",
    )  # fmt: skip
    made.add_argument(
        "target", type=Path, metavar="TARGET",
        help="the folder in which kandinsky-2-0/ and kandinsky-2-0-inpaint/ are made",
    )  # fmt: skip
    made.add_argument(
        "--dtype", choices=("keep", "float32", "float16"), default="keep",
        help="of the written weights (default: as stored)",
    )  # fmt: skip
    return made
