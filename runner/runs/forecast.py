"""What a sweep would do, in numbers: stages, those that are stored, time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.config.choices import CacheMode
from runner.engine.estimates import Estimate, Estimator
from runner.engine.store import Store
from runner.graph.graph import Graph
from runner.graph.node import Node
from runner.planning.plan import Plan
from runner.planning.planner import results_dir
from runner.planning.sweep import SweepPlan
from runner.workers.choose import worker_count


@dataclass(frozen=True)
class StageCount:
    """How often a sweep has a stage.

    Attributes:
        nodes: summed over the cells.
        distinct: how many of these differ, so that each is run once.
        stored: how many distinct ones are in the store, and are not run.
    """

    nodes: int
    distinct: int
    stored: int


@dataclass(frozen=True)
class Forecast:
    """What a sweep would do.

    Attributes:
        stages: by name, in the order of the graph.
        estimate: of the stages that are not stored, run one after the other.
        workers: how many processes share these.
        estimator: over the store's entries, for who asks for more.
    """

    stages: dict[str, StageCount]
    estimate: Estimate
    workers: int
    estimator: Estimator


def forecast(sweep: SweepPlan) -> Forecast:
    """Look up what of a sweep is stored, and how long such stages took."""
    stored = stored_nodes(sweep)
    by_stage = Counter(node.stage for node in stored)
    have = {node.key for node in stored}
    missing = [node for node in sweep.work if node.key not in have]
    first = sweep.plans[0].run
    estimator = Estimator(results_dir(first.output_dir))
    return Forecast(
        {
            stage: StageCount(sweep.stages[stage], distinct, by_stage[stage])
            for stage, distinct in sweep.distinct_stages.items()
        },
        estimator.estimate(missing, first.bench),
        _workers(sweep.plans, missing),
        estimator,
    )


def _workers(plans: Sequence[Plan], nodes: Sequence[Node]) -> int:
    """How many workers will share the nodes; 1 where plans are run in several ways, one after the
    other.
    """
    if len({plan.profile for plan in plans}) > 1:
        return 1
    return worker_count(plans, nodes)[0]


def stored_nodes(sweep: SweepPlan) -> list[Node]:
    """The distinct nodes whose results are in the store."""
    graphs: defaultdict[tuple[Path, CacheMode], list[Graph]] = defaultdict(list)
    for plan in sweep.plans:
        graphs[results_dir(plan.run.output_dir), plan.run.cache].append(plan.graph)
    found: dict[str, Node] = {}
    for (folder, mode), (first, *others) in graphs.items():
        store = Store(folder, mode)
        found |= {node.key: node for node in first.merged(*others) if store.holds(node)}
    return list(found.values())
