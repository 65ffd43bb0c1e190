"""The output folder, as an argument of the verbs that look at one."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_output_dir(parser: argparse.ArgumentParser) -> None:
    """Add `output_dir`, a folder: only the usual one need not be there yet."""
    parser.add_argument(
        "output_dir", nargs="?", default=Path("outputs"), type=_folder,
        help="as in the runs (%(default)s)",
    )  # fmt: skip


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder")
    return Path(text)
