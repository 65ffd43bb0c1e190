"""Chooses the kind and the number of workers for a graph."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from runner.config.cluster import Cluster, RayCluster
from runner.config.keeping import format_seconds
from runner.config.measuring import ONE_WORKER
from runner.engine.observer import Observer
from runner.engine.workers import OpenWorkers, Workers, in_process
from runner.graph.node import Node, PipelineSpec
from runner.planning.plan import Plan
from runner.planning.planner import SMALL_MODEL_PARAMETERS, cache_dir
from runner.planning.profile import profile_of
from runner.system.machine import accelerators, cpu_cores
from runner.system.text import pluralize
from runner.workers import hint, host, ray_private
from runner.workers.connected import Worker
from runner.workers.handed_on import HandedOn
from runner.workers.messages import Stay
from runner.workers.setup import WorkerSetup, open_pipelines, setup_of
from runner.workers.takeover import Taken, Takeover

ENOUGH = 12
"""Nodes that run a model, for each worker: starting a worker takes as long as a few nodes."""


def open_workers(
    plans: Sequence[Plan], cluster: Cluster | None = None, handed_on: HandedOn | None = None
) -> OpenWorkers:
    """Workers for plans with the same execution profile.

    Args:
        cluster: where the workers are, if not on this machine.
        handed_on: where workers go from one profile of the command to the next.
    """

    def opened(nodes: Sequence[Node], observer: Observer) -> Workers:
        opening = setup_of(plans)
        if cluster is not None:
            host.stand_down()
            Takeover(opening.profile, None).make_room()  # theirs may be this machine's devices
            return _elsewhere(cluster, opening, nodes, observer, cache_dir(plans[0].run))
        count, reason = worker_count(plans, nodes)
        keep = max(plan.run.workers_keep or 0.0 for plan in plans) or None
        takeover = Takeover(opening.profile, keep)
        taken = takeover.take(count if opening.profile.bench is None else 0)
        stay = takeover.stay(count - len(taken), len(taken))
        between = handed_on if not taken and stay is None else None
        going_on: list[Worker] = []
        if handed_on is not None:  # those that this profile does not use end, whatever it uses
            going_on = handed_on.take(count if between else 0, opening.profile.device)
        how = _staying(count, taken, stay, keep) or _going_on(count, going_on)
        observer.workers_begun(count, f"{pluralize(count, 'worker')}{how} ({reason})")
        if keep is None and not taken:  # who keeps some knows of it
            observer = hint.watching(observer, plans)
        if (
            count == 1
            and not taken
            and not going_on
            and stay is None
            and not (needs_own_process(opening.profile.device) and pays_to_begin(nodes))
            and not _imports_elsewhere()
        ):
            host.stand_down()
            opened_here = in_process(lambda: open_pipelines(opening), opening.profile.bench)
            return opened_here(nodes, observer)
        # Imported here: most runs do not need it.
        from runner.workers.pool import Pool

        pool = Pool(
            opening, specs_of(nodes), count, observer,
            taken=taken, begin=takeover.start, stay=stay, handed_on=between, going_on=going_on,
        )  # fmt: skip
        host.stand_down()  # those beyond the number that has enough to do
        return pool

    return opened


def _staying(count: int, taken: Sequence[Taken], stay: Stay | None, keep: float | None) -> str:
    """How workers stay, for `workers_begun`."""
    told = ""
    if taken:
        since = datetime.fromtimestamp(min(one.resident.since for one in taken))
        several = f"{len(taken)} of them " if count > 1 else ""
        told = f", {several}resident since {since:%H:%M:%S}"
    if len(taken) == count:
        return told
    if stay is not None:
        return f"{told}, {'new ones ' if taken else ''}to stay for {format_seconds(stay.seconds)}"
    if keep is not None and not taken:
        return ", none to stay: as many do as there is room for"
    return told


def _going_on(count: int, going_on: Sequence[Worker]) -> str:
    """How many have worked for earlier cells of the command, for `workers_begun`."""
    if not going_on:
        return ""
    several = f"{len(going_on)} of them " if count > len(going_on) else ""
    return f", {several}from earlier cells"


def _elsewhere(
    cluster: Cluster,
    opening: WorkerSetup,
    nodes: Sequence[Node],
    observer: Observer,
    folder: Path,
) -> Workers:
    work = _work(nodes)
    if isinstance(cluster, RayCluster):
        if not cluster.address:
            ray_private.set_up()  # before Ray is imported
        from runner.workers.ray_actors import RayActors

        actors = RayActors(cluster, opening, work, observer)
        observer.workers_begun(actors.count, f"{pluralize(actors.count, 'actor')} of Ray")
        return actors
    from runner.workers.jobs import JobWorkers

    count = max(1, min(cluster.workers, work))
    observer.workers_begun(count, f"{pluralize(count, 'job')} ({cluster.cluster})")
    specs = specs_of(nodes)
    return JobWorkers(cluster, opening, specs, count, observer, folder / "submitit")


def specs_of(nodes: Sequence[Node]) -> set[PipelineSpec]:
    """The pipelines of the nodes."""
    return {node.pipeline for node in nodes if node.pipeline is not None}


def needs_own_process(device: str) -> bool:
    """Whether the only worker is a process of its own too: a GPU waits while the thread that feeds
    it does other work. A CPU is busy with that work itself, and starts sooner without one.
    """
    return device.partition(":")[0] == "cuda"


def pays_to_begin(nodes: Sequence[Node]) -> bool:
    """Whether a process for the only worker is begun: not for a few stages where this one has torch
    already, as in a notebook.
    """
    return "torch" not in sys.modules or _work(nodes) >= ENOUGH


def _imports_elsewhere() -> bool:
    """Whether a process that stands by has begun the imports, and this one has not: nothing is
    imported twice.
    """
    return host.stands_by() and "torch" not in sys.modules


def _work(nodes: Sequence[Node]) -> int:
    """The number of nodes that run a model."""
    return sum(node.pipeline is not None for node in nodes)


def worker_count(plans: Sequence[Plan], nodes: Sequence[Node]) -> tuple[int, str]:
    """The number of workers, and the reason for it.

    `auto`: on accelerators one each; on a CPU one a core where the model cannot use more than one
    thread, else one. Never so many that some have too little to do.
    """
    profile = profile_of(plans)
    if profile.bench is not None:
        return 1, ONE_WORKER
    configured = profile.workers
    work = _work(nodes)
    if configured is not None:
        return max(1, min(configured, work)), "as configured"
    device = profile.device
    if os.name != "posix":
        return 1, "processes are not supported here"
    if device == "cuda":
        places, reason = accelerators(), "one an accelerator"
    elif device == "cpu" and _is_small(plans):
        places, reason = cpu_cores() // profile.threads, "one a core"
    else:
        places, reason = 1, "one is all that the device can serve"
    return max(1, min(places, work // ENOUGH)), reason


def _is_small(plans: Sequence[Plan]) -> bool:
    return all(
        0 < found.parameters < SMALL_MODEL_PARAMETERS
        for plan in plans
        for found in plan.weights.checkpoints.values()
    )
