"""How well the tasks beyond text2img are done: `python -m training.evaluate_tasks`.

Pictures come from the exported folders through diffusers' own pipelines; the judge reads pixels.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from diffusers import (
    KandinskyInpaintPipeline,
    KandinskyV22ControlnetPipeline,
    KandinskyV22Img2ImgPipeline,
    KandinskyV22InpaintPipeline,
)
from PIL import Image
from transformers import DPTForDepthEstimation, DPTImageProcessorPil

from runner.mini.known import Known, read_known
from runner.mini.vocabulary import COLOURS
from runner.weights.find import MINI_DIR
from training.captions import LANGUAGES
from training.evaluate import everything, wilson
from training.export import (
    CONTROLNET_FOLDER,
    DEPTH_FOLDER,
    INPAINT_2_1_FOLDER,
    INPAINT_FOLDER,
)
from training.judging.judge import Verdict, judge
from training.judging.pipelines import SIDE, Pipelines, use_ddim
from training.rendering import EDGE_DEPTH, render, render_depth, silhouettes
from training.scenes import Scene, SceneObject, arrangements, lattice

STEPS, PRIOR_GUIDANCE, GUIDANCE = 25, 4.0, 2.0
STRENGTH = 0.7
NEAR = 6.0
"""Pixels: how far an object may lie from where the picture had it."""
LEAST_IOU = 0.8
DEPTH_MARGIN = 0.02
"""Of 0-1: how far the estimated depth may be off, on average."""
KEPT_MARGIN = 0.005
"""Of 0-1: how much more than the autoencoder alone the kept area may change, on average."""


class Family:
    """The exported pipelines of 2.2, in float32; those of one task are loaded when first used."""

    def __init__(self, weights: Path) -> None:
        self.weights = weights
        self.known: Known = read_known(weights)
        self.text2img = Pipelines(weights)
        self.movq = self.text2img.decoder.movq
        self._others: dict[str, Any] = {}

    def decoder(self, kind: type[Any], folder: str | None = None, **shared: Any) -> Any:
        """A decoder of class `kind` with DDIM; what it shares with others is loaded once."""
        if kind.__name__ not in self._others:
            if folder is None:
                made = kind(**self.text2img.decoder.components)
            else:
                made = kind.from_pretrained(
                    self.weights / folder, movq=self.movq, dtype=torch.float32,
                    local_files_only=True, **shared,
                )  # fmt: skip
            made.set_progress_bar_config(disable=True)
            use_ddim(made)
            self._others[kind.__name__] = made
        return self._others[kind.__name__]

    def told(self, prompt: str, seed: int, prior: Any = None) -> dict[str, Any]:
        """What the prior (that of 2.2, if no other) says of a prompt, for any decoder."""
        found = (prior or self.text2img.prior)(
            prompt,
            num_inference_steps=STEPS,
            guidance_scale=PRIOR_GUIDANCE,
            generator=torch.Generator().manual_seed(seed),
        )
        return dict(found) | how(seed)

    def depth(self, picture: Image.Image) -> torch.Tensor:
        """The estimated depth of a picture, [1, 1, H, W], 0 (ground) to 1."""
        folder = self.weights / DEPTH_FOLDER
        if "depth" not in self._others:
            self._others["depth"] = (
                DPTImageProcessorPil.from_pretrained(folder),
                DPTForDepthEstimation.from_pretrained(folder, dtype=torch.float32),
            )
        processor, model = self._others["depth"]
        with torch.no_grad():
            found = model(**processor(picture, return_tensors="pt")).predicted_depth[:, None]
        size = (picture.height, picture.width)
        return torch.nn.functional.interpolate(found, size, mode="bilinear", align_corners=False)

    def round_trip(self, picture: torch.Tensor) -> torch.Tensor:
        """A picture [1, 3, H, W] in [0, 1] through the autoencoder and back."""
        with torch.no_grad():
            latents = self.movq.encode(picture * 2 - 1).latents
            back: torch.Tensor = self.movq.decode(latents, force_not_quantize=True).sample
        return (back * 0.5 + 0.5).clamp(0, 1)


def how(seed: int) -> dict[str, Any]:
    """What every decoder is called with."""
    return {
        "height": SIDE,
        "width": SIDE,
        "num_inference_steps": STEPS,
        "guidance_scale": GUIDANCE,
        "generator": torch.Generator().manual_seed(seed),
    }


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
NAMES = [*(task.draw.__name__ for task in TASKS), "interpolate"]
HEAD, RULE = "| task | n | right | share | 95% interval |", "|---|---|---|---|---|"
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


def main(arguments: list[str] | None = None) -> None:
    """Draw, judge, print the table."""
    made = argparse.ArgumentParser(
        prog="python -m training.evaluate_tasks",
        description="Judge the small family's tasks that start from pictures.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    made.add_argument("--pictures", type=int, default=200, help="of each row")
    made.add_argument("--tasks", nargs="*", default=NAMES, choices=NAMES)
    made.add_argument("--weights", type=Path, default=MINI_DIR)
    made.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
    options = made.parse_args(arguments)
    torch.set_num_threads(options.threads)
    family = Family(options.weights)
    print(HEAD, RULE, sep="\n", flush=True)
    for task in TASKS:
        if task.draw.__name__ in options.tasks:
            results = [task.draw(family, place) for place in range(options.pictures)]
            print(*lines(task.name, results), sep="\n", flush=True)
    if "interpolate" in options.tasks:
        shown = ", ".join(f"{share:.2f}" for share in interpolate(family, options.pictures // 5))
        print(f"interpolate: second colour at shares {SHARES}: {shown}", flush=True)


def lines(name: str, results: Sequence[dict[str, bool]]) -> list[str]:
    """Lines of the Markdown table, one for each thing that may be right."""
    count = len(results)
    made = []
    for what in results[0]:
        right = sum(result[what] for result in results)
        low, high = wilson(right, count)
        made.append(
            f"| {name} | {count} | {what} | {right / count:.2f} | {low:.2f} to {high:.2f} |"
        )
    return made


if __name__ == "__main__":
    main()
