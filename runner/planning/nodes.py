"""The node factory of the task functions: one method for each kind of node."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from runner.catalog.version import Fault
from runner.config.choices import NegativeFor, Seeding
from runner.graph.node import Node, Plain
from runner.graph.stage_table import AWAY_FROM, BATCHED, BATCHED_PARAM, GENERATOR, UNCORRECTED
from runner.planning.node_maker import NodeMaker
from runner.planning.request import ImageRequest
from runner.system.machine import versions
from runner.system.text import shorten

if TYPE_CHECKING:
    from runner.images.inputs import InputImage

UNGUIDED = 1.0
"""Pipelines guide above it alone: all scales up to it give the same pixels."""
ORIGINAL: dict[str, Plain] = {"size": None, "resize": None}
"""The geometry of a picture that is not resized."""


class NodeFactory(NodeMaker):
    """Builds the nodes that draw; see `NodeMaker` for what they are made from."""

    def prior(
        self,
        image: ImageRequest,
        prompt: str,
        *,
        before: Node | None = None,
        negative_prompt: str | None = None,
        away_from: str | None = None,
        unguided: bool = False,
    ) -> Node:
        """Text to image embedding.

        Args:
            before: the stage that used the generator before this one, if it goes on.
            negative_prompt: drawn in one call with the prompt, as diffusers does it.
            away_from: the text to guide away from; None: the empty text.
            unguided: follow the prompt alone.
        """
        params = {
            "prompt": prompt,
            "negative_prompt": negative_prompt,
            **self._prior_sampling(image),
        }
        if unguided:
            params["guidance_scale"] = UNGUIDED
        if away_from is not None and self.run.prior.guidance_scale > UNGUIDED:
            params[AWAY_FROM] = away_from
        if negative_prompt is None:  # else diffusers puts both texts into one call
            params |= self._batched()
        return self._node(
            "prior",
            params,
            self._pipeline("prior"),
            f"{shorten(prompt)} · seed {image.seed}",
            {GENERATOR: before} if before is not None else {},
        )

    def texts(self, image: ImageRequest) -> dict[str, Node]:
        """The decoder's text inputs, by name. Without a prior: "text". Else "prior", of the prompt,
        and "negative", of the negative prompt, where the decoder uses one.

        diffusers draws both in one call, and the noise of the prompt's embedding then depends on
        whether there is a negative prompt. In calls of their own they are compared at the same
        noise, also that of a decoder that goes on with the prior's generator.
        """
        run, negative = self.run, self.run.negative_prompt
        if not run.version.has_prior:
            return self.encode_texts(image)
        if negative is None:
            return {"prior": self.prior(image, image.prompt)}
        if Fault.negative_draws in self.kept:
            return {"prior": self.prior(image, image.prompt, negative_prompt=negative)}
        told = run.negative_prompt_for
        if told is NegativeFor.decoder:
            positive = self.prior(image, image.prompt)
            return {"prior": positive, "negative": self.prior(image, negative)}
        parts = {"prior": self.prior(image, image.prompt, away_from=negative)}
        if told is NegativeFor.both:
            # Guided away from itself, as in diffusers' call, it is what no guidance gives.
            parts["negative"] = self.prior(image, negative, unguided=True)
        return parts

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
            {
                "prompt": prompt,
                "strength": strength,
                **self._prior_sampling(image),
                **self._batched(),
            },
            self._pipeline("prior"),
            f"{shorten(prompt)} · seed {image.seed}",
            {"image": picture, **({GENERATOR: before} if before is not None else {})},
        )

    def embed_picture(self, image: ImageRequest, number: int) -> Node:
        """A picture's own image embedding; the picture is not resized, as CLIP does that itself."""
        picture = self.pictures[f"interpolate.items[{number}].image"]
        read = self._read(picture, ORIGINAL)
        return self._node(
            "embed_image", {}, self._pipeline("prior"), read.label, {"image": read}, denoises=False
        )

    def mix(self, image: ImageRequest, parts: Mapping[str, Node]) -> Node:
        """The weighted sum of embeddings."""
        items = self.run.interpolate
        texts = [item.text or Path(str(item.image)).name for item in items]
        shares = [f"{item.weight:g} {text}" for item, text in zip(items, texts, strict=True)]
        weights: list[Plain] = [item.weight for item in items]
        label = f"{shorten(' + '.join(shares))} · seed {image.seed}"
        return self._node("interpolate", {"weights": weights}, None, label, parts)

    def encode_texts(self, image: ImageRequest, picture: Node | None = None) -> dict[str, Node]:
        """The decoder's text inputs, by name, for versions without a prior: "text", the hidden
        states of prompt and negative prompt. Where each text is encoded by itself, those of the
        prompt, and with guidance "negative_text": sweeps over prompts encode that once.

        Args:
            picture: what the encoder is shown beside each text.
        """
        run = self.run
        # Without guidance it is not used, and must not lengthen the prompt's states.
        is_guided = run.decoder.guidance_scale > UNGUIDED
        if run.version.texts_apart:
            texts = {"text": image.prompt}
            if is_guided:
                texts["negative_text"] = run.negative_prompt or ""
            return {name: self._encode({"prompt": text}, picture) for name, text in texts.items()}
        negative = run.negative_prompt if is_guided else None
        return {
            "text": self._encode({"prompt": image.prompt, "negative_prompt": negative}, picture)
        }

    def _encode(self, texts: dict[str, Plain], picture: Node | None) -> Node:
        run = self.run
        params = {**texts, **self._uncorrected(Fault.texts_filled_up)}
        if (templates := run.version.text_templates.get(run.task.name)) is not None:
            told = templates.get(run.edit_template.name) if run.task.shows_picture else None
            template, tokens = told or next(iter(templates.values()))
            params |= {
                "template": template,
                "template_tokens": tokens,
                "most_tokens": self.weights.checkpoints["text"].checkpoint.tokens[0].most,
                "packages": dict(versions(run.version.cleaned_with)),
            }
        stage = run.version.text_stage
        if UNCORRECTED not in params and stage in BATCHED:
            params |= self._batched()
        shown = {"image": picture} if picture is not None else {}
        label = shorten(str(texts["prompt"])) or "no text"
        return self._node(stage, params, self._pipeline("text"), label, shown)

    def picture(self, image: ImageRequest, name: str) -> Node:
        """A picture of `inputs`, as the pipelines get it."""
        picture = self.pictures[f"inputs.{name}"]
        if self._is_kept_as_it_is(picture, image):
            return self._read(picture, ORIGINAL)
        return self.fitted_picture(image, name)

    def mask(self, image: ImageRequest) -> Node:
        """The mask, from a picture or a box, as the pipeline gets it."""
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
                **(ORIGINAL if Fault.mask_grown in self.kept else self._geometry(image)),
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
            told = told and Fault.negative_not_told not in self.kept
            negative = run.negative_prompt if told else None
            params |= {"prompt": image.prompt, "negative_prompt": negative}
        if run.task.uses_strength:
            params["strength"] = run.strength
        params |= self._uncorrected(
            Fault.sizes_exchanged, Fault.noise_of_its_own, Fault.mask_grown, Fault.guidance_raised
        )
        if UNCORRECTED not in params and Fault.pictures_not_fitted not in self.kept:
            # Stretched pictures and masks are not given to several images at once.
            params |= self._batched(list(run.version.batch_shares) or True)
        label = inputs["prior"].label if run.task.mixes else image.label
        return self._node("decode", params, self._pipeline("decoder"), label, inputs)

    def goes_on_after(self, before: Node | None) -> Node | None:
        """With `seeding=shared`, the stage whose generator the next one goes on with."""
        return before if self.run.seeding is Seeding.shared else None

    def _uncorrected(self, *faults: Fault) -> dict[str, Plain]:
        """The parameter that tells a stage which of these faults it keeps."""
        names: list[Plain] = [fault.name for fault in self.kept if fault in faults]
        return {UNCORRECTED: names} if names else {}

    def _batched(self, how: Plain = True) -> dict[str, Plain]:
        """The parameter of a node that may be run with others, where the cell has batches."""
        has = self.batch_size is None or self.batch_size > 1
        return {BATCHED_PARAM: how} if has else {}

    def _is_kept_as_it_is(self, picture: InputImage, image: ImageRequest) -> bool:
        has_size = (picture.width, picture.height) == (image.width, image.height)
        return Fault.pictures_not_fitted in self.kept and not has_size

    def _prior_sampling(self, image: ImageRequest) -> dict[str, Plain]:
        prior = self.run.prior
        return {
            "seed": image.seed,
            "num_inference_steps": prior.num_inference_steps,
            "guidance_scale": prior.guidance_scale,
        }
