"""What commands print: no control characters, any encoding, disks that are full, closed pipes."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from runner.analysis.comparison.findings import Verdict
from runner.analysis.comparison.tables import Column, Line, Table
from runner.analysis.comparison.terminal import _drawn
from runner.cli import main
from runner.recording.progress_bars import Bars
from runner.system.terminal import Printed
from unit.conftest import Command

HOSTILE = "red\x1b]0;title\x07 \x9b31m\x7f\u202ecircle\u2066"
VISIBLE = r"red\x1b]0;title\x07 \x9b31m\x7f\u202ecircle\u2066"
ACTING = {*map(chr, [*range(32), *range(0x7F, 0xA0), *range(0x202A, 0x202F)])} - {"\n", "\t"}


def test_control_characters_are_shown_and_not_sent(command: Command) -> None:
    said = command("plan", f"prompt='\"{HOSTILE}\"'")
    assert said.status == 0
    assert VISIBLE in said.out
    assert not ACTING & {*said.out, *said.err}


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", f"nokey='{HOSTILE}'"),
        ("plan", f"device='{HOSTILE}'"),
        ("plan", f"prompt_file='/{HOSTILE}.txt'"),
        ("grid", f"/{HOSTILE}"),
        ("grid", "--size", HOSTILE),  # told by argparse
        ("plan", f"seeds=[{HOSTILE}"),  # told by Hydra's parser
        (HOSTILE,),
    ],
)
def test_errors_send_no_control_characters(command: Command, arguments: tuple[str, ...]) -> None:
    said = command(*arguments)
    assert said.status == 2
    assert not ACTING & {*said.out, *said.err}


def test_bars_and_what_is_printed_beside_them_send_only_their_own_sequences(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = pty.openpty()
    with open(theirs, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", Printed(terminal))
        monkeypatch.setenv("TERM", "xterm")
        with Bars() as display:
            display.message(HOSTILE)
            print(f"warning: {HOSTILE}", file=sys.stderr)
    sent = b""
    while chunk := _read(ours):
        sent += chunk
    text = sent.decode()
    assert text.count(VISIBLE) == 2
    assert "\x1b[" in text  # the bars' own
    assert "\x1b]" not in text
    assert not {"\x9b", "\u202e", "\x7f"} & {*text}


def test_no_number_of_the_bars_is_cut_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    with open(theirs, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", Printed(terminal))
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "40")
        with Bars(cells=12) as display:
            display.graph_started(288)
    sent = b""
    while chunk := _read(ours):
        sent += chunk
    shown = sent.decode()
    assert "0/12" in shown
    assert "0/288" in shown
    assert "libraries" in shown or "…" in shown, "a label is cut before"


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other end is closed
        return b""


def test_tables_of_a_comparison_send_no_control_characters() -> None:
    from rich.console import Console

    stream = io.StringIO()
    line = Line((HOSTILE, "1"), Verdict.baseline)
    table = Table(HOSTILE, (Column(HOSTILE), Column("n")), (line,), front=None)
    Console(file=Printed(stream).for_rich, width=200).print(_drawn(table))
    assert VISIBLE in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_a_stream_cannot_hold_is_escaped(
    command: Command, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    held = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(held, encoding))
    assert main(["plan", "prompt='Größe 红 \U0001f534'"]) == 0
    shown = "Größe 红 \U0001f534".encode(encoding, "backslashreplace")
    assert shown in held.getvalue()


def test_json_stays_json(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from runner.recording.display import write_event

    for encoding in ("ascii", "utf-8"):
        held = io.BytesIO()
        stream = io.TextIOWrapper(held, encoding)
        monkeypatch.setattr(sys, "stdout", Printed(stream))
        write_event("failed", error=f"{HOSTILE} ö \udcff")
        assert not ACTING & {*held.getvalue().decode(encoding)}
        assert json.loads(held.getvalue())["error"] == f"{HOSTILE} ö \udcff"


@pytest.mark.parametrize(
    ("redirected", "status", "said"),
    [
        ("> /dev/full", 1, "error: standard output: No space left on device\n"),
        (">&-", 0, ""),
        ("2>&- > /dev/null", 0, ""),
        ("<&- >&- 2>&-", 0, ""),
        ("2> /dev/full > /dev/null", 0, ""),
        ("--help > /dev/full", 1, "error: standard output: No space left on device\n"),
    ],
)
def test_a_stream_that_takes_nothing(
    tmp_path: Path, redirected: str, status: int, said: str
) -> None:
    if "/dev/full" in redirected and not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -m runner sweeps {redirected}', sys.executable],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (status, said)
