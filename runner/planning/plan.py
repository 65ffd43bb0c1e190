"""The plan of one cell: its images, nodes and settled options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from runner.catalog.version import Fault
from runner.config.run_config import RunConfig
from runner.graph.graph import Graph
from runner.graph.node import Node
from runner.graph.stage_table import BATCHED_PARAM, is_external
from runner.metrics.find import FoundMetric
from runner.planning.cut_texts import CutText
from runner.planning.metrics import against_baseline
from runner.planning.profile import ExecutionProfile
from runner.planning.request import ImageRequest
from runner.planning.scheduling import SettledScheduler, settle_scheduler
from runner.planning.specs import channels_last
from runner.system.text import pluralize
from runner.weights.find import FoundWeights

if TYPE_CHECKING:
    from runner.images.inputs import InputImage


@dataclass(frozen=True)
class PlannedImage:
    """An image, the node that draws it, and metric name -> the node that measures it."""

    request: ImageRequest
    node: Node
    measures: Mapping[str, Node] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """All that one cell will do, known before it starts.

    Attributes:
        pictures: the input pictures, by config key ("inputs.image").
        metrics: the metrics, with and without a picture to compare with.
        measures: metric name -> the node that measures all images together.
        faults: the faults of diffusers that act on this cell, corrected or kept.
        device: "cpu", "cuda", "cuda:N" or "mps".
        threads: CPU threads; `threads_reason` says why, for the log.
        batch_size: images in one call, at most; None: as many as the device's memory holds.
        cut_texts: texts that are longer than an encoder reads.
        warnings: what the user should know, although the cell can be run.
    """

    run: RunConfig
    weights: FoundWeights
    pictures: Mapping[str, InputImage]
    metrics: tuple[FoundMetric, ...]
    images: tuple[PlannedImage, ...]
    measures: Mapping[str, Node]
    height: int
    width: int
    faults: tuple[Fault, ...]
    device: str
    threads: int
    threads_reason: str
    batch_size: int | None
    warnings: tuple[str, ...]
    cut_texts: tuple[CutText, ...] = ()

    def __repr__(self) -> str:
        what = f"Kandinsky {self.run.version.title} {self.run.task.name}"
        images = pluralize(len(self.images), "image")
        made = f"{images} of {self.width} x {self.height}, {pluralize(len(self.graph), 'stage')}"
        return f"<Plan {self.run.name}: {what}, {made}, device {self.device}>"

    @cached_property
    def graph(self) -> Graph:
        """The graph that draws and measures the images."""
        return Graph(
            (
                *(n for image in self.images for n in (image.node, *image.measures.values())),
                *self.measures.values(),
            )
        )

    @property
    def corrected(self) -> tuple[str, ...]:
        """Names of the faults that are corrected in its images."""
        return tuple(fault.name for fault in self.faults) if self.run.corrections else ()

    @property
    def left(self) -> tuple[str, ...]:
        """Names of the faults that act on its images, as in diffusers."""
        return () if self.run.corrections else tuple(fault.name for fault in self.faults)

    @cached_property
    def scheduler(self) -> SettledScheduler:
        """The decoder's scheduler."""
        return settle_scheduler(self.run, self.weights.checkpoints["decoder"])

    @cached_property
    def profile(self) -> ExecutionProfile:
        """How the cell is run. Cells of equal profiles are run as one graph."""
        batch_size = self.batch_size if self._is_batched else 1
        return ExecutionProfile.of(self.run, self.device, self.threads, batch_size)

    @cached_property
    def settled(self) -> Mapping[str, str | None]:
        """The settled values of config keys that may leave the choice to the runner, by dotted
        name. None: known only once the cell runs (see `runner.recording.mlflow_log`).
        """
        run = self.run
        return {
            "name": run.name,
            "height": str(self.height),
            "width": str(self.width),
            "scheduler.name": self.scheduler.name,
            "device": self.device,
            "threads": str(self.threads),
            "cache.mode": run.cache.name,
            "batch_size": str(self.batch_size or "auto"),
            "workers": None,
            **{
                f"weights.{role}.revision": found.revision or "null"
                for role, found in self.weights.checkpoints.items()
            },
            "offload.mode": None if run.offload.chosen else run.offload.name,
            **({} if run.channels_last is not None else {"channels_last": self._channels_last}),
        }

    @property
    def _channels_last(self) -> str:
        return str(channels_last(self.run, "decoder", self.device.partition(":")[0]))

    @property
    def _is_batched(self) -> bool:
        return self.batch_size != 1 and any(BATCHED_PARAM in node.params for node in self.graph)

    @property
    def compared(self) -> tuple[FoundMetric, ...]:
        """The metrics that compare with the baseline's pictures."""
        return tuple(m for m in self.metrics if against_baseline(self.run, m))

    @cached_property
    def external_references(self) -> dict[tuple[str, int], Node]:
        """(prompt, seed) -> external node of a baseline picture that another graph draws."""
        return {
            (image.request.prompt, image.request.seed): reference
            for image in self.images
            for measure in image.measures.values()
            if (reference := measure.inputs.get("reference")) is not None and is_external(reference)
        }
