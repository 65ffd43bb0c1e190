"""The planner: RunConfig -> Plan, with all checks, all keys and the whole graph; no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from runner.catalog.version import Fault
from runner.catalog.versions import Row, row_of
from runner.config.groups import MetricConfig
from runner.config.run_config import RunConfig
from runner.metrics.find import FoundMetric, find_metric
from runner.planning.alike import Comparer, same_images
from runner.planning.baseline import no_baseline
from runner.planning.checks import (
    CheckedConfig,
    check_config,
    check_with_weights,
    needed_roles,
)
from runner.planning.corrections import find_faults
from runner.planning.cut_texts import TextCutter
from runner.planning.loras import LoraFinder, check_lora_roles
from runner.planning.metrics import (
    FindMetric,
    add_models,
    against_baseline,
    asked_judges,
    find_metrics,
)
from runner.planning.nodes import NodeFactory
from runner.planning.plan import Plan, PlannedImage
from runner.planning.request import ImageRequest
from runner.planning.scheduling import settle_scheduler
from runner.planning.specs import precision_of
from runner.planning.tasks import TASKS
from runner.planning.tracking import check_place
from runner.planning.unused import without_unused
from runner.planning.warnings import find_warnings
from runner.system.machine import PIXEL_LIBRARIES, cpu_cores, settle_device, versions
from runner.system.preparing import told_if_long
from runner.weights.find import FoundWeights, find_weights
from runner.weights.hashes import FileHashes, hash_memory

if TYPE_CHECKING:
    from runner.images.inputs import InputImage

SMALL_MODEL_PARAMETERS = 50_000_000
"""Parameters below which one CPU thread is faster than several: the threads wait for each other
longer than they compute, and while another process keeps a core busy they are up to 60 times
slower."""

CACHE = ".cache"
CHECKING = "checking the weights: large files are read whole once, and their hashes remembered"


def cache_dir(run: RunConfig) -> Path:
    """The folder of cached pictures, beside the stage results."""
    return run.output_dir / CACHE


def results_dir(output_dir: Path) -> Path:
    """The folder of stage results."""
    return output_dir / CACHE / "results"


def make_plan(run: RunConfig, *, download: bool = False) -> Plan:
    """Check a run against its weights and the machine, and lay out its graph.

    Args:
        download: fetch pictures that are not on disk. Where hub weights are not, their nodes' keys
            are provisional.

    Raises:
        ConfigError: anything that would fail later and can be known now.
    """
    plan = Planner(download=download).plan(run)
    if plan.compared:
        raise no_baseline(plan)
    return plan


class Planner:
    """Plans the runs of one command: weights and trackers of several of them are checked once.

    Args:
        download: as for `make_plan`.
    """

    def __init__(self, *, download: bool = False) -> None:
        self._download = download
        self._weights: dict[str, FoundWeights] = {}
        self._settle_device = cache(settle_device)
        self._check_place = cache(check_place)
        self._cutter = TextCutter()
        self._loras = LoraFinder()

    def plan(self, run: RunConfig) -> Plan:
        """See `make_plan`."""
        asked = check_config(
            run,
            self._settle_device,
            self._check_place,
            cache_dir(run) / "pictures",
            self._find_metric,
            download=self._download,
        )
        weights = self._find_weights(asked.run, asked.row, asked.roles, asked.metrics)
        weights = self._loras.add(asked.run, weights)
        height, width = check_with_weights(asked, weights)
        return self._lay_out(asked, weights, height, width)

    def _lay_out(
        self, asked: CheckedConfig, weights: FoundWeights, height: int, width: int
    ) -> Plan:
        """Build the nodes of each image and of its metrics."""
        run, metrics, device = asked.run, asked.metrics, asked.device
        # On a CPU an image of a larger call takes as long as one alone (docs/performance.md).
        batch_size = 1 if run.batch_size is None and device == "cpu" else run.batch_size
        used = without_unused(run)
        faults = find_faults(used, asked.pictures, height, width)
        nodes = self._nodes(used, weights, asked.pictures, faults, device, batch_size)
        build = TASKS[run.task.name]
        requests = [
            ImageRequest(index, prompt, seed, height, width)
            for index, (prompt, seed) in enumerate((p, s) for p in run.prompts for s in run.seeds)
        ]
        images = tuple(
            _with_own_measures(PlannedImage(request, build(nodes, request)), nodes, metrics)
            for request in requests
        )
        threads, threads_reason = _threads(run, weights, device)
        drawn = [node for image in images for node in (image.node, *image.measures.values())]
        cut_texts = self._cutter.cut_texts(drawn, weights)
        plan = Plan(
            run=run,
            weights=weights,
            pictures=asked.pictures,
            metrics=metrics,
            images=images,
            measures={
                metric.name: nodes.measure_together(metric, [image.node for image in images])
                for metric in metrics
                if metric.of_cell
            },
            height=height,
            width=width,
            faults=faults,
            device=device,
            threads=threads,
            threads_reason=threads_reason,
            batch_size=batch_size,
            warnings=(
                *find_warnings(run, device, asked.pictures, (width, height), faults, cut_texts),
                *settle_scheduler(run, weights.checkpoints["decoder"]).warnings,
            ),
            cut_texts=cut_texts,
        )
        comparer = Comparer()
        comparer.learn(plan)
        return replace(plan, warnings=(*plan.warnings, *same_images(images, comparer)))

    def nodes_of(self, plan: Plan) -> NodeFactory:
        """The node factory of a plan."""
        return self._nodes(
            without_unused(plan.run),
            plan.weights,
            plan.pictures,
            plan.faults,
            plan.device,
            plan.batch_size,
        )

    def _nodes(
        self,
        run: RunConfig,
        weights: FoundWeights,
        pictures: Mapping[str, InputImage],
        faults: tuple[Fault, ...],
        device: str,
        batch_size: int | None,
    ) -> NodeFactory:
        kind = device.partition(":")[0]
        kept = () if run.corrections else faults
        return NodeFactory(run, weights, pictures, self._libraries, kind, batch_size, kept)

    @cached_property
    def _libraries(self) -> Mapping[str, str]:
        return versions(PIXEL_LIBRARIES)

    @cached_property
    def _find_metric(self) -> FindMetric:
        """Finds metrics, each once for all runs of the command."""
        found: dict[str, FoundMetric] = {}

        def find(name: str, config: MetricConfig) -> FoundMetric:
            asked = repr((name, config))
            if asked not in found:
                found[asked] = find_metric(name, config.function, config.arguments)
            return found[asked]

        return find

    def needed_weights(self, run: RunConfig) -> FoundWeights:
        """The weights of a run, without a check of what this machine can do.

        Raises:
            ConfigError: the version cannot do the task, or its weights are not what they should be.
        """
        metrics = find_metrics(run, self._find_metric)
        row = add_models(row_of(run.version, run.task), run, metrics)
        check_lora_roles(run)
        return self._loras.add(run, self._find_weights(run, row, needed_roles(run, row), metrics))

    def _find_weights(
        self, run: RunConfig, row: Row, roles: Sequence[str], metrics: Sequence[FoundMetric]
    ) -> FoundWeights:
        repos = [checkpoint.repo for checkpoint in row.checkpoints.values()]
        cell = row.version.name, row.task.name, repos  # variants of a version have others
        precisions = {role: precision_of(run, role) for role in roles}
        judges = asked_judges(run, metrics)
        told = [(judge.role, sorted(judge.places.items())) for judge in judges]
        same = repr((*cell, sorted(precisions.items()), run.weights, run.depth, told))
        if same not in self._weights:
            with told_if_long(CHECKING, run.progress.name):
                self._weights[same] = find_weights(
                    row,
                    run.weights,
                    run.depth,
                    judges,
                    precisions=precisions,
                    hashes=FileHashes(hash_memory()),
                )
        return self._weights[same]


def _with_own_measures(
    image: PlannedImage, nodes: NodeFactory, metrics: Sequence[FoundMetric]
) -> PlannedImage:
    """The images, with nodes for the metrics that need no other cell."""
    run, request = nodes.run, image.request
    measures = {}
    for metric in metrics:
        if not metric.of_cell and not against_baseline(run, metric):
            compares = "reference" in metric.takes
            reference = nodes.fitted_picture(request, "image") if compares else None
            measures[metric.name] = nodes.measure(request, metric, image.node, reference)
    return replace(image, measures=measures)


def _threads(run: RunConfig, weights: FoundWeights, device: str) -> tuple[int, str]:
    cores = cpu_cores()
    if run.threads is not None:
        return run.threads, "as configured"
    if device != "cpu":
        return cores, "all cores, the work is on the accelerator"
    workers = run.workers or 1
    parameters = max(found.parameters for found in weights.checkpoints.values())
    if 0 < parameters < SMALL_MODEL_PARAMETERS:
        return 1, f"the model is small: {parameters / 1e6:.1f} million parameters"
    if workers > 1:
        return max(1, cores // workers), f"the cores, shared by {workers} workers"
    return cores, "all cores, the model is large"
