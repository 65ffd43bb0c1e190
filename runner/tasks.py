"""The graph of one image, one short function a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from runner.config.run_config import RunConfig
from runner.config.schema import Precision, Task, Version
from runner.graph import Node, PipelineSpec, Plain, SchedulerSpec
from runner.stages import STAGES
from runner.weights.find import FoundWeights

LABEL_LENGTH = 72


@dataclass(frozen=True)
class ImageRequest:
    """One image of a cell: which prompt, which seed, how large (pixels)."""

    index: int
    prompt: str
    seed: int
    height: int
    width: int

    @property
    def label(self) -> str:
        """For people: one short line."""
        prompt = " ".join(self.prompt.split())
        short = prompt if len(prompt) <= LABEL_LENGTH else f"{prompt[:LABEL_LENGTH]}…"
        return f"{short} · seed {self.seed}"


@dataclass(frozen=True)
class Materials:
    """What the task functions build from: the config, the weights, the libraries' versions."""

    run: RunConfig
    weights: FoundWeights
    libraries: Mapping[str, str]

    def pipeline(
        self, role: str, precision: Precision, scheduler: SchedulerSpec | None = None
    ) -> PipelineSpec:
        """The pipeline of a role, as configured."""
        found = self.weights.checkpoints[role]
        return PipelineSpec(
            pipeline=found.checkpoint.pipeline,
            weights=found.identity,
            dtype=precision.value,
            attention=self.run.attention.backend.name,
            slice_size=self.run.attention.slice_size,
            scheduler=scheduler,
        )

    def node(
        self,
        stage: str,
        params: Mapping[str, Plain],
        pipeline: PipelineSpec,
        label: str,
        **inputs: Node,
    ) -> Node:
        """A node of a stage in the table."""
        return Node(
            stage=stage,
            stage_version=STAGES[stage].version,
            params=params,
            inputs=inputs,
            pipeline=pipeline,
            libraries=self.libraries,
            label=label,
        )


def prior(materials: Materials, image: ImageRequest) -> Node:
    """Text to image embedding (2.1 and 2.2)."""
    run = materials.run
    return materials.node(
        "prior",
        {
            "prompt": image.prompt,
            "negative_prompt": run.negative_prompt,
            "seed": image.seed,
            "num_inference_steps": run.prior.num_inference_steps,
            "guidance_scale": run.prior.guidance_scale,
        },
        materials.pipeline("prior", run.precision.prior),
        image.label,
    )


def text2img(materials: Materials, image: ImageRequest) -> Node:
    """Kandinsky 2.2: prior, then a decoder that never sees the prompt."""
    run = materials.run
    scheduler = SchedulerSpec(run.scheduler.name.name)
    return materials.node(
        "decode",
        {
            "seed": image.seed,
            "seeding": run.seeding.name,
            "height": image.height,
            "width": image.width,
            "num_inference_steps": run.decoder.num_inference_steps,
            "guidance_scale": run.decoder.guidance_scale,
        },
        materials.pipeline("decoder", run.precision.decoder, scheduler),
        image.label,
        prior=prior(materials, image),
    )


TASKS: Mapping[tuple[Version, Task], Callable[[Materials, ImageRequest], Node]] = {
    (Version.kandinsky2_2, Task.text2img): text2img,
}
