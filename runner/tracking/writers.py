"""Starts writer processes. One may stand by: it imports MLflow while its command is planned."""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path

from runner.system.machine import module_command, module_environment
from runner.tracking.spool import WRITER_LOG

MODULE = "runner.tracking.writer"
YIELDING = "--yielding"

_standing_by: list[tuple[subprocess.Popen[bytes], dict[str, str]]] = []


def stand_by(*, yielding: bool) -> None:
    """Start a writer in advance, so that it imports meanwhile.

    Args:
        yielding: it imports in the time that workers, which import too, leave.
    """
    if not _standing_by:
        environment = _environment()
        arguments = (YIELDING,) if yielding else ()
        with contextlib.suppress(OSError):  # reported by `start_writer`, if one is needed
            _standing_by.append((_start(arguments, environment, subprocess.DEVNULL), environment))


def stand_down() -> None:
    """End the writer that stands by: none is needed."""
    while _standing_by:
        writer, _ = _standing_by.pop()
        writer.kill()
        _left(writer)
        writer.wait()


def start_writer(spool: Path, output_dir: Path) -> subprocess.Popen[bytes]:
    """A writer for a spool: the one that stands by, or a new one.

    Raises:
        OSError: it cannot be started.
    """
    with (spool / WRITER_LOG).open("wb") as log:
        environment = _environment()
        # MLflow reads variables while it is imported.
        if _standing_by and _standing_by[0][1] == environment:
            writer, _ = _standing_by.pop()
            if _handed_over(writer, spool, output_dir):
                return writer
            _left(writer)
        stand_down()
        return _start((str(spool), str(output_dir)), environment, log.fileno())


def _handed_over(writer: subprocess.Popen[bytes], spool: Path, output_dir: Path) -> bool:
    """Tell a writer that stands by what it is for; False: it has ended."""
    assert writer.stdin is not None
    try:
        writer.stdin.write(json.dumps([str(spool), str(output_dir)]).encode() + b"\n")
    except OSError:
        return False
    return writer.poll() is None


def _left(writer: subprocess.Popen[bytes]) -> None:
    assert writer.stdin is not None
    writer.stdin.close()


def _start(
    arguments: tuple[str, ...], environment: dict[str, str], log: int
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        module_command(MODULE, *arguments),
        bufsize=0,  # bytes that a dead writer does not read are not flushed again at close
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        # What the terminal sends to its group is not for it. Not a session of its own: the system
        # may share time between sessions, and then a lower priority yields nothing to another one.
        process_group=0,
        env=environment,
    )


def _environment() -> dict[str, str]:
    found = module_environment()
    found.pop("HYDRA_FULL_ERROR", None)  # set while Hydra runs, and nothing to a writer
    return found
