"""`kandinsky reproduce`: runs a recorded run again and checks that the pictures are the same."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from runner.config.choices import Progress
from runner.errors import ConfigError
from runner.system.text import pluralize
from runner.verbs.agree import add_yes, agree_if
from runner.verbs.parser import VerbParser

if TYPE_CHECKING:
    from runner.runs.reproduce import Reproduction


def main(arguments: list[str]) -> int:
    """Exit status 0: the same; 1: something differs; 2: there is no such record."""
    options = parser().parse_args(arguments)
    if not 0 <= options.tolerance <= 255:
        raise ConfigError("tolerance", options.tolerance, "is no number of levels", "0 to 255")
    # Imported here, as it imports numpy and more.
    from runner.runs.find import find_record
    from runner.runs.reproduce import reproduce

    record = find_record(options.run, options.output_dir.absolute())
    found = reproduce(record, agree_if(options.yes), Progress[options.progress])
    # With `json` standard output is for other programs alone.
    out = sys.stderr if options.progress == Progress.json.name else sys.stdout
    print("\n".join(_said_of(found)), file=out)
    return 0 if found.succeeded(options.tolerance) else 1


def _said_of(found: Reproduction) -> Iterator[str]:
    exact = sum(one.exact for one in found.comparisons)
    yield f"{exact} of {pluralize(len(found.comparisons), 'picture')} the same, pixel by pixel"
    for one in found.comparisons:
        if not one.exact:
            how = one.error or (
                "differs; the recorded picture is not here to measure by how much"
                if one.furthest is None
                else f"differs by up to {one.furthest} of 255 levels"
            )
            yield f"  {one.image.prompt!r}, seed {one.image.seed}: {how}"
    for taken in found.taken:
        yield f"  {taken}"
    for contradiction in found.contradictions:
        yield f"  not as recorded: {contradiction}"
    if exact < len(found.comparisons):
        yield (
            "  likely because of: " + "; ".join(found.changed)
            if found.changed
            else "  device, threads and libraries are as they were"
        )
    elif found.changed:
        yield "  though these have changed: " + "; ".join(found.changed)


def parser() -> VerbParser:
    """The argument parser."""
    made = VerbParser(
        prog="kandinsky reproduce",
        description="Run a recorded run once more, without stored results, and compare the pixels.",
    )
    made.add_argument(
        "run", help="a manifest.json, a run's folder, a picture of a run, or the id of a run"
    )
    made.add_argument(
        "output_dir", nargs="?", default="outputs", type=Path, help="where ids are looked for"
    )
    made.add_argument(
        "--tolerance", type=int, default=0, metavar="LEVELS",
        help="of 255, by which a pixel may differ: other devices and libraries add up in another "
        "order (%(default)s)",
    )  # fmt: skip
    add_yes(made)
    made.add_argument("--progress", choices=[p.name for p in Progress], default="auto")
    return made
