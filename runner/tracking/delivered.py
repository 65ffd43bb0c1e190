"""How far a spool was delivered: what the writer notes in it, for the writer that goes on."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from runner.errors import StorageError
from runner.system.files import write_whole

DELIVERED = "delivered.json"
DELIVERED_BYTES = 256
PROBLEM = "problem.txt"
RUNS = "runs.jsonl"


@dataclass(frozen=True)
class Delivered:
    """How far a spool was delivered.

    Attributes:
        offset: records.jsonl is in MLflow up to this byte.
        ended: all records are, and every run has its final status.
    """

    offset: int = 0
    ended: bool = False


def read_delivered(spool: Path) -> Delivered:
    """Read how far a spool was delivered."""
    try:
        return Delivered(**json.loads((spool / DELIVERED).read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        # None yet, or damaged by a crash of the machine: delivering again changes nothing.
        return Delivered()


def write_delivered(spool: Path, delivered: Delivered) -> None:
    """Record how far a spool was delivered."""
    # Overwrites bytes that exist since the spool was created, so it works on a full disk. A
    # truncated write does no harm, see `read_delivered`.
    with (spool / DELIVERED).open("r+b") as file:
        file.write(json.dumps(asdict(delivered)).encode().ljust(DELIVERED_BYTES))


def note_run(spool: Path, run: str, mlflow_run_id: str) -> None:
    """Record the MLflow id of a run. Skipped on a full disk: the run can be found by its tag."""
    with contextlib.suppress(OSError), (spool / RUNS).open("a") as file:
        file.write(json.dumps([run, mlflow_run_id]) + "\n")


def read_runs(spool: Path) -> dict[str, str]:
    """The runner's own id -> MLflow run's id, as far as they are known."""
    try:
        lines = (spool / RUNS).read_text().splitlines()
    except OSError:
        return {}
    found = {}
    for line in lines:
        with contextlib.suppress(ValueError):  # half a line, from a writer that was killed
            run, mlflow_run_id = json.loads(line)
            found[run] = mlflow_run_id
    return found


def note_problem(spool: Path, text: str) -> None:
    """Record why a spool was not delivered, if the disk has room."""
    with contextlib.suppress(StorageError):
        write_whole(spool / PROBLEM, text.encode("utf-8", "backslashreplace"))  # not through a link


def read_problem(spool: Path) -> str | None:
    """Why a spool was not delivered when it was last tried."""
    try:
        return (spool / PROBLEM).read_text(encoding="utf-8") or None
    except OSError:
        return None
