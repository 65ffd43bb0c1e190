"""The tasks beyond text2img: each gets a scene, draws, and says what is right of the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

import numpy as np
import torch
from diffusers import (
    KandinskyInpaintPipeline,
    KandinskyV22ControlnetPipeline,
    KandinskyV22Img2ImgPipeline,
    KandinskyV22InpaintPipeline,
)
from PIL import Image

from runner.mini.vocabulary import COLOURS
from training.captions import LANGUAGES
from training.export import CONTROLNET_FOLDER, INPAINT_2_1_FOLDER, INPAINT_FOLDER
from training.judging.family import Family, how
from training.judging.held_out import everything
from training.judging.judge import Verdict, judge
from training.judging.pipelines import SIDE
from training.rendering import EDGE_DEPTH, render, render_depth, silhouettes
from training.scenes import Scene, SceneObject, arrangements, lattice

STRENGTH = 0.7
NEAR = 6.0
"""Pixels: how far an object may lie from where the picture had it."""
LEAST_IOU = 0.8
DEPTH_MARGIN = 0.02
"""Of 0-1: how far the estimated depth may be off, on average."""
KEPT_MARGIN = 0.005
"""Of 0-1: how much more than the autoencoder alone the kept area may change, on average."""


def say(scene: Scene, place: int) -> str:
    """An English prompt for all that a scene shows."""
    return LANGUAGES["en"](Random(f"task/{place}"), everything(scene))


def as_picture(scene: Scene) -> Image.Image:
    """A scene, painted."""
    return Image.fromarray(
        (render([scene])[0].permute(1, 2, 0).numpy() * 255).round().astype("uint8")
    )


def held_out_object(family: Family, place: int) -> Scene:
    """One object in the held-out combinations in turn, somewhere on the lattice."""
    every = family.known.held_out
    return Random(f"object/{place}").choice(lattice(every[place % len(every)]))


def img2img(family: Family, place: int) -> dict[str, bool]:
    """A picture of an object in another colour; the prompt asks for a held-out combination."""
    wanted = held_out_object(family, place)
    (thing,) = wanted.objects
    source = recoloured(wanted, place)
    (image,) = family.decoder(KandinskyV22Img2ImgPipeline)(
        image=as_picture(source), strength=STRENGTH, **family.told(say(wanted, place), place)
    ).images
    verdict = judge(image)
    return {
        "colour": [found.colour for found in verdict.objects] == [thing.colour],
        "layout": len(verdict.objects) == 1 and is_near(verdict, thing),
    }


def recoloured(scene: Scene, place: int) -> Scene:
    """The scene with its lone object in another colour."""
    (thing,) = scene.objects
    colours = [name for name in COLOURS if name != thing.colour]
    return replace(scene, objects=(replace(thing, colour=Random(place).choice(colours)),))


def is_near(verdict: Verdict, thing: SceneObject) -> bool:
    """Whether some object of a picture lies where `thing` does."""
    return any(
        np.hypot(found.centre[0] - thing.x, found.centre[1] - thing.y) <= NEAR
        for found in verdict.objects
    )


def inpaint(family: Family, place: int) -> dict[str, bool]:
    """With 2.2: a picture of one object; beside it, within the mask, another is asked for."""

    def paint(prompt: str, source: Image.Image, mask: Image.Image) -> Image.Image:
        told = family.told(prompt, place)
        decoder = family.decoder(KandinskyV22InpaintPipeline, INPAINT_FOLDER)
        made: Image.Image = decoder(image=source, mask_image=mask, **told).images[0]
        return made

    return inpainted(family, place, paint)


def inpaint_2_1(family: Family, place: int) -> dict[str, bool]:
    """The same with 2.1."""

    def paint(prompt: str, source: Image.Image, mask: Image.Image) -> Image.Image:
        pipelines = family.text2img
        told = family.told(prompt, place, pipelines.prior_2_1)
        reader = {n: getattr(pipelines.decoder_2_1, n) for n in ("text_encoder", "tokenizer")}
        decoder = family.decoder(KandinskyInpaintPipeline, INPAINT_2_1_FOLDER, **reader)
        made: Image.Image = decoder(prompt, image=source, mask_image=mask, **told).images[0]
        return made

    return inpainted(family, place, paint)


def inpainted(
    family: Family, place: int, paint: Callable[[str, Image.Image, Image.Image], Image.Image]
) -> dict[str, bool]:
    """Ask for an object beside another, and look at what `paint` makes of prompt, picture, mask."""
    rng = Random(f"inpaint/{place}")
    every = family.known.held_out
    asked = every[place % len(every)]
    shape, colour = rng.choice([c for c in every if c.background == asked.background])[:2]
    relation = rng.choice(("left of", "above"))
    scene = rng.choice(arrangements(asked[:2], (shape, colour), relation, asked.background))
    new, old = scene.objects
    source, mask = as_picture(Scene(scene.background, (old,))), box_mask(new)
    wanted = Scene(scene.background, (new,))
    image = paint(say(wanted, place), source, mask)
    verdict = judge(image)
    inside = [f for f in verdict.objects if mask.getpixel((int(f.centre[0]), int(f.centre[1])))]
    kept = np.asarray(mask) == 0
    before = as_tensor(source)
    changed, lost = (
        (picture - before).abs().mean(1)[0].numpy()[kept].mean()
        for picture in (as_tensor(image), family.round_trip(before))
    )
    return {
        "asked": [(f.shape, f.colour) for f in inside] == [(new.shape, new.colour)],
        "kept": bool(changed <= lost + KEPT_MARGIN),
    }


def box_mask(thing: SceneObject, margin: float = 8) -> Image.Image:
    """White around an object, in whole blocks of 8 px."""
    reach = thing.radius + margin
    box = [round((c + s * reach) / 8) * 8 for s in (-1, 1) for c in (thing.x, thing.y)]
    left, top, right, bottom = (min(max(edge, 0), SIDE) for edge in box)
    mask = Image.new("L", (SIDE, SIDE), 0)
    mask.paste(255, (left, top, right, bottom))
    return mask


def as_tensor(picture: Image.Image) -> torch.Tensor:
    """float32 [1, 3, H, W] in [0, 1]."""
    return torch.from_numpy(np.array(picture, np.float32)).permute(2, 0, 1)[None] / 255


def controlnet(family: Family, place: int) -> dict[str, bool]:
    """The depth picture of a held-out combination, anywhere on the lattice."""
    scene = held_out_object(family, place)
    hint = render_depth([scene]).repeat(1, 3, 1, 1)
    (image,) = family.decoder(KandinskyV22ControlnetPipeline, CONTROLNET_FOLDER)(
        hint=hint, **family.told(say(scene, place), place)
    ).images
    (thing,) = scene.objects
    found = judge(image).objects
    return {
        "silhouette": overlap(as_tensor(image), scene) >= LEAST_IOU,
        "colour": [one.colour for one in found] == [thing.colour],
    }


def overlap(picture: torch.Tensor, scene: Scene) -> float:
    """Intersection over union of what stands out from the ground with the scene's silhouette."""
    ground = picture[0, :, :3].flatten(1).median(1).values[None, :, None, None]
    seen = (picture - ground).norm(dim=1)[0] > 42 / 255
    wanted = silhouettes([scene])[0, 0] > 0.5
    return float((seen & wanted).sum() / (seen | wanted).sum().clamp(min=1))


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


@dataclass(frozen=True)
class Task:
    """A row of the table: one picture a call, and what is right of it."""

    name: str
    draw: Callable[[Family, int], dict[str, bool]]


TASKS = (
    Task("img2img, strength 0.7", img2img),
    Task("inpaint", inpaint),
    Task("inpaint, 2.1", inpaint_2_1),
    Task("controlnet", controlnet),
    Task("depth", depth),
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
            (image,) = family.decoder(type(family.text2img.decoder))(
                **(ends[0] | how(place) | {"image_embeds": mixed})
            ).images
            turned[number] += [f.colour for f in judge(image).objects] == [thing.colour]
    return [count / pairs for count in turned]
