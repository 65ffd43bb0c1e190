"""Records on disk: complete or absent, and no error costs a run its images."""

from __future__ import annotations

import multiprocessing
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.errors import TrackingError
from runner.system.locks import hold, is_held
from runner.tracking.delivered import note_run, read_runs
from runner.tracking.spool import (
    RUNNER_LOCK,
    Spool,
    Target,
    predecessors,
    read_records,
    read_target,
    spools,
)
from tracking.processes import skip_without_mounts

NAME = "20260101T000000-abcdef01"


def kinds(spool: Path, offset: int = 0) -> list[str]:
    return [str(record["kind"]) for record, _ in read_records(spool, offset)]


def in_child(action: Callable[[], None]) -> None:
    """In a process of its own: limits and locks are a process's."""
    child = multiprocessing.get_context("fork").Process(target=action)
    child.start()
    child.join(30)
    assert child.exitcode == 0


def test_records_come_back_in_order_from_any_byte(tmp_path: Path, target: Target) -> None:
    spool = Spool(tmp_path, NAME, target)
    spool.append("one", text="zwei\nZeilen, 円, \udcff")
    (_, middle), *_ = read_records(spool.path, 0)
    spool.append("two")
    spool.append("three")
    assert kinds(spool.path) == ["one", "two", "three"]
    assert kinds(spool.path, middle) == ["two", "three"]
    assert next(read_records(spool.path, 0))[0]["text"] == "zwei\nZeilen, 円, \udcff"
    spool.close()


def test_half_a_line_is_not_there_yet(tmp_path: Path, target: Target) -> None:
    spool = Spool(tmp_path, NAME, target)
    spool.append("one")
    with (spool.path / "records.jsonl").open("a") as file:
        file.write('{"kind": "tw')
    assert kinds(spool.path) == ["one"]
    spool.close()


def test_a_record_that_does_not_fit_leaves_no_half(tmp_path: Path, target: Target) -> None:
    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        spool = Spool(tmp_path, NAME, target)
        spool.append("small")
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        with pytest.raises(TrackingError, match="cannot keep the records"):
            spool.append("large", text="x" * 5000)
        spool.append("end")
        spool.close()

    in_child(limited)
    (spool,) = spools(tmp_path)
    assert kinds(spool) == ["small", "end"]


def test_a_spool_that_cannot_be_begun_leaves_nothing(tmp_path: Path, target: Target) -> None:
    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
        with pytest.raises(TrackingError):
            Spool(tmp_path, NAME, target)

    in_child(limited)
    assert list((tmp_path / ".spool").iterdir()) == []


def test_the_lock_says_who_is_alive(tmp_path: Path, target: Target) -> None:
    spool = Spool(tmp_path, NAME, target)
    lock = spool.path / RUNNER_LOCK
    assert is_held(lock)
    with pytest.raises(BlockingIOError):
        hold(lock)
    spool.close()
    assert not is_held(lock)
    hold(lock).close()


def test_asking_for_a_lock_makes_nothing(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "no.lock")
    assert list(tmp_path.iterdir()) == []


def test_the_target_is_for_its_owner_alone(tmp_path: Path, target: Target) -> None:
    spool = Spool(tmp_path, NAME, target)
    assert spool.path.stat().st_mode & 0o777 == 0o700
    assert (spool.path / "target.json").stat().st_mode & 0o777 == 0o600
    assert read_target(spool.path) == target
    spool.close()


def test_the_mlflow_runs_are_known_but_for_half_a_line(tmp_path: Path, target: Target) -> None:
    spool = Spool(tmp_path, NAME, target)
    note_run(spool.path, "one", "m1")
    note_run(spool.path, "two", "m2")
    with (spool.path / "runs.jsonl").open("a") as file:
        file.write('["three"')
    assert read_runs(spool.path) == {"one": "m1", "two": "m2"}
    spool.close()


def test_earlier_attempts_at_a_sweep_come_first(tmp_path: Path, target: Target) -> None:
    names = ["a-1", "a-1.2", "a-1.10", "a-1.11", "a-10", "a-1-1"]
    for name in names:
        Spool(tmp_path, name, target).close()
    last = tmp_path / ".spool" / "a-1.11"
    assert [path.name for path in predecessors(last)] == ["a-1", "a-1.2", "a-1.10"]
    assert predecessors(tmp_path / ".spool" / "a-1") == []
    assert predecessors(tmp_path / ".spool" / "a-1-1") == []


FULL_DISK = """
import sys
from pathlib import Path
from runner.errors import TrackingError
from runner.tracking.spool import Spool, Target, read_records
spool = Spool(Path(sys.argv[1]), "full", Target("sqlite:///elsewhere.db", None))
try:
    while True:
        spool.append("params", "run", params={"long": "x" * 50})
except TrackingError as error:
    print(error)
for number in range(20):
    error = f"{number} " + "No space left on device " * 10
    spool.append("tags", "run", tags={"runner.error": error})
    spool.append("end", "run", status="FAILED", time_ms=number)
spool.append("close")
kinds = [record["kind"] for record, _ in read_records(spool.path, 0)]
print(kinds[-41:] == ["tags", "end"] * 20 + ["close"])
"""


def test_a_full_disk_still_takes_the_last_words(tmp_path: Path) -> None:
    skip_without_mounts(tmp_path)
    script = 'mount -t tmpfs -o size=200k none "$1" && exec "$2" -c "$3" "$1"'
    done = subprocess.run(
        ["unshare", "-rm", "bash", "-c", script, "-", str(tmp_path), sys.executable, FULL_DISK],
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    problem, whole = done.stdout.splitlines()
    assert "No space left on device" in problem, done.stderr
    assert whole == "True"
