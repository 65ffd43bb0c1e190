"""Asks whether what a record takes is agreed with."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence


def agree_if(yes: bool) -> Callable[[Sequence[str]], bool]:
    """Says what a record takes; asks, where somebody can answer and has not agreed yet."""

    def agree(asked: Sequence[str]) -> bool:
        print("this record takes:", *(f"  {one}" for one in asked), sep="\n", file=sys.stderr)
        if yes or not sys.stdin.isatty():
            return yes
        print("go on? [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    return agree


def add_yes(parser: argparse.ArgumentParser) -> None:
    """Add the option that agrees."""
    parser.add_argument(
        "--yes", action="store_true",
        help="agree with whatever the record takes: addresses, downloads, large pictures; "
        "otherwise that is asked for",
    )  # fmt: skip
