"""Absent tracking servers, and stores that several runs share."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from helpers.manifests import read_manifest
from tracking.processes import MLflow, Workplace, ended, wait_until, writers_of

pytestmark = pytest.mark.slow

PASSWORD = "hunter2-is-secret"


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def answers(uri: str) -> bool:
    try:
        with urlopen(f"{uri}/health", timeout=2) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


@contextmanager
def server(folder: Path, port: int) -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
        "--workers", "1", "--backend-store-uri", f"sqlite:///{folder / 'server.db'}",
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
        wait_until(lambda: answers(f"http://127.0.0.1:{port}"))
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_server_that_comes_later_gets_everything_once(warm: Workplace, tmp_path: Path) -> None:
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    process = warm.start_run("seeds=[0,1]", f"tracking.uri={uri}")
    wait_until(lambda: len(warm.images) == 2)
    assert process.poll() is None  # the pictures are there, and it waits for the server
    waiting = time.monotonic()
    status, output = ended(process)
    assert status == 0, output
    assert time.monotonic() - waiting < 40
    assert "kandinsky sync" in output
    assert "Traceback" not in output
    assert warm.manifest["status"] == "FINISHED"
    assert warm.manifest["mlflow_run_id"] is None
    wait_until(lambda: not writers_of(warm.outputs))
    status, output = warm.sync()
    assert status == 1
    assert "0 of 1 runs delivered" in output
    with server(tmp_path / "server", port):
        assert warm.sync() == (0, "1 of 1 runs delivered\n")
        assert warm.sync() == (0, "nothing to deliver\n")
        status, output = warm.run("seeds=[0]", f"tracking.uri={uri}")
        assert status == 0
        assert f"at {uri}" in output
        mlflow = MLflow(uri)
        late, direct = sorted(mlflow.runs(), key=lambda run: -run.data.metrics["images"])
        for run, images in ((late, 2), (direct, 1)):
            assert run.info.status == "FINISHED"
            assert len(mlflow.artifacts(run, "images")) == images
            assert "config.json" in mlflow.artifacts(run)
            assert len(mlflow.values(run, "seconds_total")) == 1
        assert late.info.start_time < direct.info.start_time
    assert warm.spools == []
    assert not (warm.outputs / "mlflow.db").exists()


def test_a_server_that_goes_away_during_a_sweep_gets_everything_once(
    place: Workplace, tmp_path: Path
) -> None:
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    sweep = ("-m", "scheduler=ddim,ddpm", "decoder.guidance_scale=1,2,4", "seeds=[0,1]")
    with server(tmp_path / "server", port):
        process = place.start_run(*sweep, f"tracking.uri={uri}")
        wait_until(
            lambda: list(place.outputs.glob("default/*/*/*.png")) or process.poll() is not None
        )
    status, output = ended(process)  # the server is gone
    assert status == 0, output
    assert "6 of 6 cells" in output
    wait_until(lambda: not writers_of(place.outputs))
    with server(tmp_path / "server", port):
        status, output = place.sync()
        assert status == 0, output
        mlflow = MLflow(uri)
        runs = mlflow.runs()
        assert [run.info.status for run in runs] == ["FINISHED"] * 7
        children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
        assert len(children) == 6
        for run in children:
            assert len(mlflow.artifacts(run, "images")) == 2
            assert len(mlflow.values(run, "images")) == 1
    assert place.spools == []


@pytest.mark.parametrize("multirun", [False, True])
def test_credentials_of_the_address_are_written_nowhere_else(
    warm: Workplace, multirun: bool
) -> None:
    uri = f"http://someone:{PASSWORD}@127.0.0.1:9"
    option = ["-m"] if multirun else []
    status, output = warm.run(f'tracking.uri="{uri}"', "seeds=[0]", *option)
    assert status == 0, output
    wait_until(lambda: not writers_of(warm.outputs))
    _, synced = warm.sync()
    assert PASSWORD not in output + synced
    (manifest,) = (warm.outputs / "latest").rglob("manifest.json")
    assert "127.0.0.1" in read_manifest(manifest.parent)["config"]["tracking"]["uri"]
    holders = [
        path
        for path in warm.folder.rglob("*")
        if path.is_file() and PASSWORD.encode() in path.read_bytes()
    ]
    assert [path.name for path in holders] == ["target.json"]
    assert holders[0].stat().st_mode & 0o777 == 0o600


def test_runs_at_once_share_a_fresh_store(warm: Workplace) -> None:
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
    assert len(list((warm.outputs / "mlartifacts" / "up").rglob("*.png"))) == 1
