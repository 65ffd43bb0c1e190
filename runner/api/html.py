"""What a notebook shows: pictures and tables as HTML that stands alone, users' texts escaped.

Styles are attributes, since notebooks share one page and some remove style elements; colours are
the notebook's own, but for verdicts.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from runner.images.png import DamagedPictureError
from runner.images.thumbnails import thumbnail_webp
from runner.system.terminal import clean

if TYPE_CHECKING:
    from runner.analysis.comparison.tables import Table

MOST_PICTURES, MOST_ROWS, MOST_IN_ROW = 24, 12, 8
"""A saved notebook holds what it shows: about 10 kB a picture."""
MOST_LINES = 30
"""Of a table without pictures."""
WIDTH = 128
"""CSS pixels of a picture."""
LONGEST_CAPTION = 80
COLOURS = {"better": "#1a7f37", "worse": "#cf222e"}
FIGURE = f"display:inline-block;vertical-align:top;margin:4px;width:{WIDTH}px;line-height:1.25"
SMALL = "font-size:85%;opacity:.75"


def caption(prompt: str, seed: int) -> str:
    """The text below a picture."""
    short = prompt if len(prompt) <= LONGEST_CAPTION else f"{prompt[: LONGEST_CAPTION - 1]}…"
    return f"{short} (seed {seed})".lstrip()


def titled(title: str, body: str) -> str:
    """A title, which is text, above a body, which is HTML."""
    return f'<div><div style="font-weight:600">{_text(title)}</div>{body}</div>'


def gallery(files: Sequence[Path], captions: Sequence[str]) -> str:
    """Pictures side by side with their captions; of many the first `MOST_PICTURES`."""
    shown = zip(files[:MOST_PICTURES], captions, strict=False)
    figures = "".join(_figure(file, text) for file, text in shown)
    return f"<div>{figures}</div>{_more(len(files) - MOST_PICTURES, 'picture')}"


def rows_of_pictures(rows: Sequence[tuple[str, Sequence[Path], Sequence[str]]]) -> str:
    """A row for each label with its pictures and captions; of many the first `MOST_ROWS`."""
    drawn = "".join(
        '<tr><th style="text-align:left;vertical-align:top;padding:8px 12px 0 0">'
        f'{_text(label)}</th><td style="text-align:left">'
        + "".join(_figure(*one) for one in zip(files[:MOST_IN_ROW], captions, strict=False))
        + _more(len(files) - MOST_IN_ROW, "picture")
        + "</td></tr>"
        for label, files, captions in rows[:MOST_ROWS]
    )
    return f"<table>{drawn}</table>{_more(len(rows) - MOST_ROWS, 'cell')}"


def table(drawn: Table) -> str:
    """A table of a comparison."""
    aligned = ["right" if column.numeric else "left" for column in drawn.columns]
    head = "".join(
        _cell("th", column.heading, side)
        for column, side in zip(drawn.columns, aligned, strict=True)
    )
    body = "".join(
        f'<tr style="color:{COLOURS.get(line.verdict, "inherit")}">'
        + "".join(_cell("td", text, side) for text, side in zip(line.cells, aligned, strict=True))
        + "</tr>"
        for line in drawn.lines
    )
    front = f'<div style="{SMALL}">{_text(drawn.front)}</div>' if drawn.front else ""
    return (
        f'<div style="margin-top:1em">{_text(drawn.title)}</div>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{front}"
    )


def plain_table(headings: Sequence[str], rows: Sequence[Sequence[str]], what: str) -> str:
    """A table of texts; of many rows the first `MOST_LINES`.

    Args:
        what: a row is, for "and 3 more cells".
    """
    head = "".join(_cell("th", heading, "left") for heading in headings)
    body = "".join(
        "<tr>" + "".join(_cell("td", text, "left") for text in row) + "</tr>"
        for row in rows[:MOST_LINES]
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return table + _more(len(rows) - MOST_LINES, what)


def notes(texts: Iterable[str]) -> str:
    """How to read it, in small letters."""
    return "".join(f'<div style="{SMALL}">{_text(text)}</div>' for text in texts)


def _figure(file: Path, text: str) -> str:
    try:
        data = base64.b64encode(thumbnail_webp(file)).decode()
    except DamagedPictureError as error:
        shown = _text(f"{file.name} {error}")
    else:
        shown = (
            f'<img src="data:image/webp;base64,{data}" alt="{_text(text)}" '
            f'style="width:{WIDTH}px;max-width:none">'
        )
    return f'<div style="{FIGURE}">{shown}<div style="{SMALL}">{_text(text)}</div></div>'


def _cell(kind: str, text: str, side: str) -> str:
    return f'<{kind} style="text-align:{side}">{_text(text)}</{kind}>'


def _more(count: int, what: str) -> str:
    if count <= 0:
        return ""
    return f'<div style="{SMALL}">and {count} more {what}{"" if count == 1 else "s"}</div>'


def _text(text: str) -> str:
    return escape(clean(text))
