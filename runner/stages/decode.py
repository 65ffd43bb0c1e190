"""Stages `decode` and `decode_batch`: embeddings or texts, and pictures of the task -> images.

One stage for all tasks and versions: the node's inputs, and the version's row in the catalog,
decide the arguments of the pipeline.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from PIL import Image

from runner.catalog.version import Fault, Version
from runner.catalog.versions import version_of
from runner.graph.node import Node
from runner.graph.stage_table import UNCORRECTED
from runner.graph.values import OnStep, Value
from runner.stages import corrections
from runner.stages.calls import call, generator_for, steps_run
from runner.stages.finite import check_finite
from runner.stages.members import Member, members_of


def run(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns an RGB image, height x width as in the node's parameters."""
    version = _version_drawn(node)
    arguments = {
        "num_inference_steps": node.integer("num_inference_steps"),
        "guidance_scale": guidance_scale(node, version),
        "generator": generator_for(node, inputs),
        "output_type": "pt",
        **_conditions(node, inputs, pipeline, version),
        **_pictures(node, inputs, pipeline, version),
    }
    with _corrected(node, inputs, pipeline, version):
        output = call(pipeline, on_step, steps_run(node), arguments)
    pixels = getattr(output, version.result)
    # "pt" still shows NaN: as "pil" it would be black.
    check_finite(node, "the decoded pixels", pixels)
    return to_image(pixels[0], raw=version.decodes_raw and not _starts_from_picture(inputs))


def run_batch(node: Node, inputs: Mapping[str, Value], pipeline: Any, on_step: OnStep) -> Value:
    """Returns what `run` returns, for each member, of one call.

    Each image has its own generator, so its noise is the same as when it is drawn alone; sums over
    a batch are taken in another order, so its last bits may differ. Input pictures are the same for
    all: diffusers' inpainting blends each image with the first one's picture and mask.
    """
    members = members_of(node, inputs)
    version, first = _version_drawn(node), members[0]
    conditions = [_embeddings(one.inputs, pipeline, version) for one in members]
    arguments = {
        **{name: torch.cat([one[name] for one in conditions]) for name in conditions[0]},
        **_texts(members),
        **{
            name: _repeated(value, len(members))
            for name, value in _pictures(first.node, first.inputs, pipeline, version).items()
        },
        "num_inference_steps": node.integer("num_inference_steps"),
        "guidance_scale": guidance_scale(node, version),
        "generator": [generator_for(one.node, one.inputs) for one in members],
        "output_type": "pt",
    }
    with _corrected(first.node, first.inputs, pipeline, version):
        output = call(pipeline, on_step, steps_run(node), arguments)
    pixels = getattr(output, version.result)
    check_finite(node, "the decoded pixels", pixels)
    raw = version.decodes_raw and not _starts_from_picture(first.inputs)
    return [to_image(one, raw=raw) for one in pixels]


def _version_drawn(node: Node) -> Version:
    """The version whose decoder the node calls."""
    assert node.pipeline is not None
    return version_of(node.pipeline.pipeline)


def to_image(pixels: torch.Tensor, *, raw: bool) -> Image.Image:
    """[3, H, W] -> RGB, by the same steps as diffusers' output_type="pil".

    Args:
        raw: values around [-1, 1], as the autoencoder decodes; img2img pipelines scale to [0, 1].
    """
    scaled = (pixels * 0.5 + 0.5).clamp(0, 1) if raw else pixels
    array = scaled.cpu().permute(1, 2, 0).float().numpy()
    return Image.fromarray((array * 255).round().astype("uint8"))


def _starts_from_picture(inputs: Mapping[str, Value]) -> bool:
    """Whether an image begins as a noisy picture, and not as noise."""
    return "image" in inputs and "mask" not in inputs


def _corrected_faults(node: Node, version: Version) -> frozenset[Fault]:
    """The faults of the version's pipelines that the node does not keep."""
    kept = node.params.get(UNCORRECTED, [])
    assert isinstance(kept, list)
    return frozenset(fault for fault in version.faults if fault.name not in kept)


def guidance_scale(node: Node, version: Version) -> float:
    """The number that makes the pipeline compute `uncond + scale * (text - uncond)`.

    Kandinsky 3's pipelines add 1 to their scale (pipeline_kandinsky3.py), so that the same number
    would mean more guidance than on 2.x.
    """
    scale = node.number("guidance_scale")
    is_raised = Fault.guidance_raised in _corrected_faults(node, version)
    return scale - version.guidance_added if scale > 1 and is_raised else scale


def _conditions(
    node: Node, inputs: Mapping[str, Value], pipeline: Any, version: Version
) -> dict[str, Any]:
    """The arguments for embeddings and texts."""
    texts = {
        name: node.params[name] for name in ("prompt", "negative_prompt") if name in node.params
    }
    return {**_embeddings(inputs, pipeline, version), **texts}


def _embeddings(
    inputs: Mapping[str, Value], pipeline: Any, version: Version
) -> dict[str, torch.Tensor]:
    """The pipeline's arguments for embeddings, on its device and in the denoiser's dtype."""
    device, dtype = pipeline._execution_device, _denoiser(pipeline, version).dtype
    text = inputs.get("text")
    if isinstance(text, dict):
        # Named like the pipeline's arguments. Masks and lengths keep their type.
        away = inputs.get("negative_text")
        negative = away.items() if isinstance(away, dict) else ()
        named = {**text, **{f"negative_{name}": value for name, value in negative}}
        return {
            name: value.to(device, dtype if value.is_floating_point() else None)
            for name, value in named.items()
        }

    def tensor(source: str, name: str) -> torch.Tensor:
        value = inputs[source]
        assert isinstance(value, dict)
        return value[name].to(device, dtype)

    # Without guidance diffusers does not cast to the UNet's dtype; cast here in both cases.
    return {
        "image_embeds": tensor("prior", "image_embeds"),
        "negative_image_embeds": tensor("negative", "image_embeds")
        if "negative" in inputs
        else tensor("prior", "negative_image_embeds"),
    }


def _texts(members: Sequence[Member]) -> dict[str, Any]:
    """The texts of a decoder that reads them."""
    told: dict[str, Any] = {}
    for name in ("prompt", "negative_prompt"):
        texts = [one.node.params.get(name) for one in members]
        if texts[0] is not None:
            told[name] = texts
    return told


def _repeated(value: Any, count: int) -> Any:
    """A picture once for each image; a number as it is."""
    if isinstance(value, torch.Tensor):
        return value.repeat(count, *(1 for _ in value.shape[1:]))
    return value if isinstance(value, bool | int | float) else [value] * count


def _denoiser(pipeline: Any, version: Version) -> Any:
    return getattr(pipeline, version.denoiser)


def _pictures(
    node: Node, inputs: Mapping[str, Value], pipeline: Any, version: Version
) -> dict[str, Any]:
    """The arguments for sizes and input pictures."""
    found: dict[str, Any] = {}
    if not (version.sized_by_picture and "image" in inputs):  # else the picture has the size
        found |= {"height": node.integer("height"), "width": node.integer("width")}
    if "image" in inputs:
        found["image"] = inputs["image"]
    if "strength" in node.params:
        found["strength"] = node.number("strength")
    mask, hint = inputs.get("mask"), inputs.get("hint")
    if isinstance(mask, Image.Image):
        found["mask_image"] = _mask_argument(node.inputs["mask"], mask)
        if version.mask_grown_by is not None:
            is_corrected = Fault.mask_grown in _corrected_faults(node, version)
            found[version.mask_grown_by] = not is_corrected
    if isinstance(hint, Image.Image):
        tensor = torch.from_numpy(np.array(hint)).float().div(255).permute(2, 0, 1)[None]
        found["hint"] = tensor.to(pipeline._execution_device, _denoiser(pipeline, version).dtype)
    return found


def _mask_argument(node: Node, mask: Image.Image) -> Any:
    """The mask as the pipelines take it: white = repaint.

    One that is not corrected: a picture as it is, which diffusers resizes; a box as an array of
    the picture's size, as in diffusers' guide, of which it takes one pixel for each latent.
    """
    if node.params["size"] is not None:
        return mask.convert("L")
    if node.params["box"] is None:
        return mask
    return np.asarray(mask.convert("L"), dtype=np.float32) / 255


@contextmanager
def _corrected(
    node: Node, inputs: Mapping[str, Value], pipeline: Any, version: Version
) -> Iterator[None]:
    """While the pipeline is called: corrections of its faults that the node does not keep."""
    from_picture, faults = _starts_from_picture(inputs), _corrected_faults(node, version)
    with ExitStack() as stack:
        if from_picture and Fault.sizes_exchanged in faults:
            stack.enter_context(corrections.sizes_in_order(pipeline))
        if from_picture and Fault.noise_of_its_own in faults:
            steps = node.integer("num_inference_steps")
            stack.enter_context(corrections.noise_of_the_schedule(pipeline, steps, steps_run(node)))
        grown_unasked = version.mask_grown_by is None and Fault.mask_grown in faults
        if "mask" in inputs and grown_unasked:
            stack.enter_context(corrections.mask_as_given(pipeline))
        text = inputs.get("text")
        is_guided = guidance_scale(node, version) > 1
        if isinstance(text, dict) and is_guided and Fault.texts_filled_up in faults:
            # The length `encode_prompt` cuts a text to: its tokens and one more.
            total = text["attention_mask"].shape[1]
            own = min(int(text["attention_mask"].sum()) + 1, total)
            if own < total:
                denoiser = _denoiser(pipeline, version)
                stack.enter_context(corrections.each_text_by_itself(denoiser, (total, own)))
        yield
