"""Sweeps on actors of Ray and in jobs of a batch system: the same pixels, one MLflow run a cell,
and machines and jobs may be lost. Where the user has a module `runner`, it is never imported.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from helpers.manifests import read_manifest
from tracking.processes import Workplace, commands, ended, kill, wait_until

pytestmark = pytest.mark.slow

SWEEP = ("-m", "scheduler=ddim,ddpm", "decoder.guidance_scale=1,2", "seeds=[0,1]")
CELLS = 4


def hashes(place: Workplace) -> dict[tuple[str, str], str]:
    """(cell, file) -> pixels."""
    return {
        (manifest.parent.name, image["file"]): image["sha256"]
        for manifest in place.outputs.glob("default/*/*/manifest.json")
        for image in read_manifest(manifest.parent)["images"]
    }


@pytest.fixture(scope="module")
def expected(shared: Workplace) -> dict[tuple[str, str], str]:
    """Drawn in the command's own process."""
    status, output = shared.run(*SWEEP, "workers=1", "tracking=none")
    assert status == 0, output
    return hashes(shared)


def addresses(pid: int) -> set[str]:
    """Where a process and those that it has started listen for connections."""
    found: set[str] = set()
    with contextlib.suppress(psutil.NoSuchProcess):
        run = psutil.Process(pid)
        for one in (run, *run.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                made = one.net_connections("tcp")
                found |= {each.laddr[0] for each in made if each.status == "LISTEN"}
    return found


@pytest.mark.timeout(600)
def test_actors_make_the_pixels_of_one_process(
    place: Workplace, expected: dict[tuple[str, str], str]
) -> None:
    process = place.start_among_users_modules(
        "runner/__init__.py", *SWEEP, "hydra/launcher=ray", "hydra.launcher.workers=2"
    )
    listening: set[str] = set()
    while process.poll() is None:
        listening |= addresses(process.pid)
        time.sleep(2)  # each look at all processes of Ray takes half a second of a core
    status, output = ended(process)
    assert status == 0, output
    assert listening <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    assert listening
    assert "2 actors of Ray" in output
    assert "Traceback" not in output
    assert hashes(place) == expected
    manifests = [read_manifest(p.parent) for p in place.outputs.glob("*/*/*/manifest.json")]
    assert len({manifest["mlflow_run_id"] for manifest in manifests} - {None}) == CELLS


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two machines of one core each, simulated on this one."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    yield made
    made.shutdown()


@pytest.mark.timeout(600)
def test_a_sweep_survives_the_loss_of_a_machine(
    place: Workplace, expected: dict[tuple[str, str], str], cluster: Any
) -> None:
    second = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    process = place.start_run(
        *SWEEP, "hydra/launcher=ray", f"hydra.launcher.address={cluster.address}",
        "hydra.launcher.workers=2", "tracking=none",
    )  # fmt: skip
    made = place.outputs / ".cache" / "results"
    wait_until(
        lambda: len(list(made.rglob("entry.json"))) >= 4 or process.poll() is not None, seconds=240
    )
    assert process.poll() is None
    cluster.remove_node(second, allow_graceful=False)
    status, output = ended(process)
    assert status == 0, output
    assert hashes(place) == expected


def test_a_cluster_that_is_not_there_is_told_at_once(place: Workplace) -> None:
    started = time.monotonic()
    status, output = place.run(
        *SWEEP, "hydra/launcher=ray", "hydra.launcher.address=127.0.0.1:1", "tracking=none"
    )
    assert status == 1
    assert "nothing of Ray is to be reached at 127.0.0.1:1" in output
    assert "Traceback" not in output
    assert time.monotonic() - started < 60


JOBS = ("hydra/launcher=submitit", "hydra.launcher.cluster=local", "hydra.launcher.workers=2")


def jobs_of(place: Workplace) -> list[int]:
    """Process ids of its jobs."""
    folder = str(place.outputs / ".cache" / "submitit").encode()
    return [
        pid
        for pid, command in commands().items()
        if b"submitit.core._submit" in command and folder in command
    ]


def test_jobs_make_the_pixels_of_one_process_and_end_with_it(
    place: Workplace, expected: dict[tuple[str, str], str]
) -> None:
    """Though one of them is killed: it is submitted anew."""
    process = place.start_among_users_modules("runner.py", *SWEEP, *JOBS, "tracking=none")
    made = place.outputs / ".cache" / "results"
    wait_until(lambda: list(made.rglob("entry.json")) or process.poll() is not None)
    jobs = jobs_of(place)
    assert jobs
    kill(jobs[0])
    status, output = ended(process)
    assert status == 0, output
    assert "2 jobs (local)" in output
    assert hashes(place) == expected
    wait_until(lambda: not jobs_of(place))


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("ray hydra.launcher.workers=0", "hydra.launcher.workers=0: is no number of workers"),
        ("ray hydra.launcher.num_cpus=-1", "hydra.launcher.num_cpus=-1.0: is no share of a"),
        ("submitit hydra.launcher.cluster=pbs", "hydra.launcher.cluster=pbs: is unknown"),
        ("submitit hydra.launcher.workers=auto", "hydra.launcher.workers=auto: cannot be told"),
        ("submitit hydra.launcher.timeout_min=0", "hydra.launcher.timeout_min=0: is no time"),
    ],
)
def test_wrong_settings_are_refused(place: Workplace, override: str, said: str) -> None:
    status, output = place.run(*SWEEP, *f"hydra/launcher={override}".split())
    assert status == 2
    assert said in output
    assert not list(Path(place.outputs).rglob("manifest.json"))
