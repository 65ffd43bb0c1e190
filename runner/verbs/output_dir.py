"""The output folder, as an argument of the verbs that look at one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runner.errors import ConfigError
from runner.system.text import with_near
from runner.verbs.parser import VerbParser


def add_output_dir(parser: VerbParser, changes: Sequence[str] = ()) -> None:
    """Add `output_dir`, a folder: only the usual one need not be there yet.

    Args:
        changes: words that may stand in its place, of which one may be mistyped.
    """

    def folder(text: str) -> Path:
        if not Path(text).is_dir():
            allowed = ", ".join(["a folder", *changes])
            raise ConfigError("output_dir", text, with_near("is no folder", text, changes), allowed)
        return Path(text)

    parser.add_argument(
        "output_dir", nargs="?", default=Path("outputs"), type=folder,
        help="as in the runs (%(default)s)",
    )  # fmt: skip
