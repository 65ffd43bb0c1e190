"""Starts runs as processes, which can be stopped and killed, and reads their MLflow runs."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from helpers.manifests import read_manifest
from helpers.preloaded import Forked
from runner.tracking.delivery import prepare_environment

prepare_environment()

STEPS = ("prior.num_inference_steps=2", "decoder.num_inference_steps=2")
CANARY = "canary-value-of-the-environment"
KANDINSKY = Path(sys.executable).with_name("kandinsky")


class Workplace:
    """A working directory with an output folder, and the processes that were started in it."""

    def __init__(self, folder: Path, weights: Path, store: Path | None = None) -> None:
        """
        Args:
            store: what the output folder has for its store; None: the writer makes one.
        """
        self.folder = folder
        self.outputs = folder / "outputs"
        self.weights = weights
        self.processes: list[Forked | subprocess.Popen[str]] = []
        if store is not None:
            self.outputs.mkdir(parents=True)
            shutil.copy(store, self.outputs / "mlflow.db")

    def start(self, *arguments: str) -> Forked:
        """Start `python -m runner <arguments>`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "HOME": str(self.folder), "SOME_TOKEN": CANARY}
        process = Forked(arguments, self.folder, environment)
        self.processes.append(process)
        return process

    def start_run(self, *overrides: str) -> Forked:
        """Start `kandinsky <overrides>` with few steps."""
        return self.start(f"weights={self.weights}", *STEPS, *overrides)

    def start_among_users_modules(self, file: str, *overrides: str) -> subprocess.Popen[str]:
        """Start the installed program `kandinsky` with few steps, beside a module or a package
        `runner` of the user's own, which is never to be taken for this package.
        """
        own = self.folder / file
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text("raise SystemExit('the user\\'s own module was imported')\n")
        process = subprocess.Popen(
            [KANDINSKY, f"weights={self.weights}", *STEPS, *overrides],
            cwd=self.folder,
            env={**os.environ, "HOME": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        return process

    def run(self, *overrides: str) -> tuple[int, str]:
        """Exit status and everything printed, once MLflow has all that it is to have."""
        return self.delivered(self.start_run(*overrides))

    def delivered(self, process: Forked | subprocess.Popen[str]) -> tuple[int, str]:
        """Likewise, of a process that was started: on a busy machine it leaves the rest of a
        delivery to its writer.
        """
        seen = ended(process)
        wait_until(lambda: not writers_of(self.outputs))
        return seen

    def sync(self) -> tuple[int, str]:
        return ended(self.start("sync"))

    @property
    def manifest(self) -> dict[str, Any]:
        """Of the newest run."""
        return read_manifest(self.outputs / "latest")

    @property
    def spools(self) -> list[Path]:
        return sorted(path.parent for path in self.outputs.glob(".spool/*/target.json"))

    @property
    def images(self) -> list[Path]:
        """Finished pictures of all runs."""
        return [p for p in self.outputs.glob("default/*/*.png") if not p.name.startswith(".")]

    def copied(self, folder: Path) -> Workplace:
        """Another one with the same outputs, for a test that changes them."""
        other = Workplace(folder, self.weights)
        shutil.copytree(self.outputs, other.outputs, symlinks=True)
        return other

    def stop_all(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()


def ended(process: Forked | subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=240)
    status = process.poll()
    assert status is not None
    return status, output


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


def wait_until(condition: Callable[[], object], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def writers_of(output_dir: Path) -> list[int]:
    """Process ids of the living writers of an output folder: those whose log lies there."""
    return [pid for pid in commands() if log_of(pid).is_relative_to(output_dir / ".spool")]


def log_of(pid: int) -> Path:
    """Where a process writes its output; an empty path once it has ended."""
    try:
        return Path(f"/proc/{pid}/fd/1").readlink()
    except OSError:
        return Path()


def workers_of(process: Forked | subprocess.Popen[str]) -> list[int]:
    """Process ids of the workers of a runner; of the process that they are forked from, too."""
    below = {process.pid}
    found = []
    for pid, command in sorted(commands().items()):
        if parent_of(pid) in below and b"runner.workers.process" in command:
            below.add(pid)
            found.append(pid)
    return found


def commands() -> dict[int, list[bytes]]:
    """Process id -> its command line, of all that are alive."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found[int(folder.name)] = (folder / "cmdline").read_bytes().split(b"\0")
    return found


def parent_of(pid: int) -> int | None:
    """Of a living process."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


class MLflow:
    """What a store has: a sqlite file, or a server's address."""

    def __init__(self, store: Path | str) -> None:
        from mlflow.tracking import MlflowClient

        self.client = MlflowClient(f"sqlite:///{store}" if isinstance(store, Path) else store)

    def runs(self, experiment: str | None = None) -> list[Any]:
        """Those of an experiment, or of all."""
        named = [one for one in self.client.search_experiments() if experiment in (None, one.name)]
        ids = [one.experiment_id for one in named]
        return list(self.client.search_runs(ids))

    def run(self) -> Any:
        (run,) = self.runs()
        return run

    def artifacts(self, run: Any, folder: str | None = None) -> set[str]:
        return {file.path for file in self.client.list_artifacts(run.info.run_id, folder)}

    def pictures(self, run: Any) -> set[str]:
        """Keys of the pictures that the image charts show, each with its thumbnail."""
        names = {Path(path).stem for path in self.artifacts(run, "images")}
        full = {name for name in names if not name.endswith("+compressed")}
        assert names == full | {f"{name}+compressed" for name in full}
        return {name.partition("+")[0].replace("~", "/") for name in full}

    def values(self, run: Any, metric: str) -> list[float]:
        """Every value that was ever recorded of a metric."""
        return [m.value for m in self.client.get_metric_history(run.info.run_id, metric)]


def skip_without_mounts(folder: Path) -> None:
    """Skip a test where nothing can be mounted (on `folder`) in a namespace of its own."""
    probe = subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "none", str(folder)],
        check=False,
        capture_output=True,
        text=True,
    )
    if probe.returncode != 0:
        pytest.skip(f"no file system of one's own can be mounted here: {probe.stderr.strip()}")
