"""Absent tracking servers, and stores that several runs share."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from helpers.manifests import read_manifest
from tracking.processes import (
    MLflow,
    Workplace,
    answers,
    ended,
    free_port,
    wait_until,
    writers_of,
)

pytestmark = pytest.mark.slow

PASSWORD = "hunter2-is-secret"


class Line:
    """A port that leads to a server while it is open: the server comes and goes at once."""

    def __init__(self) -> None:
        self.port = free_port()
        self.server_port = free_port()
        self._ends: list[socket.socket] = []
        self._listening: socket.socket | None = None

    @property
    def uri(self) -> str:
        """The address that runs are given."""
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        """From now on there is a server."""
        self._listening = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=[self._listening], daemon=True).start()

    def close(self) -> None:
        """The server is gone, and so are its connections."""
        ends, self._ends = self._ends, []
        for end in [*ends, *filter(None, [self._listening])]:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = listening.accept()
                server = socket.create_connection(("127.0.0.1", self.server_port))
                self._ends += [client, server]
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    @staticmethod
    def _pass_on(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """A server behind a closed line."""
    folder, made = tmp_path_factory.mktemp("server"), Line()
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1",
        "--port", str(made.server_port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder / 'server.db'}",
        "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield made
    finally:
        made.close()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def opened(line: Line) -> Iterator[None]:
    """The server is there meanwhile."""
    wait_until(lambda: answers(f"http://127.0.0.1:{line.server_port}"))
    line.open()
    yield
    line.close()


@dataclass(frozen=True)
class Left:
    """A command whose server was absent, and what it said."""

    place: Workplace
    output: str
    address: str


@pytest.fixture(scope="module")
def left(
    line: Line, stored: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Left]:
    """A run and a multirun of stored pictures that wait for the server in vain, at one time."""
    address = line.uri.replace("//", f"//someone:{PASSWORD}@")
    begun = {}
    for name, options in {"run": ["seeds=[0,1]"], "multirun": ["-m", "seeds=[0]"]}.items():
        place = Workplace(tmp_path_factory.mktemp(name), weights)
        shutil.copytree(stored, place.outputs / ".cache")
        begun[name] = place, place.start_run(f'tracking.uri="{address}"', *options)
    place, process = begun["run"]
    wait_until(lambda: len(place.images) == 2)
    assert process.poll() is None  # the pictures are there, and it waits for the server
    waiting = time.monotonic()
    found = {}
    for name, (place, process) in begun.items():
        status, output = ended(process)
        assert status == 0, output
        found[name] = Left(place, output, address)
    assert time.monotonic() - waiting < 40
    for place, _ in begun.values():
        wait_until(lambda place=place: not writers_of(place.outputs))  # type: ignore[misc]
    return found


@pytest.mark.parametrize("name", ["run", "multirun"])
def test_credentials_of_the_address_are_written_nowhere_else(
    name: str, left: dict[str, Left]
) -> None:
    place, output = left[name].place, left[name].output
    status, synced = place.sync()
    assert status == 1
    assert "0 of 1 runs delivered" in synced
    assert PASSWORD not in output + synced
    (manifest,) = (place.outputs / "latest").rglob("manifest.json")
    assert "127.0.0.1" in read_manifest(manifest.parent)["config"]["tracking"]["uri"]
    holders = [
        path
        for path in place.folder.rglob("*")
        if path.is_file() and PASSWORD.encode() in path.read_bytes()
    ]
    assert [path.name for path in holders] == ["target.json"]
    assert holders[0].stat().st_mode & 0o777 == 0o600


def test_a_server_that_comes_later_gets_everything_once(
    left: dict[str, Left], line: Line, tmp_path: Path
) -> None:
    place, output = left["run"].place.copied(tmp_path), left["run"].output
    assert "kandinsky sync" in output
    assert output.count("warning: MLflow: ") == output.count("Connection refused") == 1
    assert "Traceback" not in output
    assert place.manifest["status"] == "FINISHED"
    assert place.manifest["mlflow_run_id"] is None
    with opened(line):
        assert place.sync() == (0, "1 of 1 runs delivered\n")
        assert place.sync() == (0, "nothing to deliver\n")
        status, output = place.run("seeds=[0]", f"tracking.uri={line.uri}")
        assert status == 0
        assert f"at {line.uri}" in output
        mlflow = MLflow(line.uri)
        late, direct = sorted(mlflow.runs("default"), key=lambda run: -run.data.metrics["images"])
        for run, images in ((late, 2), (direct, 1)):
            assert run.info.status == "FINISHED"
            assert len(mlflow.pictures(run)) == images
            assert "config.json" in mlflow.artifacts(run)
            assert len(mlflow.values(run, "seconds_total")) == 1
        assert late.info.start_time < direct.info.start_time
    assert place.spools == []
    assert not (place.outputs / "mlflow.db").exists()


def test_a_server_that_goes_away_during_a_sweep_gets_everything_once(
    place: Workplace, line: Line
) -> None:
    sweep = ("-m", "scheduler=ddim,ddpm", "decoder.guidance_scale=1,2", "seeds=[0,1]", "workers=1")
    with opened(line):
        process = place.start_run(
            *sweep, f"tracking.uri={line.uri}", "tracking.experiment=goes-away"
        )
        wait_until(
            lambda: list(place.outputs.glob("default/*/*/*.png")) or process.poll() is not None
        )
    status, output = ended(process)  # the server is gone
    assert status == 0, output
    assert "4 of 4 cells" in output
    wait_until(lambda: not writers_of(place.outputs))
    with opened(line):
        status, output = place.sync()
        assert status == 0, output
        mlflow = MLflow(line.uri)
        runs = mlflow.runs("goes-away")
        assert [run.info.status for run in runs] == ["FINISHED"] * 5
        children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
        assert len(children) == 4
        for run in children:
            assert len(mlflow.pictures(run)) == 2
            assert len(mlflow.values(run, "images")) == 1
    assert place.spools == []


def test_runs_at_once_share_a_fresh_store(warm: Workplace) -> None:
    (warm.outputs / "mlflow.db").unlink()
    together = [warm.start_run(f"seeds=[{seed}]") for seed in (0, 1, 0)]
    for process in together:
        status, output = ended(process)
        assert status == 0, output
        assert "kandinsky ui" in output
    wait_until(lambda: not writers_of(warm.outputs))
    mlflow = MLflow(warm.outputs / "mlflow.db")
    assert [run.info.status for run in mlflow.runs()] == ["FINISHED"] * 3
    assert len({run.data.tags["runner.run_id"] for run in mlflow.runs()}) == 3
    assert warm.spools == []


def test_a_sqlite_file_of_ones_own_keeps_pictures_in_the_output_folder(warm: Workplace) -> None:
    status, output = warm.run("tracking.uri=sqlite:///mine.db", "tracking.experiment=../up")
    assert status == 0, output
    mlflow = MLflow(warm.folder / "mine.db")
    run = mlflow.run()
    assert mlflow.client.get_experiment(run.info.experiment_id).name == "../up"
    assert {path.name for path in warm.folder.iterdir()} == {"mine.db", "outputs"}
    (drawn,) = warm.images
    logged = list((warm.outputs / "mlartifacts" / "up").rglob("*.png"))
    assert [path.samefile(drawn) for path in logged] == [True, True]
