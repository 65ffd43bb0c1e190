"""One table of the pictures of several sweeps and runs: a row a picture."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from runner.analysis.results import ImageResult, SweepResult
from runner.analysis.spreadsheet import csv_text
from runner.analysis.together import labels_of, value_of
from runner.analysis.votes.record import tally
from runner.config.measuring import SECONDS

if TYPE_CHECKING:
    import pandas

Value: TypeAlias = str | int | float | None

FIRST = ("sweep", "cell")
PICTURE = ("prompt", "seed")
VOTES = ("won", "tied", "lost")
LAST = (SECONDS, "file", "sha256")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
WHOLE = re.compile(r"[+-]?\d{1,18}")


@dataclass(frozen=True)
class Table:
    """Rows of equal length, in the order of the sweeps, cells and pictures.

    Attributes:
        columns: sweep, cell, each axis, prompt, seed, each score, seconds, file, sha256; before
            seconds how often a picture won, tied and lost, where there are votes.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]

    def as_csv(self) -> str:
        """With a line of headings. A text that a spreadsheet would run as a formula gets an
        apostrophe in front.
        """
        return csv_text((self.columns, *self.rows))

    def as_pandas(self) -> pandas.DataFrame:
        """A DataFrame. A column of numbers is one of numbers; what is missing is missing there."""
        # Imported here: it takes half a second.
        import pandas

        columns = {
            name: _numeric([row[place] for row in self.rows])
            for place, name in enumerate(self.columns)
        }
        made = pandas.DataFrame(columns, columns=list(self.columns))
        return made.astype({SECONDS: "float64"})

    def as_parquet(self) -> bytes:
        """A Parquet file, with the columns of `as_pandas`. Needs pyarrow."""
        made: bytes = self.as_pandas().to_parquet(index=False)
        return made


def table_of(sweeps: Sequence[SweepResult], name_file: Callable[[Path], str] = str) -> Table:
    """The table of some sweeps' pictures, with the axes of all of them.

    An axis that another sweep varies has the value of the cell's config. A score of all pictures
    of a cell together is in the row of each of them. Seconds are there where a sweep's were
    measured together.

    Args:
        name_file: how a picture's path is written.
    """
    axes = _once(axis for sweep in sweeps for axis in sweep.axes if axis not in PICTURE)
    scores = _once(name for sweep in sweeps for name in sweep.better if name != SECONDS)
    named = {axis: axis.lstrip("+") for axis in axes}
    counts = [tally(sweep) for sweep in sweeps]
    voted = VOTES if any(counts) else ()
    taken = {*FIRST, *PICTURE, *voted, *LAST, *named.values()}
    columns = (
        *FIRST, *named.values(), *PICTURE,
        *(f"score.{name}" if name in taken else name for name in scores), *voted,
        *LAST,
    )  # fmt: skip
    labels = labels_of([sweep.folder for sweep in sweeps])
    rows: list[tuple[Value, ...]] = []
    for sweep, label, tallied in zip(sweeps, labels, counts, strict=True):
        for cell in sweep.cells:
            chosen = [value_of(cell, axis) for axis in axes]
            for image in cell.images:
                own = {**cell.scores, **sweep.scores_of(image)}
                rows.append(
                    (label, cell.number, *chosen, image.prompt, image.seed,
                     *(own.get(name) for name in scores),
                     *(_votes(tallied, image) if voted else ()), own.get(SECONDS),
                     name_file(image.file), image.record.sha256)
                )  # fmt: skip
    return Table(columns, tuple(rows))


def _votes(tallied: Mapping[tuple[Path, str], Sequence[int]], image: ImageResult) -> list[Value]:
    return list(tallied.get((image.file, image.record.sha256), (None,) * len(VOTES)))


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _numeric(values: Sequence[Value]) -> Sequence[Value]:
    """Texts as numbers where each of them is one, as the values of an axis are."""
    texts = [value for value in values if value is not None]
    if not texts or not all(isinstance(v, str) and NUMBER.fullmatch(v) for v in texts):
        return values
    kind: type[int] | type[float] = int if all(WHOLE.fullmatch(str(v)) for v in texts) else float
    return [None if value is None else kind(value) for value in values]
