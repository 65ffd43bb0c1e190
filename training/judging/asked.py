"""What is asked of tasks that start from pictures, and what is right of the pictures drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import torch
from PIL import Image

from runner.mini.vocabulary import COLOURS
from training.captions import LANGUAGES
from training.judging.family import Family
from training.judging.held_out import everything, held_out_scenes
from training.judging.judge import Verdict, judge, matches
from training.judging.pipelines import SIDE
from training.rendering import render, silhouettes
from training.scenes import Scene, SceneObject, arrangements, lattice

STRENGTH = 0.7
NEAR = 6.0
"""Pixels: how far an object may lie from where the picture had it."""
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


def redrawn(
    family: Family, place: int, draw: Callable[[str, dict[str, Any]], Any]
) -> dict[str, bool]:
    """Ask for a held-out combination, and look at what `draw` makes of prompt and picture."""
    wanted = held_out_object(family, place)
    (thing,) = wanted.objects
    source = {"image": as_picture(recoloured(wanted, place)), "strength": STRENGTH}
    verdict = judge(draw(say(wanted, place), source).images[0])
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


def inpainted(
    family: Family,
    place: int,
    paint: Callable[[str, Image.Image, Image.Image], Image.Image],
    round_trip: Callable[[torch.Tensor], torch.Tensor],
) -> dict[str, bool]:
    """Ask for an object beside another, and look at what `paint` makes of prompt, picture, mask.

    Args:
        round_trip: a picture through the autoencoder and back.
    """
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
    inside = [found for found in verdict.objects if is_white(mask, found.centre)]
    stays = np.asarray(mask) == 0
    before = as_tensor(source)
    changed, lost = (
        (picture - before).abs().mean(1)[0].numpy()[stays].mean()
        for picture in (as_tensor(image), round_trip(before))
    )
    return {
        "asked": [(f.shape, f.colour) for f in inside] == [(new.shape, new.colour)],
        "kept": bool(changed <= lost + KEPT_MARGIN),
    }


def kept(
    family: Family, place: int, round_trip: Callable[[torch.Tensor], torch.Tensor]
) -> dict[str, bool]:
    """Whether painted scenes of one and of two objects are still right after a round trip."""
    right = {}
    for name, objects in (("one object", 1), ("two objects", 2)):
        scene = held_out_scenes(objects, place + 1, family.known)[place]
        back = round_trip(as_tensor(as_picture(scene)))
        pixels = (back[0].permute(1, 2, 0).numpy() * 255).round().astype("uint8")
        right[name] = matches(judge(pixels), everything(scene))["all"]
    return right


def is_white(mask: Image.Image, place: tuple[float, float]) -> bool:
    """Whether the mask is white at a place; beyond its edges, where an object of which a part is
    seen may have its centre, it is black.
    """
    x, y = (int(np.floor(number)) for number in place)
    return 0 <= x < mask.width and 0 <= y < mask.height and mask.getpixel((x, y)) == 255


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


def overlap(picture: torch.Tensor, scene: Scene) -> float:
    """Intersection over union of what stands out from the ground with the scene's silhouette."""
    ground = picture[0, :, :3].flatten(1).median(1).values[None, :, None, None]
    seen = (picture - ground).norm(dim=1)[0] > 42 / 255
    wanted = silhouettes([scene])[0, 0] > 0.5
    return float((seen & wanted).sum() / (seen | wanted).sum().clamp(min=1))
