"""What is printed: no control characters, nothing that the stream cannot hold, no full disk."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a terminal acts on, and what turns the order of letters: C0 but tab and newline, DEL, C1,
bidirectional embeddings, overrides and isolates (Unicode TR 9). And surrogates, which stand for
bytes that are not UTF-8.
"""


def clean(text: str) -> str:
    r"""Replace what a terminal would act on by its visible form: ESC by \x1b."""
    return UNSAFE.sub(lambda found: _visible(ord(found[0])), text)


def _visible(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def to_json(value: object, indent: int | None = None) -> str:
    """JSON that any stream holds as it is: it stays JSON behind a `Printed`."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "")
    text = json.dumps(value, indent=indent, ensure_ascii=encoding != "utf8")
    return UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class Printed:
    """A text stream behind which nothing fails: see the module. Other attributes are the stream's.

    A stream whose disk is full, or whose reader has gone, costs no picture: what is written from
    then on is dropped.

    Attributes:
        problem: why nothing more could be written; None while all was.
        for_rich: the same stream, for `rich`, which writes the terminal's own sequences. Texts
            that it is given go through `clean` before.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.problem: OSError | None = None
        self.for_rich = cast(TextIO, _ForRich(self))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        self.put(clean(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def put(self, text: str) -> None:
        """Write a text with its control characters."""
        if self.problem is None:
            encoding = getattr(self._stream, "encoding", None) or "utf-8"
            text = text.encode(encoding, "backslashreplace").decode(encoding)
            try:
                self._stream.write(text)
            except OSError as error:
                self._lost(error)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._lost(error)

    def _lost(self, error: OSError) -> None:
        self.problem = self.problem or error
        with suppress(OSError):
            # What is still in buffers goes nowhere, also when Python ends.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            try:
                os.dup2(nowhere, self._stream.fileno())
            finally:
                os.close(nowhere)


class _ForRich:
    def __init__(self, printed: Printed) -> None:
        self._printed = printed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._printed, name)

    def write(self, text: str) -> int:
        self._printed.put(text)
        return len(text)


def for_rich(stream: TextIO) -> TextIO:
    """The stream to give to a console of `rich`."""
    return cast(TextIO, getattr(stream, "for_rich", stream))


def clean_proxies() -> None:
    """Clean what is printed while `rich` shows bars: it puts streams of its own there until it
    stops, which print above the bars.
    """
    for name in ("stdout", "stderr"):
        if hasattr(stream := getattr(sys, name), "rich_proxied_file"):
            setattr(sys, name, Printed(stream))


@contextmanager
def printing() -> Iterator[Printed]:
    """Keep what is printed clean during a command; gives its standard output.

    A program that exits with 0 though not all of its output was written exits with 1.
    """
    _open_closed()
    before = sys.stdout, sys.stderr
    out, err = map(Printed, before)
    sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, err)
    try:
        yield out
    except SystemExit as stop:
        if not stop.code and out_status(out, 0):
            raise SystemExit(1) from stop
        raise
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before


def out_status(out: Printed, status: int) -> int:
    """The exit status of a command: 1 in place of 0 where its output was not written whole."""
    out.flush()
    if out.problem is None or status:
        return status
    if out.problem.errno != errno.EPIPE:  # a reader that has gone knows (`... | head`)
        print(f"error: standard output: {out.problem.strerror}", file=sys.stderr)
    return 1


def keep_clean() -> None:
    """Keep what this process prints clean to its end: a worker has no command around it."""
    _open_closed()
    sys.stdout, sys.stderr = cast(TextIO, Printed(sys.stdout)), cast(TextIO, Printed(sys.stderr))


def _open_closed() -> None:
    """Open closed standard streams on the null device, as a file that is opened next would get
    their number, and what is printed by a library would end up in it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # It gets the lowest free number: this one. Programs that are started inherit it.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stdout is None:
        sys.stdout = _nowhere()
    if sys.stderr is None:
        sys.stderr = _nowhere()


def _nowhere() -> TextIO:
    return io.TextIOWrapper(io.FileIO(os.open(os.devnull, os.O_WRONLY), "w"), encoding="utf-8")
