"""What one cell will do, complete before it begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from runner.config.run_config import RunConfig
from runner.graph.graph import Graph
from runner.graph.node import Node
from runner.graph.stage_table import BATCHED_PARAM, is_external
from runner.metrics.find import FoundMetric
from runner.planning.metrics import against_baseline
from runner.planning.profile import ExecutionProfile
from runner.planning.request import ImageRequest
from runner.weights.find import FoundWeights

if TYPE_CHECKING:
    from runner.images.inputs import InputImage


@dataclass(frozen=True)
class PlannedImage:
    """An image, the node that draws it, and by the metrics' names those that measure it."""

    request: ImageRequest
    node: Node
    measures: Mapping[str, Node] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What one cell will do, complete before it begins.

    Attributes:
        pictures: what the config names, by its key ("inputs.image").
        metrics: what is measured, of the pictures alone or against others.
        measures: by the metrics' names, the nodes that measure all images together.
        device: "cpu", "cuda", "cuda:N" or "mps".
        threads: CPU threads; `threads_reason` says why, for the log.
        batch_size: images that one call may make, where a version batches them at all.
        warnings: what the user should know and may go on in spite of.
    """

    run: RunConfig
    weights: FoundWeights
    pictures: Mapping[str, InputImage]
    metrics: tuple[FoundMetric, ...]
    images: tuple[PlannedImage, ...]
    measures: Mapping[str, Node]
    height: int
    width: int
    device: str
    threads: int
    threads_reason: str
    batch_size: int
    warnings: tuple[str, ...]

    @cached_property
    def graph(self) -> Graph:
        """All that draws and measures the images."""
        return Graph(
            (
                *(n for image in self.images for n in (image.node, *image.measures.values())),
                *self.measures.values(),
            )
        )

    @cached_property
    def profile(self) -> ExecutionProfile:
        """How it is run. One engine serves cells that are run alike."""
        batch_size = self.batch_size if self._is_batched else 1
        return ExecutionProfile.of(self.run, self.device, self.threads, batch_size)

    @cached_property
    def settled(self) -> Mapping[str, str | None]:
        """What those keys of the config became that may leave a choice to the runner, by their
        dotted names. None: known once the work begins (see `runner.recording.mlflow_log`).
        """
        run = self.run
        return {
            "name": run.name,
            "height": str(self.height),
            "width": str(self.width),
            "device": self.device,
            "threads": str(self.threads),
            "cache.mode": run.cache.name,
            "batch_size": str(self.batch_size),
            "workers": None,
            **{
                f"weights.{role}.revision": found.revision or "null"
                for role, found in self.weights.checkpoints.items()
            },
            "offload.mode": None if run.offload.chosen else run.offload.name,
        }

    @property
    def _is_batched(self) -> bool:
        return any(image.node.params.get(BATCHED_PARAM) for image in self.images)

    @property
    def compared(self) -> tuple[FoundMetric, ...]:
        """The metrics that need the picture of another cell."""
        return tuple(m for m in self.metrics if against_baseline(self.run, m))

    @cached_property
    def external_references(self) -> dict[tuple[str, int], Node]:
        """By prompt and seed, the pictures of its baseline that its engine does not draw."""
        return {
            (image.request.prompt, image.request.seed): reference
            for image in self.images
            for measure in image.measures.values()
            if (reference := measure.inputs.get("reference")) is not None and is_external(reference)
        }
