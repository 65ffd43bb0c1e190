"""The tasks beyond text2img: each gets a scene, draws, and says what is right of the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from diffusers import (
    DDIMScheduler,
    KandinskyInpaintPipeline,
    KandinskyV22ControlnetPipeline,
    KandinskyV22Img2ImgPipeline,
    KandinskyV22InpaintPipeline,
)
from PIL import Image

from runner.kandinsky2_0.pipeline_kandinsky2_0_img2img import KandinskyV20Img2ImgPipeline
from runner.kandinsky2_0.pipeline_kandinsky2_0_inpaint import KandinskyV20InpaintPipeline
from runner.kandinsky2_0.samplings import RELEASE_DDIM, RELEASE_DDIM_STEP
from training.export import (
    CONTROLNET_FOLDER,
    DECODER_FOLDER,
    DEPTH_FOLDER,
    INPAINT_2_0_FOLDER,
    INPAINT_2_1_FOLDER,
    INPAINT_FOLDER,
    KANDINSKY_2_0_FOLDER,
)
from training.judging.asked import (
    as_picture,
    as_tensor,
    held_out_object,
    inpainted,
    kept,
    overlap,
    recoloured,
    redrawn,
    say,
)
from training.judging.family import Family, how
from training.judging.judge import judge
from training.rendering import EDGE_DEPTH, render_depth

LEAST_IOU = 0.8
DEPTH_MARGIN = 0.02
"""Of 0-1: how far the estimated depth may be off, on average."""


def img2img(family: Family, place: int) -> dict[str, bool]:
    """With 2.2: a picture of an object in another colour; the prompt asks for a held-out
    combination.
    """
    decoder = family.decoder(KandinskyV22Img2ImgPipeline, **family.text2img.decoder.components)
    return redrawn(
        family, place, lambda prompt, source: decoder(**source, **family.told(prompt, place))
    )


def img2img_2_0(family: Family, place: int) -> dict[str, bool]:
    """The same with 2.0."""
    components = family.text2img.kandinsky_2_0.components
    decoder = family.decoder(KandinskyV20Img2ImgPipeline, **components)
    return redrawn(family, place, lambda prompt, source: decoder(prompt, **source, **how(place)))


def inpaint(family: Family, place: int) -> dict[str, bool]:
    """With 2.2: a picture of one object; beside it, within the mask, another is asked for."""

    def paint(prompt: str, source: Image.Image, mask: Image.Image) -> Image.Image:
        told = family.told(prompt, place)
        decoder = family.decoder(KandinskyV22InpaintPipeline, INPAINT_FOLDER, movq=family.movq)
        made: Image.Image = decoder(image=source, mask_image=mask, **told).images[0]
        return made

    return inpainted(family, place, paint, family.round_trip)


def inpaint_2_1(family: Family, place: int) -> dict[str, bool]:
    """The same with 2.1."""

    def paint(prompt: str, source: Image.Image, mask: Image.Image) -> Image.Image:
        pipelines = family.text2img
        told = family.told(prompt, place, pipelines.prior_2_1)
        names = ("text_encoder", "tokenizer", "movq")
        shared = {name: getattr(pipelines.decoder_2_1, name) for name in names}
        decoder = family.decoder(KandinskyInpaintPipeline, INPAINT_2_1_FOLDER, **shared)
        made: Image.Image = decoder(prompt, image=source, mask_image=mask, **told).images[0]
        return made

    return inpainted(family, place, paint, family.round_trip)


def inpaint_2_0(family: Family, place: int) -> dict[str, bool]:
    """The same with 2.0. The mask is not grown, as in the runner."""
    return inpainted_2_0(family, place, inpaint_decoder_2_0(family))


def inpaint_2_0_released(family: Family, place: int) -> dict[str, bool]:
    """The same with 2.0 and the sampler that it was released with, which puts the kept latents
    back at each step.
    """
    with released(inpaint_decoder_2_0(family)) as decoder:
        return inpainted_2_0(family, place, decoder, **RELEASE_DDIM_STEP)


def inpaint_decoder_2_0(family: Family) -> Any:
    """The inpainting pipeline of 2.0."""
    shared = dict(family.text2img.kandinsky_2_0.components)
    del shared["unet"], shared["text_proj"]
    return family.decoder(KandinskyV20InpaintPipeline, INPAINT_2_0_FOLDER, **shared)


def inpainted_2_0(family: Family, place: int, decoder: Any, **arguments: Any) -> dict[str, bool]:
    """What is right of a picture that the pipeline, called with `arguments` besides, inpaints."""

    def paint(prompt: str, source: Image.Image, mask: Image.Image) -> Image.Image:
        asked = {"image": source, "mask_image": mask, "grow_mask": False, **arguments}
        made: Image.Image = decoder(prompt, **asked, **how(place)).images[0]
        return made

    return inpainted(family, place, paint, family.round_trip_2_0)


@contextmanager
def released(decoder: Any) -> Iterator[Any]:
    """A pipeline of 2.0 with the DDIM of its release for a while."""
    own = decoder.scheduler
    told = {"prediction_type": own.config.prediction_type}
    decoder.register_modules(scheduler=DDIMScheduler(**{**RELEASE_DDIM, **told}))
    try:
        yield decoder
    finally:
        decoder.register_modules(scheduler=own)


def controlnet(family: Family, place: int) -> dict[str, bool]:
    """The depth picture of a held-out combination, anywhere on the lattice."""
    scene = held_out_object(family, place)
    hint = render_depth([scene]).repeat(1, 3, 1, 1)
    decoder = family.decoder(KandinskyV22ControlnetPipeline, CONTROLNET_FOLDER, movq=family.movq)
    (image,) = decoder(hint=hint, **family.told(say(scene, place), place)).images
    (thing,) = scene.objects
    found = judge(image).objects
    return {
        "silhouette": overlap(as_tensor(image), scene) >= LEAST_IOU,
        "colour": [one.colour for one in found] == [thing.colour],
    }


def depth(family: Family, place: int) -> dict[str, bool]:
    """How near everything is in a painted picture of a held-out combination."""
    scene = held_out_object(family, place)
    found = family.depth(as_picture(scene))[0, 0]
    wanted = render_depth([scene])[0, 0]
    seen, there = (picture > EDGE_DEPTH / 2 for picture in (found, wanted))
    union = (seen | there).sum()
    return {
        "silhouette": bool((seen & there).sum() / union >= LEAST_IOU),
        "depth": bool((found - wanted).abs().mean() <= DEPTH_MARGIN),
    }


def round_trip(family: Family, place: int) -> dict[str, bool]:
    """Painted scenes through the MoVQ and back: no decoder draws better than it."""
    return kept(family, place, family.round_trip)


def round_trip_2_0(family: Family, place: int) -> dict[str, bool]:
    """The same with the autoencoder of 2.0."""
    return kept(family, place, family.round_trip_2_0)


@dataclass(frozen=True)
class Task:
    """A row of the table: one picture a call, and what is right of it. `folder` is of the weights
    that it needs.
    """

    name: str
    draw: Callable[[Family, int], dict[str, bool]]
    folder: str


TASKS = (
    Task("img2img, strength 0.7", img2img, DECODER_FOLDER),
    Task("img2img, 2.0, strength 0.7", img2img_2_0, KANDINSKY_2_0_FOLDER),
    Task("inpaint", inpaint, INPAINT_FOLDER),
    Task("inpaint, 2.1", inpaint_2_1, INPAINT_2_1_FOLDER),
    Task("inpaint, 2.0", inpaint_2_0, INPAINT_2_0_FOLDER),
    Task("inpaint, 2.0, as released", inpaint_2_0_released, INPAINT_2_0_FOLDER),
    Task("controlnet", controlnet, CONTROLNET_FOLDER),
    Task("depth", depth, DEPTH_FOLDER),
    Task("round trip", round_trip, DECODER_FOLDER),
    Task("round trip, 2.0", round_trip_2_0, KANDINSKY_2_0_FOLDER),
)
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def interpolate(family: Family, pairs: int) -> list[float]:
    """Between two prompts that differ in colour: how often the picture has the second's, for each
    of `SHARES` of it.
    """
    turned = [0] * len(SHARES)
    for place in range(pairs):
        last = held_out_object(family, place)
        (thing,) = last.objects
        first = recoloured(last, place)
        ends = [family.told(say(scene, place), place) for scene in (first, last)]
        for number, share in enumerate(SHARES):
            mixed = ends[0]["image_embeds"] * (1 - share) + ends[1]["image_embeds"] * share
            decoder = family.text2img.decoder
            (image,) = family.decoder(type(decoder), **decoder.components)(
                **(ends[0] | how(place) | {"image_embeds": mixed})
            ).images
            turned[number] += [f.colour for f in judge(image).objects] == [thing.colour]
    return [count / pairs for count in turned]
