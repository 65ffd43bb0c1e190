"""The node factory of the task functions: one method for each kind of node."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runner.config.choices import NegativeFor, Seeding
from runner.config.run_config import RunConfig
from runner.graph.node import Node, PipelineSpec, Plain
from runner.graph.stage_table import BATCHED_PARAM, DRAWN_ELSEWHERE, MEASURE, OF_MANY, STAGES
from runner.metrics.find import FoundMetric
from runner.planning.request import ImageRequest
from runner.planning.scheduling import settle_scheduler
from runner.planning.specs import CLIP_ROLE, _compile_spec, clip_role, precision_of
from runner.system.machine import versions
from runner.system.text import shorten
from runner.weights.find import FoundWeights

if TYPE_CHECKING:
    from runner.images.inputs import InputImage


@dataclass(frozen=True)
class NodeFactory:
    """Builds nodes from a config, its weights, input pictures and library versions.

    Attributes:
        pictures: by config key ("inputs.image", "interpolate.items[1].image").
        device: kind of device: cpu, cuda or mps.
        batch_size: images in one call, at most.
    """

    run: RunConfig
    weights: FoundWeights
    pictures: Mapping[str, InputImage]
    libraries: Mapping[str, str]
    device: str
    batch_size: int = 1

    def prior(
        self,
        image: ImageRequest,
        prompt: str,
        *,
        before: Node | None = None,
        negative: bool = True,
    ) -> Node:
        """Text to image embedding.

        Args:
            before: with `seeding=shared`, the stage that used the generator before this one.
            negative: pass the negative prompt, too.
        """
        params = {
            "prompt": prompt,
            "negative_prompt": self.run.negative_prompt if negative else None,
            **self._prior_sampling(image),
        }
        if params["negative_prompt"] and self.run.negative_prompt_for is NegativeFor.prior:
            params["negative_for"] = NegativeFor.prior.name
        return self._node(
            "prior",
            params,
            self._pipeline("prior"),
            f"{shorten(prompt)} · seed {image.seed}",
            self._after(before),
        )

    def texts(self, image: ImageRequest) -> dict[str, Node]:
        """The decoder's text inputs, by name. Without a prior: "text". Else "prior", of the prompt,
        and "negative", of the negative prompt, where only the decoder uses that.
        """
        run = self.run
        if not run.version.has_prior:
            return {"text": self.encode_text(image)}
        if run.negative_prompt is None or run.negative_prompt_for is not NegativeFor.decoder:
            return {"prior": self.prior(image, image.prompt)}
        prior = self.prior(image, image.prompt, negative=False)
        negative = self.prior(image, run.negative_prompt, before=prior, negative=False)
        return {"prior": prior, "negative": negative}

    def prior_from_image(
        self,
        image: ImageRequest,
        prompt: str,
        strength: float,
        picture: Node,
        before: Node | None = None,
    ) -> Node:
        """Text to image embedding, starting from a picture's own embedding."""
        return self._node(
            "prior_from_image",
            {"prompt": prompt, "strength": strength, **self._prior_sampling(image)},
            self._pipeline("prior"),
            f"{shorten(prompt)} · seed {image.seed}",
            {"image": picture, **self._after(before)},
        )

    def embed_picture(self, image: ImageRequest, number: int) -> Node:
        """A picture's own image embedding; the picture is not resized, as CLIP does that itself."""
        picture = self.pictures[f"interpolate.items[{number}].image"]
        read = self._read(picture, {"size": None, "resize": None})
        return self._node("embed_image", {}, self._pipeline("prior"), read.label, {"image": read})

    def mix(self, image: ImageRequest, parts: Mapping[str, Node]) -> Node:
        """The weighted sum of embeddings."""
        items = self.run.interpolate
        texts = [item.text or Path(str(item.image)).name for item in items]
        shares = [f"{item.weight:g} {text}" for item, text in zip(items, texts, strict=True)]
        weights: list[Plain] = [item.weight for item in items]
        label = f"{shorten(' + '.join(shares))} · seed {image.seed}"
        return self._node("interpolate", {"weights": weights}, None, label, parts)

    def encode_text(self, image: ImageRequest) -> Node:
        """The hidden states of prompt and negative prompt, for versions without a prior."""
        params: dict[str, Plain] = {
            "prompt": image.prompt,
            "negative_prompt": self.run.negative_prompt,
        }
        stage = self.run.version.text_stage
        return self._node(stage, params, self._pipeline("text"), shorten(image.prompt))

    def picture(self, image: ImageRequest, name: str) -> Node:
        """A picture of `inputs`, resized to the size of the image."""
        return self._read(self.pictures[f"inputs.{name}"], self._geometry(image))

    def mask(self, image: ImageRequest) -> Node:
        """The mask, from a picture or a box, resized to the size of the image."""
        inputs = self.run.inputs
        picture = self.pictures.get("inputs.mask")
        original = self.pictures["inputs.image"]
        box: list[Plain] | None = list(inputs.mask_box) if inputs.mask_box is not None else None
        return self._node(
            "read_mask",
            {
                "sha256": picture.sha256 if picture else None,
                "box": box,
                "original_size": [original.width, original.height],
                "invert": inputs.mask_invert,
                **self._geometry(image),
            },
            label=picture.path.name if picture else f"box {inputs.mask_box}",
            files={"mask": picture.path} if picture else {},
        )

    def hint(self, image: ImageRequest) -> Node:
        """The depth picture: as given, or estimated from the input picture."""
        if "inputs.hint" in self.pictures:
            return self.picture(image, "hint")
        picture = self.picture(image, "image")
        return self._node("depth", {}, self._pipeline("depth"), picture.label, {"image": picture})

    def decode(self, image: ImageRequest, /, **inputs: Node) -> Node:
        """The last stage of every task; its inputs decide what the decoder does."""
        run = self.run
        # Without a prior only one stage draws noise: both values of `seeding` mean the same.
        seeding = run.seeding if run.version.has_prior else Seeding.per_stage
        params: dict[str, Plain] = {
            "seed": image.seed,
            "seeding": seeding.name,
            "height": image.height,
            "width": image.width,
            "num_inference_steps": run.decoder.num_inference_steps,
            "guidance_scale": run.decoder.guidance_scale,
        }
        if run.version.decoder_reads_prompt:
            told = run.negative_prompt_for is not NegativeFor.prior
            negative = run.negative_prompt if told else None
            params |= {"prompt": image.prompt, "negative_prompt": negative}
        if run.task.uses_strength:
            params["strength"] = run.strength
        if self.batch_size > 1 and run.task.name in run.version.batched_tasks:
            params[BATCHED_PARAM] = True
        label = inputs["prior"].label if run.task.mixes else image.label
        return self._node("decode", params, self._pipeline("decoder"), label, inputs)

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
        arguments = json.loads(json.dumps(config.arguments))
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
        return self._node(MEASURE, params, spec, f"{metric.name} · {label}", inputs)

    def external_image(self, node: Node, way: str) -> Node:
        """An external node for a picture that a cell with another execution profile draws.

        Args:
            way: that profile, as text: keys of drawn pictures do not contain it.
        """
        return self._node(DRAWN_ELSEWHERE, {"key": node.key, "way": way}, label=node.label)

    def _read(self, picture: InputImage, geometry: Mapping[str, Plain]) -> Node:
        return self._node(
            "read_image",
            {"sha256": picture.sha256, **geometry},
            label=picture.path.name,
            files={"image": picture.path},
        )

    def _pipeline(self, role: str) -> PipelineSpec:
        """The pipeline of a role, as configured."""
        run = self.run
        found = self.weights.checkpoints[role]
        is_denoiser = role in ("prior", "decoder")
        is_drawn = not role.startswith(CLIP_ROLE)  # CLIPs of metrics are set up alike in all cells
        return PipelineSpec(
            pipeline=found.checkpoint.pipeline,
            weights=found.identity,
            dtype=precision_of(run, role).value,
            attention=run.attention.backend if is_drawn else "sdpa",
            slice_size=run.attention.slice_size if is_drawn else None,
            scheduler=settle_scheduler(run, found).spec if role == "decoder" else None,
            without=found.checkpoint.without,
            compile=_compile_spec(run) if is_denoiser else None,
            device=self.device,
        )

    def _node(
        self,
        stage: str,
        params: Mapping[str, Plain],
        pipeline: PipelineSpec | None = None,
        label: str = "",
        inputs: Mapping[str, Node] | None = None,
        files: Mapping[str, Path] | None = None,
    ) -> Node:
        return Node(
            stage=stage,
            stage_version=STAGES[stage].version,
            params=params,
            inputs=inputs or {},
            pipeline=pipeline,
            libraries=self.libraries,
            files=files or {},
            label=label,
        )

    def _prior_sampling(self, image: ImageRequest) -> dict[str, Plain]:
        prior = self.run.prior
        return {
            "seed": image.seed,
            "num_inference_steps": prior.num_inference_steps,
            "guidance_scale": prior.guidance_scale,
        }

    def _after(self, before: Node | None) -> dict[str, Node]:
        shared = self.run.seeding is Seeding.shared
        return {"generator": before} if before is not None and shared else {}

    def _geometry(self, image: ImageRequest) -> dict[str, Plain]:
        return {"size": [image.width, image.height], "resize": self.run.resize.name}
