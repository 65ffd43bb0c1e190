"""Executes plans: opens store and workers, runs the graph, trims the store."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from runner.config.choices import CacheMode, Progress
from runner.config.cluster import Cluster
from runner.config.run_config import RunConfig
from runner.engine.batch_sizes import BatchSizes
from runner.engine.execute import execute
from runner.engine.observer import Observer
from runner.engine.outcome import Outcome
from runner.engine.results import Made
from runner.engine.store import Store
from runner.engine.store_care import trim
from runner.graph.graph import Graph
from runner.graph.node import Node
from runner.planning.batches import first_size
from runner.planning.plan import Plan
from runner.planning.planner import results_dir
from runner.planning.profile import profile_of
from runner.system.files import below
from runner.system.machine import device_memory
from runner.system.text import pluralize
from runner.workers.choose import open_workers
from runner.workers.handed_on import HandedOn

SUCCESS, FAILURE = 0, 1


@dataclass(frozen=True)
class Finished:
    """How a run ended.

    Attributes:
        status: 0, or 1 where a stage failed.
        folder: of its results.
        summary: what was made, as text for the user.
    """

    status: int
    folder: Path
    summary: str = ""


def execute_plans(
    plans: Sequence[Plan],
    observers: Sequence[Observer],
    *,
    graph: Graph | None = None,
    external: Mapping[Node, Callable[[], Made | None]] | None = None,
    cluster: Cluster | None = None,
    handed_on: HandedOn | None = None,
    between: Callable[[], None] = lambda: None,
    since: float | None = None,
) -> Outcome:
    """Run the stages of plans of one profile, each distinct stage once, and trim the store.

    Args:
        observers: get the engine's events, in this order.
        graph: the nodes to run; None: all that the plans need.
        external: by external node, the function that reads its picture, which another cell draws.
        cluster: where stages run; None: on this machine.
        handed_on: where workers go from one profile of the command to the next; None: it has one.
        between: called before each node; an exception from it ends the run.
        since: entries stored or used after this time (seconds since the epoch) are not trimmed;
            None: now.
    """
    since = time.time() if since is None else since
    profile, run = profile_of(plans), plans[0].run
    results = results_dir(run.output_dir).relative_to(run.output_dir)
    store = Store(below(run.output_dir, results.as_posix()), profile.cache)
    for node, read in (external or {}).items():
        store.put_external(node, read)

    @cache
    def memory() -> int | None:
        return device_memory(profile.device)

    def reckon(node: Node) -> int | None:
        return first_size(plans, node, memory())

    outcome = execute(
        graph if graph is not None else Graph(()).merged(*(plan.graph for plan in plans)),
        open_workers(plans, cluster, handed_on),
        store,
        observers,
        between=between,
        batch_sizes=BatchSizes(profile.batch_size, reckon),
    )
    _keep_within_bounds(run, since)
    if run.debug:
        for failure in outcome.failed.values():
            traceback.print_exception(failure)
    return outcome


def _keep_within_bounds(run: RunConfig, since: float) -> None:
    """Trim the store to `cache.max_gb`."""
    if run.cache_max_gb is None or run.cache is CacheMode.off:
        return
    done = trim(results_dir(run.output_dir), round(run.cache_max_gb * 1e9), since)
    if done.removed and run.progress is not Progress.quiet:
        dropped = pluralize(done.removed, "stored result")
        print(f"cache.max_gb: {dropped} dropped, the least recently used", file=sys.stderr)
