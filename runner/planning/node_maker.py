"""What all nodes are made with, and the nodes that measure pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runner.catalog.version import Fault
from runner.config.run_config import RunConfig
from runner.graph.node import Node, PipelineSpec, Plain
from runner.graph.stage_table import DRAWN_ELSEWHERE, MEASURE, OF_MANY, STAGES
from runner.metrics.find import FoundMetric
from runner.planning.quantization import quantized_modules
from runner.planning.request import ImageRequest
from runner.planning.scheduling import settle_scheduler
from runner.planning.specs import (
    OF_METRICS,
    clip_role,
    compile_spec,
    judge_role,
    lora_specs,
    packages_of,
    precision_of,
)
from runner.system.machine import versions
from runner.weights.find import FoundWeights

if TYPE_CHECKING:
    from runner.images.inputs import InputImage


@dataclass(frozen=True)
class NodeMaker:
    """Makes nodes from a config, its weights, input pictures and library versions.

    Attributes:
        pictures: by config key ("inputs.image", "interpolate.items[1].image").
        device: kind of device: cpu, cuda or mps.
        batch_size: images in one call, at most; None: as many as memory allows.
        kept: the faults of diffusers that act on the cell and are not corrected.
    """

    run: RunConfig
    weights: FoundWeights
    pictures: Mapping[str, InputImage]
    libraries: Mapping[str, str]
    device: str
    batch_size: int | None = 1
    kept: tuple[Fault, ...] = ()

    def measure(
        self, image: ImageRequest, metric: FoundMetric, picture: Node, reference: Node | None
    ) -> Node:
        """A metric of one picture.

        Args:
            picture: the node of the picture.
            reference: the node of the picture to compare with; None: the metric takes none.
        """
        inputs = {"image": picture, **({"reference": reference} if reference else {})}
        told = {"prompt": image.prompt} if "prompt" in metric.takes else {}
        return self._measure(metric, told, picture.label, inputs)

    def measure_together(self, metric: FoundMetric, pictures: Sequence[Node]) -> Node:
        """A metric of all pictures of a cell together."""
        inputs = {f"{OF_MANY}{number:06d}": picture for number, picture in enumerate(pictures)}
        return self._measure(metric, {}, f"{len(pictures)} pictures", inputs)

    def _measure(
        self,
        metric: FoundMetric,
        told: Mapping[str, Plain],
        label: str,
        inputs: Mapping[str, Node],
    ) -> Node:
        config = self.run.metrics[metric.name]
        # Where a judge is does not count: the spec of its pipeline has the hash of its files.
        own = {k: v for k, v in config.arguments.items() if k not in metric.places}
        arguments = json.loads(json.dumps(own))
        params: dict[str, Plain] = {
            "function": config.function,
            "version": metric.description.version,
            "source": metric.source,
            "packages": dict(versions(metric.description.needs)),
            "arguments": arguments,
            **told,
        }
        if metric.content:
            params["content"] = dict(metric.content)
        spec = None
        if "clip" in metric.takes:
            spec = self._pipeline(clip_role(self.run, config))
        elif metric.judge is not None:
            spec = self._pipeline(judge_role(metric.name))
        return self._node(MEASURE, params, spec, f"{metric.name} · {label}", inputs)

    def external_image(self, node: Node, way: str) -> Node:
        """An external node for a picture that a cell with another execution profile draws.

        Args:
            way: that profile, as text: keys of drawn pictures do not contain it.
        """
        return self._node(DRAWN_ELSEWHERE, {"key": node.key, "way": way}, label=node.label)

    def fitted_picture(self, image: ImageRequest, name: str) -> Node:
        """A picture of `inputs`, resized to the size of the image."""
        return self._read(self.pictures[f"inputs.{name}"], self._geometry(image))

    def _read(self, picture: InputImage, geometry: Mapping[str, Plain]) -> Node:
        # Such pictures were once read as if they were sRGB; all others keep their keys.
        colours: dict[str, Plain] = {"colours": "by_chunks"} if picture.by_chunks else {}
        return self._node(
            "read_image",
            {"sha256": picture.sha256, **geometry, **colours},
            label=picture.path.name,
            files={"image": picture.path},
        )

    def _geometry(self, image: ImageRequest) -> dict[str, Plain]:
        return {"size": [image.width, image.height], "resize": self.run.resize.name}

    def _pipeline(self, role: str) -> PipelineSpec:
        """The pipeline of a role, as configured."""
        run = self.run
        found = self.weights.checkpoints[role]
        is_drawn = not role.startswith(OF_METRICS)
        return PipelineSpec(
            pipeline=found.checkpoint.pipeline,
            weights=found.identity,
            dtype=precision_of(run, role).value,
            attention=run.attention.backend if is_drawn else "sdpa",
            slice_size=run.attention.slice_size if is_drawn else None,
            scheduler=settle_scheduler(run, found).spec if role == "decoder" else None,
            without=found.checkpoint.without,
            compile=compile_spec(run, role, self.device) if found.denoises else None,
            device=self.device,
            quantized=quantized_modules(run, found.checkpoint, role),
            loras=lora_specs(found),
        )

    def _node(
        self,
        stage: str,
        params: Mapping[str, Plain],
        pipeline: PipelineSpec | None = None,
        label: str = "",
        inputs: Mapping[str, Node] | None = None,
        files: Mapping[str, Path] | None = None,
        *,
        denoises: bool = True,
    ) -> Node:
        return Node(
            stage=stage,
            stage_version=STAGES[stage].version,
            params=params,
            inputs=inputs or {},
            pipeline=pipeline,
            libraries=self._libraries_of(pipeline, denoises),
            files=files or {},
            label=label,
            denoises=denoises,
        )

    def _libraries_of(self, pipeline: PipelineSpec | None, denoises: bool) -> Mapping[str, str]:
        """The versions that decide a node's result."""
        packages = packages_of(pipeline, denoises) if pipeline is not None else ()
        return {**self.libraries, **versions(sorted(packages))} if packages else self.libraries
