"""Plots as files: PNG, PDF and SVG of one figure, with its config inside. Imports matplotlib."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, TypeAlias

import matplotlib
from matplotlib.artist import Artist
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from runner.analysis.figure_config import KEY, FigureConfig, as_text
from runner.analysis.plot_fonts import families, font_faces

FORMATS = ("png", "pdf", "svg")
Untyped: TypeAlias = Any
"""A matplotlib object, untyped for mypy."""


@contextmanager
def drawing_with(texts: Sequence[str]) -> Iterator[None]:
    """matplotlib's defaults, and what makes files that are alike and whose text is text."""
    with matplotlib.rc_context(matplotlib.rcParamsDefault):
        settings = matplotlib.rcParams
        settings["font.family"] = [*families(texts), *settings["font.family"]]
        # TrueType: many journals refuse Type 3.
        settings["pdf.fonttype"] = 42
        settings["svg.fonttype"] = "none"
        # Else each run would give other ids.
        settings["svg.hashsalt"] = "kandinsky"
        settings["text.parse_math"] = False
        yield


def plot_files(figure: Figure, texts: Sequence[str], config: FigureConfig) -> dict[str, bytes]:
    """A figure's files by format, within `drawing_with` these texts."""
    made = {}
    for kind in FORMATS:
        out = io.BytesIO()
        save_figure(figure, kind, out, texts, config)
        made[kind] = out.getvalue()
    return made


def save_figure(
    figure: Figure, kind: str, out: BinaryIO, texts: Sequence[str], config: FigureConfig
) -> None:
    """Write a figure as png, pdf or svg; the same figure gives the same bytes."""
    title = str(config.get("title") or config["figure"])
    program = f"kandinsky-runner {config['versions']['runner']}"
    if kind == "pdf":
        said = {"Title": title, "Creator": program, "CreationDate": None}
        with PdfPages(out, metadata=said) as pages:
            pages.infodict()[KEY] = as_text(config)
            pages.savefig(figure)
    elif kind == "svg":
        said = {"Title": title, "Creator": program, "Date": None, "Description": as_text(config)}
        fonts = _Fonts(font_faces(texts))
        figure.add_artist(fonts)
        figure.savefig(out, format="svg", metadata=said)
        fonts.remove()
    else:
        figure.savefig(out, format=kind, metadata={"Software": None, KEY: as_text(config)})


class _Fonts(Artist):
    """The fonts' files inside an SVG: else its text would be in whatever the reader has."""

    def __init__(self, css: str) -> None:
        super().__init__()
        self.css = css
        self.set_zorder(-1)
        self.set_in_layout(False)

    def draw(self, renderer: Untyped) -> None:
        renderer.writer.element("style", self.css, attrib={"type": "text/css"})
