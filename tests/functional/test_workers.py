"""Stages in worker processes: the same pixels as in one process; nothing is lost if one dies."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from functional.made import STEPS
from helpers.hosts import hosts_begun
from helpers.manifests import read_manifest
from runner.cli import main
from runner.config.choices import CacheMode
from runner.engine.execute import execute
from runner.engine.observer import Loaded, NodeResult, Observer
from runner.engine.store import Store
from runner.engine.workers import in_process
from runner.errors import RunnerError, StageError
from runner.graph.node import Node
from runner.planning.plan import Plan
from runner.system.user_cache import user_cache_dir
from runner.workers import choose, hint
from runner.workers.choose import specs_of
from runner.workers.pool import Pool
from runner.workers.setup import open_pipelines, setup_of

SWEEP = ("scheduler=ddim,ddpm", "decoder.guidance_scale=1,4", "seeds=[1,2]")


@pytest.fixture
def sweep(weights: Path, tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """Runs `kandinsky -m <overrides>` with a number of workers; gives the cells' manifests."""

    def run(workers: int, *overrides: str, status: int = 0) -> list[dict[str, Any]]:
        output_dir = tmp_path / f"outputs-{workers}"
        given = (f"weights={weights}", f"output_dir={output_dir}", "tracking=none", *STEPS)
        last = {o.partition("=")[0]: o for o in ("progress=lines", *given, *SWEEP, *overrides)}
        assert main(["-m", f"workers={workers}", *last.values()]) == status
        cells = sorted((output_dir / "latest").resolve().glob("*/manifest.json"))
        return [read_manifest(cell.parent) for cell in cells]

    return run


def pixels(manifests: list[dict[str, Any]]) -> list[list[tuple[str, str]]]:
    return [[(i["file"], i["sha256"]) for i in manifest["images"]] for manifest in manifests]


@pytest.mark.usefixtures("watched")
def test_two_workers_make_the_pixels_of_one(
    sweep: Callable[..., list[dict[str, Any]]], capfd: pytest.CaptureFixture[str]
) -> None:
    """And of both kinds of commands the first says that workers can stay."""
    alone = sweep(1)
    said = capfd.readouterr().err
    assert " workers (" not in said
    assert said.count(hint.TEXT) == 1
    sweep(1, "cache=off", "seeds=[3]")
    assert hint.TEXT not in capfd.readouterr().err
    (user_cache_dir() / hint.TOLD).unlink()
    together = sweep(2)
    said = capfd.readouterr().err
    assert "2 workers (as configured)" in said
    assert said.count(hint.TEXT) == 1
    # Each pipeline is told of once, though both workers load it.
    assert said.count("loaded KandinskyV22PriorPipeline") == 1
    assert pixels(together) == pixels(alone)
    assert [m["status"] for m in together] == ["FINISHED"] * 4


def test_without_a_store_results_pass_between_the_processes(
    sweep: Callable[..., list[dict[str, Any]]], tmp_path: Path
) -> None:
    """Embeddings and pictures, those that are read, too."""
    picture = tmp_path / "picture.png"
    Image.linear_gradient("L").convert("RGB").save(picture)
    given = ("task=img2img", f"inputs.image={picture}", "strength=0.7")
    assert pixels(sweep(2, *given, "cache=off")) == pixels(sweep(1, *given))


def test_the_profiles_of_a_sweep_share_their_workers(
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Torch is imported once for all; what is measured is measured with nothing that is left."""
    begun = hosts_begun(monkeypatch)
    given = (
        f"weights={weights}", f"output_dir={tmp_path}", "tracking=none", "progress=lines", *STEPS,
        "seeds=[1,2]", "cache=off",
    )  # fmt: skip
    axes = ("workers=2,1", "threads=1,2", "bench=false,true", "repeats=1", "skip_invalid=true")
    assert main(["-m", *given, *axes]) == 0
    said = capfd.readouterr().err
    assert begun == [2]
    assert said.count("2 workers, from earlier cells (as configured)") == 1
    assert said.count("1 worker, from earlier cells (as configured)") == 2
    assert said.count("1 worker, from earlier cells (bench=true measures") == 2
    # With other threads models stay loaded; what is measured loads its own.
    assert said.count("loaded KandinskyV22PriorPipeline") == 6
    folders = sorted((tmp_path / "latest").resolve().glob("*/manifest.json"))
    cells = pixels([read_manifest(cell.parent) for cell in folders])
    for threads, of in ((1, (0, 2, 3)), (2, (1, 4, 5))):
        assert main([*given, "workers=1", f"threads={threads}"]) == 0
        (alone,) = pixels([read_manifest(tmp_path / "latest")])
        assert [cells[number] for number in of] == [alone] * 3


def test_a_stage_that_fails_in_a_worker_says_where(
    weights: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(weights, broken)
    file = next((broken / "kandinsky-2-2-decoder" / "unet").glob("*.safetensors"))
    from safetensors.torch import load_file, save_file

    save_file({key: tensor * float("nan") for key, tensor in load_file(file).items()}, file)
    status = main(
        [
            f"weights={broken}", "workers=2", "seeds=[1,2]", "debug=true", "tracking=none",
            f"output_dir={tmp_path / 'outputs'}", *STEPS,
        ]
    )  # fmt: skip
    said = capfd.readouterr().err
    assert status == 1
    assert "NaN" in said
    assert "in a worker process" in said
    assert "runner/stages/decode.py" in said
    manifest = read_manifest(tmp_path / "outputs" / "latest")
    assert [failure["stage"] for failure in manifest["failures"]] == ["decode", "decode"]


class Watch(Observer):
    """Keeps what happened; kills workers when it is told to."""

    def __init__(self) -> None:
        self.pool: Pool | None = None
        self.deaths = 0
        self.results: list[NodeResult] = []
        self.errors: list[RunnerError] = []
        self.died: list[str] = []

    def pipeline_loaded(self, loaded: Loaded) -> None:
        """Of no interest."""

    def node_started(self, node: Node) -> None:
        if self.deaths and node.stage == "decode":
            self.deaths -= 1
            assert self.pool is not None
            busy = [worker for worker in self.pool._workers if worker.runs]
            (pid,) = [worker.pid for worker in busy if worker.runs[0].node == node]
            assert pid is not None
            os.kill(pid, signal.SIGKILL)

    def worker_died(self, node: Node, how: str) -> None:
        self.died.append(f"{node.stage}: {how}")

    def node_finished(self, result: NodeResult) -> None:
        self.results.append(result)

    def node_failed(self, node: Node, error: RunnerError) -> None:
        self.errors.append(error)


def run_in_pool(plan: Plan, folder: Path, watch: Watch, workers: int = 2) -> Watch:
    def opened(nodes: Any, observer: Observer) -> Pool:
        watch.pool = Pool(setup_of([plan]), specs_of(nodes), workers, observer)
        return watch.pool

    execute(plan.graph, opened, Store(folder, CacheMode.use), [watch])
    return watch


@pytest.fixture
def planned(weights: Path, tmp_path: Path) -> Callable[..., Plan]:
    """The plan of a picture for each seed."""
    from helpers.plans import plan

    given = {"weights": weights, "output_dir": tmp_path / "outputs", "tracking": "none"}
    return lambda *seeds: plan(*STEPS, seeds=list(seeds), **given)


@pytest.fixture
def plan(planned: Callable[..., Plan]) -> Plan:
    return planned(1, 2, 3)


def decoded(watch: Watch) -> dict[str, bytes]:
    return {
        result.node.key: result.value.tobytes()
        for result in watch.results
        if isinstance(result.value, Image.Image)
    }


def test_the_node_of_a_worker_that_is_killed_is_run_by_another(plan: Plan, tmp_path: Path) -> None:
    watch = Watch()
    watch.deaths = 2
    run_in_pool(plan, tmp_path / "killed", watch)
    assert watch.deaths == 0
    assert watch.died == ["decode: its worker process died: another one runs it"] * 2
    assert not watch.errors
    whole = Watch()
    alone = in_process(lambda: open_pipelines(setup_of([plan])))
    execute(plan.graph, alone, Store(tmp_path / "whole", CacheMode.use), [whole])
    assert decoded(watch) == decoded(whole)
    assert len(decoded(watch)) == 3
    assert not list((tmp_path / "killed").rglob(".*-*"))


def test_a_node_that_kills_every_worker_is_given_up(
    planned: Callable[..., Plan], tmp_path: Path
) -> None:
    watch = Watch()
    watch.deaths = 1000
    run_in_pool(planned(1), tmp_path / "killed", watch, workers=1)  # each costs its imports
    (error,) = watch.errors
    assert isinstance(error, StageError)
    assert "decode failed" in str(error)
    assert "its worker process died 3 times; if the system ends it for want of" in str(error)
    assert not decoded(watch)
    assert watch.died[-1] == "decode: its worker process died: it is given up"


def test_no_process_is_left(plan: Plan, tmp_path: Path) -> None:
    pids: set[int] = set()

    class Look(Watch):
        def node_finished(self, result: NodeResult) -> None:
            assert self.pool is not None
            pids.update(self.pool.pids())
            raise StageError("enough")

    look = Look()
    with pytest.raises(StageError, match="enough"):
        run_in_pool(plan, tmp_path / "results", look)
    assert pids
    assert not look.errors
    done = threading.Event()
    for _ in range(100):
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            break
        done.wait(0.1)
    else:
        pytest.fail(f"still there: {pids}")


@pytest.mark.parametrize(
    ("workers", "images", "expected"),
    [("auto", 4, 1), ("auto", 100, 3), ("auto", 15, 2), (2, 4, 2), (9, 4, 8), (9, 1, 2)],
)
def test_how_many_workers(
    weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    workers: object,
    images: int,
    expected: int,
) -> None:
    from helpers.plans import plan

    monkeypatch.setattr(choose, "cpu_cores", lambda: 3)
    made = plan(
        weights=weights, seeds=list(range(images)), workers=workers, tracking="none", device="cpu"
    )
    # A prior and a decoder for each image; 12 of them are enough for a worker.
    nodes = list(made.graph)
    assert len(nodes) == 2 * images
    assert choose.worker_count([made], nodes)[0] == expected
