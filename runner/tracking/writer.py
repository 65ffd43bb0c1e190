"""The writer process: delivers its runner's spool as it grows, and spools left by dead runners.

Its standard input is a pipe from the runner, which starts it with the spool's path; or earlier, and
then the path is a line in the pipe. A byte after that means that the runner waits: read the spool
now. The pipe's end means that the runner is gone, however it died.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from runner.errors import StoreGoneError
from runner.system.locks import hold, is_held
from runner.tracking.delivered import (
    RUNS,
    Delivered,
    note_problem,
    note_run,
    read_delivered,
    read_runs,
    write_delivered,
)
from runner.tracking.delivery import Delivery, prepare_environment, together
from runner.tracking.places import check_answers, check_place
from runner.tracking.preparing import import_in_advance
from runner.tracking.problems import is_run_gone, problem_of
from runner.tracking.remains import clear_remains
from runner.tracking.spool import (
    RECORDS,
    RUNNER_LOCK,
    WRITER_LOCK,
    WRITER_LOG,
    check_spool,
    open_runs,
    predecessors,
    read_records,
    read_target,
    remove,
    spools,
)
from runner.tracking.status import Status
from runner.tracking.writers import YIELDING

POLL_SECONDS = 0.3
"""Seconds between reads of the spool: records are delivered in groups, which takes less of the CPU
time that stages need.
"""
PATIENCE_SECONDS = 5.0
"""Seconds between attempts to reach an absent server during a run."""

FIRST_SECONDS, SECONDS = 1.5, 20.0
"""How long a server may take to accept a connection: at first it is told early that none does."""


def main(arguments: list[str]) -> int:
    """`writer <spool> <its output folder>`: deliver the spool, then those of dead runners.

    `writer [--yielding]`: stand by until these two come.
    """
    # The runner decides what happens, also where one ends all that a terminal has begun.
    for stopping in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stopping, signal.SIG_IGN)
    prepare_environment()
    standing_by = arguments in ([], [YIELDING])
    given = _stand_by(yielding=bool(arguments)) if standing_by else list(map(Path, arguments))
    if not given:
        return 0  # none was needed, or the runner is gone
    spool, output_dir = given
    with contextlib.suppress(BlockingIOError):  # its runner died at once; another writer has it
        follow(spool)
    deliver_left_behind(output_dir)
    return 0


def _stand_by(*, yielding: bool) -> list[Path]:
    """Import what a delivery needs, then wait for what the runner wants; nothing: it is gone."""
    import_in_advance(yielding=yielding)
    line = b""
    # Byte by byte: those after the line are for later.
    while not line.endswith(b"\n"):
        byte = os.read(sys.stdin.fileno(), 1)
        if not byte:
            return []
        line += byte
    given = [Path(path) for path in json.loads(line)]
    with (given[0] / WRITER_LOG).open("ab") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
    return given


def follow(spool: Path) -> None:
    """Deliver a living runner's records as they come; if it dies, end its runs as killed."""
    with _held(spool) as taken_over:
        delivery: Delivery | None = None
        failed_at = -1
        seconds = FIRST_SECONDS
        while True:
            # Checked before reading, so that a dying runner's last records are not missed.
            alive = _runner_lives()
            try:
                if delivery is None:
                    check_answers(read_target(spool), seconds)
                    _deliver_predecessors(spool)
                    delivery = _open_delivery(spool, taken_over)
                if _deliver(spool, delivery):
                    return
                if not alive:
                    _end_for_the_dead(spool, delivery)
                    return
            except Exception as error:
                seconds = SECONDS
                note_problem(spool, problem_of(spool, error))
                if _is_gone(spool, error, failed_at):
                    failed_at = read_delivered(spool).offset
                    _begin_again(spool, delivery)
                    delivery, taken_over = None, True
                    continue
                if not alive:
                    return  # the spool stays, for the next run's writer or `sync`
                if delivery is not None:
                    delivery.doubtful = True  # a run may have been created, and the response lost
                _wait_for_the_end(PATIENCE_SECONDS)
            _wait_for_the_end(POLL_SECONDS)


def deliver_left_behind(output_dir: Path) -> dict[str, str]:
    """Deliver spools whose runner and writer are gone. Returns spool's name -> problem."""
    clear_remains(output_dir)
    problems = {}
    for spool in spools(output_dir):
        if not spool.exists() or is_held(spool / RUNNER_LOCK):
            continue
        try:
            _deliver_predecessors(spool)
            _deliver_dead(spool)
        except BlockingIOError:
            continue  # another writer has it
        except Exception as error:
            problems[spool.name] = problem_of(spool, error)
            note_problem(spool, problems[spool.name])
    return problems


def _deliver_predecessors(spool: Path) -> None:
    """Deliver spools of earlier attempts at the same sweep first: they concern the same runs.

    Raises:
        BlockingIOError: another writer is at it.
    """
    for earlier in predecessors(spool):
        _deliver_dead(earlier)


def _deliver_dead(spool: Path) -> None:
    """Deliver a spool whose runner is gone, and end the runs that it left open as killed."""
    check_place(read_target(spool), spool.parents[1])
    check_answers(read_target(spool), SECONDS)
    with _held(spool) as taken_over:
        try:
            _deliver_all(spool, taken_over)
        except Exception as error:
            if not _is_gone(spool, error):
                raise
            _begin_again(spool, None)
            _deliver_all(spool, taken_over=True)


def _deliver_all(spool: Path, taken_over: bool) -> None:
    delivery = _open_delivery(spool, taken_over)
    if not _deliver(spool, delivery):
        _end_for_the_dead(spool, delivery)


def _is_gone(spool: Path, error: Exception, failed_at: int = -1) -> bool:
    """Whether what was delivered is there no more, and to deliver it again may help: not where
    that has led to the same record, at the offset `failed_at`, before.
    """
    if isinstance(error, StoreGoneError):
        return True
    return (
        is_run_gone(error) and bool(read_runs(spool)) and failed_at != read_delivered(spool).offset
    )


def _begin_again(spool: Path, delivery: Delivery | None) -> None:
    """Deliver from the first record on."""
    if delivery is not None:
        delivery.forget_connections()
    (spool / RUNS).write_bytes(b"")
    write_delivered(spool, Delivered())


@contextlib.contextmanager
def _held(spool: Path) -> Iterator[bool]:
    """Hold the writer's lock; gives whether another writer had the spool before.

    Raises:
        BlockingIOError: another writer is at it.
    """
    check_spool(spool)
    taken_over = (spool / WRITER_LOCK).exists()
    with hold(spool / WRITER_LOCK):
        yield taken_over


def _open_delivery(spool: Path, taken_over: bool) -> Delivery:
    known, note = read_runs(spool), partial(note_run, spool)
    output_dir = spool.parents[1]
    delivery = Delivery(read_target(spool), output_dir, known, note, doubtful=taken_over)
    delivered = read_delivered(spool).offset
    for record, offset in read_records(spool, 0):
        if offset > delivered:
            break
        if record["kind"] == "run":
            delivery.find(record)  # where a full disk kept it from being recorded
        elif record["kind"] == "known":
            delivery.apply([record])
    return delivery


def _deliver(spool: Path, delivery: Delivery) -> bool:
    """Deliver the records so far; True when the runner's last record was among them."""
    done = read_delivered(spool)
    if done.ended:
        _remove_when_read(spool)
        return True
    for records, offset in together(read_records(spool, done.offset)):
        delivery.apply(records)
        ended = records[-1]["kind"] == "close"
        write_delivered(spool, Delivered(offset, ended))
        if ended:
            _remove_when_read(spool)
            return True
    return False


def _end_for_the_dead(spool: Path, delivery: Delivery) -> None:
    # The last record is missing where the runner was killed, or the disk stayed full.
    killed = int((spool / RECORDS).stat().st_mtime * 1000)
    for run in open_runs(spool):
        said = {"runner.ended": "the runner was killed"}
        delivery.apply([{"kind": "tags", "run": run, "tags": said}])
        delivery.apply([{"kind": "end", "run": run, "status": Status.KILLED, "time_ms": killed}])
    write_delivered(spool, Delivered(read_delivered(spool).offset, ended=True))
    _remove_when_read(spool)


def _remove_when_read(spool: Path) -> None:
    """Remove a delivered spool, unless its runner lives: that reads it, then removes it itself."""
    if not is_held(spool / RUNNER_LOCK):
        remove(spool)


def _runner_lives() -> bool:
    """Whether the runner's end of our standard input is still open."""
    return not _wait_for_the_end(0)


def _wait_for_the_end(seconds: float) -> bool:
    """Wait for the runner's end: True as soon as it is gone; False after the time, or on a byte."""
    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(readable) and os.read(sys.stdin.fileno(), 1) == b""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
