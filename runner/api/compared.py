"""A comparison, as a program and a notebook read it."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from runner.api import html
from runner.system.machine import check_installed

if TYPE_CHECKING:
    import pandas

    from runner.analysis.asking import Answer, Views


@dataclass(frozen=True)
class Compared:
    """What a comparison found.

    Attributes:
        found: rows of numbers and verdicts, typed.
    """

    found: Answer = field(repr=False)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the sweep lacks for this comparison, as pictures that are missing."""
        return self.found.warnings

    def table(self) -> pandas.DataFrame:
        """A row for each metric and setting (and stratum), with all digits."""
        check_installed("table", None, ("pandas",))
        # Imported here: it takes half a second.
        import pandas

        text = io.StringIO(self._views.as_csv(self.found))
        return pandas.read_csv(text, keep_default_na=False, na_values=[""])

    def write(self, folder: str | Path) -> list[Path]:
        """Write the files of `kandinsky compare`: Markdown, CSV, LaTeX, JSON, plots."""
        return self._views.write(self.found, Path(folder).absolute())

    @property
    def _views(self) -> Views:
        # Imported here, as it imports scipy.
        from runner.analysis.asking import VIEWS

        return VIEWS[type(self.found)]

    def __str__(self) -> str:
        """The tables as the command prints them, with all notes."""
        printed = io.StringIO()
        with redirect_stdout(printed):
            self._views.show(self.found, methods=True)
        return printed.getvalue()

    def __repr__(self) -> str:
        return f"<Compared: {self._views.heading(self.found)}>"

    def _repr_html_(self) -> str:
        tables = self._views.tables(self.found, every_axis=False)
        parts = [html.table(table) for table in tables]
        return html.titled(
            self._views.heading(self.found), "".join(parts) + html.notes(self.found.notes)
        )
