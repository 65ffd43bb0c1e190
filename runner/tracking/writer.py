"""The writer process: delivers a run's spool while the run goes on, and what others left behind.

Started by the runner with the spool's path; its standard input is a pipe that the runner never
writes to, so that it ends when the runner does, however that dies.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from pathlib import Path

from runner.tracking.delivery import Delivery, prepare_environment
from runner.tracking.spool import (
    RUNNER_LOCK,
    WRITER_LOCK,
    Delivered,
    hold,
    is_held,
    read_delivered,
    read_records,
    read_target,
    remove,
    spools,
    write_delivered,
)

POLL_SECONDS = 0.02
PATIENCE_SECONDS = 5.0
"""Between attempts to reach a server that is away while the run goes on."""


def main(arguments: list[str]) -> int:
    """`writer <spool> <its output folder>`: deliver the spool, then those of dead runners."""
    spool, output_dir = Path(arguments[0]), Path(arguments[1])
    # Ctrl-C in the terminal goes to the whole group: the runner decides what becomes of the run.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    prepare_environment()
    try:
        follow(spool)
    finally:
        deliver_left_behind(output_dir)
    return 0


def follow(spool: Path) -> None:
    """Deliver a living runner's records as they come; when it dies without an end, say so."""
    with hold(spool / WRITER_LOCK):
        delivery: Delivery | None = None
        while True:
            # Looked at before the records are read: what a dying runner wrote last is not missed.
            alive = _runner_lives()
            try:
                delivery = delivery or _open_delivery(spool)
                if _deliver(spool, delivery):
                    return
                if not alive:
                    _end_for_the_dead(spool, delivery)
                    return
            except Exception as error:
                _note_problem(spool, error)
                if not alive:
                    return  # the spool stays, for the next run's writer or `sync`
                time.sleep(PATIENCE_SECONDS)
            time.sleep(POLL_SECONDS)


def deliver_left_behind(output_dir: Path) -> dict[str, str]:
    """Deliver the spools whose runner and writer are gone. Returns run id -> problem."""
    problems = {}
    for spool in spools(output_dir):
        if is_held(spool / RUNNER_LOCK):
            continue
        try:
            with hold(spool / WRITER_LOCK):
                delivery = _open_delivery(spool)
                if not _deliver(spool, delivery):
                    _end_for_the_dead(spool, delivery)
        except BlockingIOError:
            continue  # another writer is at it
        except Exception as error:
            _note_problem(spool, error)
            problems[spool.name] = f"{type(error).__name__}: {error}"
    return problems


def _open_delivery(spool: Path) -> Delivery:
    done = read_delivered(spool)
    delivery = Delivery(read_target(spool), done.mlflow_run_id)
    if done.mlflow_run_id is None:
        write_delivered(spool, Delivered(done.records, delivery.mlflow_run_id, done.ended))
    return delivery


def _deliver(spool: Path, delivery: Delivery) -> bool:
    """Deliver what is there; True when the run's end was among it."""
    done = read_delivered(spool)
    if done.ended:
        remove_when_read(spool)
        return True
    count = done.records
    for record in read_records(spool, count):
        delivery.apply(record)
        count += 1
        ended = record["kind"] == "end"
        write_delivered(spool, Delivered(count, delivery.mlflow_run_id, ended))
        if ended:
            remove_when_read(spool)
            return True
    return False


def _end_for_the_dead(spool: Path, delivery: Delivery) -> None:
    delivery.apply({"kind": "tags", "tags": {"runner.ended": "the runner was killed"}})
    delivery.end("KILLED")
    write_delivered(
        spool, Delivered(read_delivered(spool).records, delivery.mlflow_run_id, ended=True)
    )
    remove_when_read(spool)


def remove_when_read(spool: Path) -> None:
    """A living runner still reads `delivered.json` and then removes the spool itself."""
    if not is_held(spool / RUNNER_LOCK):
        remove(spool)


def _runner_lives() -> bool:
    """Whether the other end of our standard input is still open."""
    readable, _, _ = select.select([sys.stdin], [], [], 0)
    return not (readable and os.read(sys.stdin.fileno(), 1) == b"")


def _note_problem(spool: Path, error: Exception) -> None:
    """For `sync` and the runner's last words; credentials of the address are not in it."""
    uri = read_target(spool).uri
    text = f"{type(error).__name__}: {error}".replace(uri, "<tracking uri>")
    (spool / "problem.txt").write_text(text[:2000])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
