"""What one cell will do, and how it is compared with another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from runner.catalog.rows import Row
from runner.config.choices import CacheMode
from runner.config.run_config import RunConfig
from runner.errors import ConfigError
from runner.graph.graph import Graph
from runner.graph.node import Node
from runner.graph.stage_table import BATCHED_PARAM, DRAWN_ELSEWHERE
from runner.metrics.find import FoundMetric
from runner.planning.metrics import against_baseline
from runner.planning.nodes import ImageRequest, Materials
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
        materials: what its nodes are built from: the config, the weights, the pictures.
        metrics: what is measured, of the pictures alone or against others.
        measures: by the metrics' names, the nodes that measure all images together.
        device: "cpu", "cuda", "cuda:N" or "mps".
        threads: CPU threads; `threads_reason` says why, for the log.
        warnings: what the user should know and may go on in spite of.
    """

    row: Row
    materials: Materials
    metrics: tuple[FoundMetric, ...]
    images: tuple[PlannedImage, ...]
    measures: Mapping[str, Node]
    height: int
    width: int
    device: str
    threads: int
    threads_reason: str
    warnings: tuple[str, ...]

    @property
    def run(self) -> RunConfig:
        return self.materials.run

    @property
    def weights(self) -> FoundWeights:
        return self.materials.weights

    @property
    def pictures(self) -> Mapping[str, InputImage]:
        """What the config names, by its key."""
        return self.materials.pictures

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
    def way(self) -> tuple[tuple[str, object], ...]:
        """How it is run, by the config's keys, which no node's key says whole. One engine serves
        cells that are run alike.
        """
        return (
            ("cache", self.run.cache.name),
            ("device", self.device),
            ("threads", self.threads),
            ("workers", self.run.workers),
            ("offload", self.run.offload.name),
            ("bench", self.run.bench),
            ("batch_size", self.materials.batch_size if self._is_batched else 1),
        )

    @property
    def _is_batched(self) -> bool:
        return any(image.node.params.get(BATCHED_PARAM) for image in self.images)

    @property
    def compared(self) -> tuple[FoundMetric, ...]:
        """The metrics that need the picture of another cell."""
        return tuple(m for m in self.metrics if against_baseline(self.run, m))

    def measured_against(self, baseline: Plan) -> Plan:
        """With the metrics that compare its images with those of another cell, of the same
        prompts and seeds. Where that is run in another way, its engine draws them, and no other:
        the reference is then what `borrowed` lists.

        Raises:
            ConfigError: the other cell has not all of these prompts and seeds, or another size; or
                its pictures would be taken for those of this one.
        """
        others = {(i.request.prompt, i.request.seed): i for i in baseline.images}
        if (self.height, self.width) != (baseline.height, baseline.width):
            raise ConfigError(
                "baseline", " ".join(self.run.baseline),
                f"is of {baseline.width} x {baseline.height} px, and this of "
                f"{self.width} x {self.height}", "pictures of one size",
            )  # fmt: skip
        apart = baseline.way != self.way
        images = []
        for image in self.images:
            request = image.request
            other = others.get((request.prompt, request.seed))
            if other is None:
                raise ConfigError(
                    "baseline", " ".join(self.run.baseline),
                    f"has no picture of {request.prompt!r} with seed {request.seed}",
                    "a cell of the same prompts and seeds",
                )  # fmt: skip
            reference = other.node
            if apart:
                self._check_drawn_apart(image.node, baseline, other.node)
                reference = self.materials.drawn_elsewhere(other.node, str(baseline.way))
            measures = {
                m.name: self.materials.measured(request, m, image.node, reference)
                for m in self.compared
            }
            images.append(replace(image, measures={**image.measures, **measures}))
        return replace(self, images=tuple(images))

    def _check_drawn_apart(self, own: Node, baseline: Plan, other: Node) -> None:
        if self.run.output_dir != baseline.run.output_dir:
            raise ConfigError(
                "baseline", " ".join(self.run.baseline), "is run in another way, and put into "
                f"another folder ({baseline.run.output_dir})", "one output_dir for both",
            )  # fmt: skip
        stored = self.run.cache is CacheMode.use and baseline.run.cache is not CacheMode.off
        if stored and own.key == other.key:
            ways = zip(self.way, baseline.way, strict=True)
            apart = ", ".join(name for (name, mine), (_, theirs) in ways if mine != theirs)
            raise ConfigError(
                "baseline", " ".join(self.run.baseline),
                f"differs in nothing but {apart}, and with cache=use its stored pictures are taken "
                "for this cell's", "cache=off, which draws both",
            )  # fmt: skip

    @cached_property
    def borrowed(self) -> dict[tuple[str, int], Node]:
        """By prompt and seed, the pictures of its baseline that its engine does not draw."""
        return {
            (image.request.prompt, image.request.seed): reference
            for image in self.images
            for measure in image.measures.values()
            if (reference := measure.inputs.get("reference")) is not None
            and reference.stage == DRAWN_ELSEWHERE
        }
