"""Progress displays in a pipe and on a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from runner.config.choices import Progress
from runner.engine.observer import Loaded, NodeResult, Ran
from runner.errors import StageError
from runner.graph.node import Node, PipelineSpec
from runner.recording.display import CellEnded, loaded_text
from runner.recording.progress import CellLines, Json, Lines, Quiet, display_for
from runner.recording.progress_bars import Bars
from runner.tracking.status import Status

PRIOR = Node("prior", 1, {"seed": 1}, label="a circle [red] · seed 1")
DECODE = Node("decode", 1, {"seed": 1}, {"prior": PRIOR}, label="a circle [red] · seed 1")
LOADED = Loaded(
    PipelineSpec("P", "w", "float32", "sdpa", None, None),
    1.25,
    {
        "pipeline": "KandinskyPipeline",
        "execution_device": "cpu",
        "dtype": {"unet": "float16", "movq": "float16"},
        "scheduler": "DDIMScheduler",
        "offload": {"mode": "none", "reason": "as configured"},
        "compile": {"unet": {"compiled": False, "channels_last": False}},
    },
)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Progress.auto, Lines),  # under pytest stderr is no terminal
        (Progress.lines, Lines),
        (Progress.bars, Bars),
        (Progress.quiet, Quiet),
        (Progress.json, Json),
    ],
)
def test_display_for(asked: Progress, expected: type) -> None:
    assert type(display_for(asked)) is expected


def test_loaded_text_is_what_was_read_back() -> None:
    text = loaded_text(LOADED)
    assert text == "loaded KandinskyPipeline in 1.2 s: cpu, float16, DDIMScheduler"


def test_lines_count_up(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines() as shown:
        shown.graph_started(3)
        shown.pipeline_loaded(LOADED)
        shown.node_started(PRIOR)
        shown.node_step(PRIOR, 1, 2)
        shown.node_finished(NodeResult(PRIOR, Ran({}, 0.1), reused=True))
        shown.node_finished(NodeResult(DECODE, Ran({}, 2.5), reused=False))
        shown.node_failed(PRIOR, StageError("it broke"))
        shown.node_blocked(DECODE, PRIOR)
    out, err = capsys.readouterr()
    lines = [line.split() for line in err.splitlines() if line.startswith("[")]
    assert out == ""
    assert lines[0][:3] == ["[1/3]", "prior", "reused"]
    assert lines[1][:4] == ["[2/3]", "decode", "2.50", "s"]
    assert lines[2] == ["[3/3]", "failed:", "it", "broke"]
    assert " ".join(lines[3]).endswith("decode not run, its prior failed")
    assert PRIOR.label in err


def test_quiet_shows_failures_only(capsys: pytest.CaptureFixture[str]) -> None:
    with Quiet() as shown:
        shown.graph_started(1)
        shown.pipeline_loaded(LOADED)
        shown.node_finished(NodeResult(PRIOR, Ran({}, 1), reused=False))
        shown.node_failed(DECODE, StageError("it broke"))
    assert capsys.readouterr() == ("", "failed: it broke\n")


ENDED = CellEnded(7, "scheduler=ddpm", Status.FAILED, 1, 3, 24)


def test_of_a_sweep_there_is_a_line_a_cell(capsys: pytest.CaptureFixture[str]) -> None:
    display = display_for(Progress.lines, cells=24)
    assert isinstance(display, CellLines)
    with display as shown:
        shown.node_finished(NodeResult(PRIOR, Ran({}, 1), reused=False))
        shown.node_failed(DECODE, StageError("it broke"))
        shown.cell_ended(ENDED)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["failed: it broke", "[3/24] FAILED cell 7: 1 image  scheduler=ddpm"]


def test_json_is_a_line_for_each_event(capsys: pytest.CaptureFixture[str]) -> None:
    with Json() as shown:
        shown.graph_started(2)
        shown.pipeline_loaded(LOADED)
        shown.node_started(PRIOR)
        shown.node_finished(NodeResult(PRIOR, Ran({}, 0.5), reused=True))
        shown.node_failed(DECODE, StageError("it\nbroke"))
        shown.cell_ended(ENDED)
    out, err = capsys.readouterr()
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in events] == [
        "started", "loaded", "stage_started", "stage_finished", "stage_failed", "cell_ended",
    ]  # fmt: skip
    assert (events[3]["key"], events[3]["reused"]) == (PRIOR.key, True)
    assert events[4]["error"] == "it\nbroke"
    assert (events[5]["number"], events[5]["done"], events[5]["of"]) == (7, 3, 24)
    assert err == ""


ON_A_TERMINAL = """
import time
from runner.config.choices import Progress
from runner.errors import StageError
from runner.engine.observer import NodeResult, Ran
from runner.graph.node import Node
from runner.recording.progress import display_for
from runner.recording.display import CellEnded
node = Node("prior", 1, {}, label="a circle [red] [/bold]")
with display_for(Progress.auto, cells=5) as shown:
    shown.graph_started(4)
    shown.node_finished(NodeResult(Node("prior", 1, {}), Ran({}, 1.0), reused=True))
    shown.cell_ended(CellEnded(0, "", "FINISHED", 2, 1, 5, reused=2))
    shown.message("so far nothing was drawn")
    time.sleep(0.2)
    shown.cell_ended(CellEnded(0, "", "FAILED", 2, 1, 5))
    shown.node_started(node)
    for step in range(1, 11):
        shown.node_step(node, step, 10)
        time.sleep(0.05)
    shown.node_finished(NodeResult(node, Ran({}, 1.0), reused=False))
    shown.node_failed(node, StageError("it [broke]"))
    shown.node_blocked(node, node)
"""


def terminal_output(code: str, cwd: Path) -> str:
    """What a program writes to a terminal of 120 columns."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color"}
    for name in ("NO_COLOR", "COLUMNS", "TTY_INTERACTIVE", "FORCE_COLOR"):
        environment.pop(name, None)
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stderr=terminal,
        stdout=subprocess.DEVNULL,
        cwd=cwd,
        env=environment,
    ) as process:
        os.close(terminal)
        chunks = []
        while True:
            try:
                chunk = os.read(controller, 4096)
            except OSError:  # Linux's way to say that the other end is closed
                break
            if not chunk:
                break
            chunks.append(chunk)
    os.close(controller)
    assert process.returncode == 0
    return b"".join(chunks).decode()


def test_bars_on_a_terminal(tmp_path: Path) -> None:
    shown = terminal_output(ON_A_TERMINAL, tmp_path)
    parts = ("cells", "2/5", "images/min · 1 failed", "stages", "prior", "10/10", "it/s")
    for part in (*parts, "1 from the store"):
        assert part in shown
    before, _, after = shown.partition("so far nothing was drawn")
    assert "images/min" not in before
    assert "/3" in after
    assert "a circle [red] [/bold]" in shown
    assert "failed: it [broke]" in shown
    assert "prior not run" in shown
    assert "\x1b[?25h" in shown  # the cursor is back
