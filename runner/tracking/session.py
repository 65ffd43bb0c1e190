"""A command's connection to MLflow: its spool and the writer process that delivers it."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from runner.catalog.tracking import is_server, own_store
from runner.errors import TrackingError
from runner.tracking.delivered import read_delivered, read_problem, read_runs
from runner.tracking.places import absolute_uri, check_place, remember_place
from runner.tracking.spool import Spool, Target, remove, runs_left
from runner.tracking.status import Status
from runner.tracking.writers import start_writer

FINAL_WAIT_SECONDS = 15.0
"""How long a finished command waits for delivery without progress, before it leaves the records for
later."""
MOST_WAIT_SECONDS = 300.0
"""How long it waits at most, also where there is progress: the writer goes on without it."""
SECONDS_UNTOLD, SECONDS_BETWEEN_TOLD = 5.0, 10.0
"""How long it waits before it says so, and then until it says so again."""
SECONDS_BETWEEN_LOOKS = 0.25


class TrackingSession:
    """Takes the records of runs; a writer process delivers them.

    A record that cannot be written costs no image: it is lost, with one warning.

    Args:
        output_dir: folder of the spool, and of MLflow's files where no URI is given.
        uri: MLflow tracking URI; None: a sqlite file in the output folder.
        name: of the spool, see `runner.tracking.spool`.

    Attributes:
        problem: after `close`, why the records were not delivered, where that is known.
        told: the first problem of the writer, which the user was told at once.

    Raises:
        TrackingError: the spool cannot be created, or the writer cannot be started.
    """

    def __init__(self, output_dir: Path, uri: str | None, name: str) -> None:
        own, artifact_root = own_store(output_dir)
        target = Target(
            uri=absolute_uri(uri) if uri else own,
            artifact_root=None if uri and is_server(uri) else artifact_root,
        )
        if uri:
            remember_place(target.uri)
        else:
            check_place(target, output_dir)  # a link may lead out of a folder of somebody else
        self._spool = Spool(output_dir, name, target)
        self._lost: TrackingError | None = None
        self.problem: str | None = None
        self.told: str | None = None
        try:
            self._writer = start_writer(self._spool.path, output_dir)
        except OSError as error:
            self._spool.close()
            remove(self._spool.path)
            raise TrackingError(f"cannot start the writer process: {error.strerror}") from error
        self._closing = threading.Event()
        self._leaving = threading.Event()
        threading.Thread(target=self._tell_first_problem, daemon=True).start()

    def begin(
        self,
        run: str,
        name: str,
        experiment: str,
        *,
        parent: str | None = None,
        again: bool = False,
    ) -> None:
        """Begin a run. Raises TrackingError where even that cannot be written.

        Args:
            run: the runner's own id.
            name: as MLflow shows it.
            parent: the runner's own id of the sweep's run.
            again: an earlier attempt may have begun it.
        """
        self._spool.append(
            "run",
            run,
            name=name,
            experiment=experiment,
            parent=parent,
            again=again,
            time_ms=now_ms(),
        )

    def look_up(self, run: str, experiment: str) -> None:
        """Have `close` tell the id of a run that an earlier attempt ended."""
        with self._telling():
            self._spool.append("known", run, experiment=experiment)

    def append(self, kind: str, run: str, **content: Any) -> None:
        """Add a record of a run."""
        with self._telling():
            self._spool.append(kind, run, **content)

    def text(self, run: str, name: str, text: str) -> None:
        """Add a text file to a run."""
        with self._telling():
            path = self._spool.write_file(run, name, text if text.endswith("\n") else f"{text}\n")
            self._spool.append("file", run, path=self._spool.place_of(run, path), folder=None)

    def file(self, run: str, path: Path, folder: str | None) -> None:
        """Add a file to a run, into a folder of its artifacts; a copy where it does not lie in
        the output folder.
        """
        with self._telling():
            place = self._spool.place_of(run, path)
            self._spool.append("file", run, path=place, folder=folder)

    def picture(self, run: str, path: Path, key: str, time_ms: int) -> None:
        """Add a PNG that MLflow's image charts show, see `runner.tracking.pictures`."""
        with self._telling():
            place = self._spool.place_of(run, path)
            self._spool.append("picture", run, path=place, key=key, time_ms=time_ms)

    def table(self, run: str, name: str, text: str) -> None:
        """Add a file that MLflow shows as a table."""
        with self._telling():
            path = self._spool.write_file(run, name, text)
            self._spool.append("table", run, path=self._spool.place_of(run, path))

    def end(self, run: str, status: Status) -> None:
        """End a run: FINISHED, FAILED or KILLED."""
        if self._lost is not None:
            self.append("tags", run, tags={"runner.incomplete": str(self._lost)})
        self.append("end", run, status=status, time_ms=now_ms())

    def stop_waiting(self) -> None:
        """Have `close` wait no longer. From a signal's handler or another thread."""
        self._leaving.set()

    def close(self, on_wait: Callable[[int], None] | None = None) -> dict[str, str]:
        """Write the last record, then wait for the writer: `FINAL_WAIT_SECONDS` without progress,
        `MOST_WAIT_SECONDS` at most.

        Args:
            on_wait: called where this takes long, now and then, with the number of runs that are
                not delivered yet.

        Returns:
            the runner's own id -> MLflow run's id; empty where not all is delivered yet.
        """
        try:
            self._spool.append("close")
        except TrackingError as error:
            self.problem = str(error)
        else:
            self._hurry()
            self._wait(on_wait)
        self._closing.set()
        ended, runs = read_delivered(self._spool.path).ended, read_runs(self._spool.path)
        if ended:
            remove(self._spool.path)
        else:
            self.problem = self.problem or read_problem(self._spool.path)
        self._spool.close()
        # The writer sees this, tries a last time and ends; nobody waits for it.
        assert self._writer.stdin is not None
        self._writer.stdin.close()
        return runs if ended else {}

    def _tell_first_problem(self) -> None:
        """Say at once why nothing is delivered: the end of the run may be hours away."""
        while not self._closing.wait(SECONDS_BETWEEN_LOOKS):
            if (problem := read_problem(self._spool.path)) is not None:
                self.told = problem
                print(f"warning: MLflow: {problem}; the run goes on", file=sys.stderr, flush=True)
                return

    def _hurry(self) -> None:
        """Make the writer read the spool at once."""
        assert self._writer.stdin is not None
        with contextlib.suppress(OSError):  # the writer has ended
            self._writer.stdin.write(b"\n")

    def _wait(self, on_wait: Callable[[int], None] | None) -> None:
        begun = time.monotonic()
        before, deadline, telling = -1, 0.0, begun + SECONDS_UNTOLD
        while not (done := read_delivered(self._spool.path)).ended:
            now = time.monotonic()
            if done.offset != before:
                before, deadline = done.offset, now + FINAL_WAIT_SECONDS
            over = now > min(deadline, begun + MOST_WAIT_SECONDS)
            if over or self._leaving.is_set() or self._writer.poll() is not None:
                return
            if on_wait is not None and now > telling:
                on_wait(runs_left(self._spool.path))
                telling = now + SECONDS_BETWEEN_TOLD
            time.sleep(0.01)

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except TrackingError as error:
            if self._lost is None:
                print(f"warning: {error}; the run goes on", file=sys.stderr)
            self._lost = error


def now_ms() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)
