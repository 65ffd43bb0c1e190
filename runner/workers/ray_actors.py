"""Ray actors as the engine's workers: on one machine or many, each keeps its models loaded.

Only the launching process reads pictures, keeps the store, and writes images and records; an actor
receives a node with its inputs as bytes and returns bytes. Weights must be at the same path on
every machine (the small family comes with the package).
"""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections import Counter, deque
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

from runner.config.cluster import RayCluster
from runner.engine.observer import Observer, Ran
from runner.engine.results import Made
from runner.engine.stage_runner import StageRunner
from runner.engine.workers import Here
from runner.errors import RunnerError, StageError
from runner.graph.node import Node, PipelineSpec
from runner.system.machine import python_path
from runner.system.signals import STOPPING
from runner.weights.find import packaged_folder
from runner.weights.found import FoundCheckpoint, FoundLora
from runner.weights.lora_places import packaged_file
from runner.workers import ray_private
from runner.workers.connected import RETRIES, Teller, given_up, result_of
from runner.workers.loop import Messenger, encoded, run_node
from runner.workers.messages import Failed, Happened, Run
from runner.workers.setup import WorkerSetup, open_pipelines


class RayActors:
    """Actors that run nodes in parallel. Nodes without a model run in this process.

    Args:
        work: the number of nodes that run a model; there are no more actors than that.
    """

    def __init__(
        self, cluster: RayCluster, opening: WorkerSetup, work: int, observer: Observer
    ) -> None:
        self._here = Here(lambda: open_pipelines(opening), observer)
        self._done: deque[tuple[Node, Ran | RunnerError]] = deque()
        self._tell = Teller(observer)
        self._deaths: Counter[str] = Counter()
        self._never_ready = 0
        # Ray's open futures and their actors; idle actors.
        self._coming: dict[Any, Any] = {}
        self._running: dict[Any, tuple[Any, Run]] = {}
        self._ready: list[Any] = []
        self._own = not ray.is_initialized()
        if self._own:
            _init(cluster)
            if not cluster.address:
                ray_private.check()
        self._class = ray.remote(num_cpus=cluster.cpus, num_gpus=cluster.gpus)(StageActor)
        self._opening = ray.put(opening)
        self.count = max(1, min(cluster.workers or _room(cluster), work))
        for _ in range(self.count):
            self._add()

    def has_idle(self) -> bool:
        self._look(0)
        return bool(self._ready) or not self._running

    def takes_next(self, node: Node, ready: int) -> bool:
        return False  # an actor that has died would take its waiting node with it

    def has_waiting(self) -> bool:
        return False

    def recall(self) -> None:
        """No node waits."""

    def submit(self, node: Node, inputs: Mapping[str, Made]) -> None:
        if node.pipeline is None:
            self._here.submit(node, inputs)
            self._done.append(self._here.wait())
            return
        self._give(Run.of(node, inputs))

    def wait(self) -> tuple[Node, Ran | RunnerError]:
        while not self._done:
            self._look(None)
        return self._done.popleft()

    def evict_except(self, specs: Collection[PipelineSpec]) -> None:
        for actor in self._ready:
            actor.evict_except.remote(frozenset(specs))

    def close(self) -> None:
        """End the actors, and the cluster if it was started for them."""
        running = [actor for actor, _ in self._running.values()]
        for actor in [*self._coming.values(), *self._ready, *running]:
            ray.kill(actor)
        if self._own:
            ray.shutdown()

    def _add(self) -> None:
        actor: Any = self._class.remote(self._opening)
        self._coming[actor.ready.remote()] = actor

    def _give(self, run: Run) -> None:
        while not self._ready:  # only actors that have answered: one on a lost machine never does
            self._look(None)
        actor = self._ready.pop(0)
        self._running[actor.run.remote(run)] = (actor, run)

    def _look(self, seconds: float | None) -> None:
        """Handle the next future that is done; wait `seconds` for it, None: without limit."""
        futures = [*self._coming, *self._running]
        found, _ = ray.wait(futures, timeout=seconds) if futures else ([], [])
        for future in found:
            if future in self._coming:
                self._answered(future, self._coming.pop(future))
            else:
                self._ended(future, *self._running.pop(future))

    def _answered(self, future: Any, actor: Any) -> None:
        try:
            ray.get(future)
        except RayError as error:
            self._never_ready += 1
            if self._never_ready > RETRIES * self.count:
                raise RunnerError(f"actors of Ray cannot begin: {error}") from error
            self._add()
        else:
            self._ready.append(actor)

    def _ended(self, future: Any, actor: Any, run: Run) -> None:
        try:
            told, result = ray.get(future)
        except RayActorError:
            self._died(run)
            return
        self._ready.append(actor)
        for message in told:
            self._tell(run.node, message)
        self._done.append((run.node, result_of(result)))

    def _died(self, run: Run) -> None:
        """An actor has died while running a node, possibly with its machine."""
        self._add()
        self._deaths[run.node.key] += 1
        if self._deaths[run.node.key] > RETRIES:
            self._done.append((run.node, given_up(run.node, self._deaths[run.node.key])))
        else:
            self._give(run)


class StageActor:
    """Runs nodes on its machine. Its methods are called by Ray."""

    def __init__(self, opening: WorkerSetup) -> None:
        self._told: list[Happened] = []
        messenger = Messenger(self._told.append)
        self._runner = StageRunner(
            lambda: open_pipelines(_here(opening)), messenger, opening.profile.bench
        )

    def ready(self) -> None:
        """Return once the imports are done."""
        from runner.pipelines import pipelines

        assert pipelines

    def run(self, run: Run) -> tuple[list[Happened], Ran | Failed]:
        """Run a node: the messages about it, and its result or failure."""
        self._told.clear()
        ended = run_node(self._runner, run.node, run.inputs)
        return list(self._told), encoded(run.node, ended)

    def evict_except(self, specs: frozenset[PipelineSpec]) -> None:
        """Unload all pipelines but these."""
        self._runner.evict_except(specs)


def take_our_package() -> None:
    """Called by Ray in each new worker process, so that this package is imported before Ray puts
    the driver's working directory first in `sys.path`: a `runner.py` there would shadow it.
    """


def _here(opening: WorkerSetup) -> WorkerSetup:
    """The setup, with the package's checkpoints taken from this machine's own package."""
    return replace(opening, checkpoints=tuple(map(_checkpoint_here, opening.checkpoints)))


def _checkpoint_here(found: FoundCheckpoint) -> FoundCheckpoint:
    found = replace(found, loras=tuple(map(_lora_here, found.loras)))
    assert found.checked is not None
    folder = packaged_folder(found)
    if folder is not None:
        return replace(found, checked=found.checked.moved_to(folder))
    if not found.checked.path.is_dir():
        raise StageError(
            f"weights are not at {found.checked.path} on {os.uname().nodename}: every machine of a "
            "cluster needs them at the same place"
        )
    return found


def _lora_here(lora: FoundLora) -> FoundLora:
    file = None if lora.packaged is None else packaged_file(lora.packaged)
    return lora if file is None else replace(lora, path=file)


def _init(cluster: RayCluster) -> None:
    """Connect to Ray, and restore the runner's signal handlers, which Ray replaces."""
    _check_address(cluster.address)
    before = {number: signal.getsignal(number) for number in STOPPING}
    try:
        ray.init(
            address=cluster.address or "local",
            include_dashboard=None if cluster.address else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env=_environment(cluster),
        )
    except (RayError, ConnectionError, ValueError) as error:
        raise RunnerError(f"Ray cannot be reached at {cluster.address}: {error}") from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _environment(cluster: RayCluster) -> dict[str, Any]:
    hook = {"worker_process_setup_hook": f"{__name__}.{take_our_package.__name__}"}
    if cluster.address:
        return hook  # other machines find their packages themselves
    return {**hook, "env_vars": {"PYTHONPATH": python_path(users_modules=True)}}


def _check_address(address: str | None) -> None:
    """Raises RunnerError at once where nothing listens: Ray itself would try for ten minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise RunnerError(f"nothing of Ray is to be reached at {address}: {error}") from error


def _room(cluster: RayCluster) -> int:
    have: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    places = [have.get("CPU", 0) // cluster.cpus] if cluster.cpus else []
    places += [have.get("GPU", 0) // cluster.gpus] if cluster.gpus else []
    return max(1, int(min(places, default=1)))
