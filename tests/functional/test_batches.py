"""`batch_size`: several images and texts a call, each with the result that it has alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from functional.asked import DECODERS, INPUTS, Ask, Pictures
from functional.cells import Drawn, drawn, opened, planned
from functional.made import Made
from helpers.pixels import Pixels, furthest, pixels, read_pixels
from runner.engine.observer import NodeResult
from runner.graph.stage_table import BATCHED

PROMPTS = 'prompt=["a red circle on a white background","a blue square"]'
SEEDS = "seeds=[0,1,2]"
LEVELS = 2
"""Of 255: sums over a batch are taken in another order."""


def key(made: Made) -> str:
    return str(made.manifest["images"][0]["stage_keys"]["decode"])


@pytest.fixture
def in_both_ways(
    random_weights: Path, tmp_path: Path, pictures: Callable[[Ask], Pictures]
) -> Callable[..., tuple[Drawn, Drawn]]:
    """What a cell's stages give alone and together, on the same live pipelines."""

    def draw(version: str, task: str, *overrides: str) -> tuple[Drawn, Drawn]:
        given = pictures(Ask(version, task, width=64))
        pipelines = None
        ways = []
        for size in (1, 4):
            plan = planned(
                random_weights, tmp_path, f"kandinsky{version}", f"task={task}", "cache=off",
                *(f"inputs.{name}={given[name]}" for name in INPUTS.get(task, ())),
                *([f"interpolate.items=[{{text: a cat}},{{image: '{given['image']}'}}]"]
                  if task == "interpolate" else []),
                "strength=0.7", "prior.strength=0.7", f"batch_size={size}", *overrides,
            )  # fmt: skip
            pipelines = pipelines or opened(plan, keep_all=True)
            ways.append(drawn(plan, pipelines))
        return ways[0], ways[1]

    return draw


def picture_of(result: NodeResult) -> Pixels:
    assert isinstance(result.value, Image.Image)
    return pixels(result.value)


def check_alike(alone: Drawn, together: Drawn) -> None:
    """Each image of the calls is the one that was drawn alone, with its own noise."""
    one, other = (
        {result.node.label: picture_of(result) for result in way.of("decode")}
        for way in (alone, together)
    )
    assert one.keys() == other.keys()
    assert max(np.abs(one[label] - other[label]).max() for label in one) <= LEVELS
    assert len({picture.tobytes() for picture in other.values()}) == len(one)


def calls(made: Drawn, stage: str) -> int:
    """In how many calls a stage ran: the members of one have the same share of its seconds."""
    return len({result.ran.seconds for result in made.of(stage)})


# DDPM draws noise at each step. The negative prompt is longer than the prompts, and read by each.
@pytest.mark.parametrize(("version", "task"), list(DECODERS))
def test_images_of_a_call_are_those_that_are_drawn_alone(
    version: str, task: str, in_both_ways: Callable[..., tuple[Drawn, Drawn]]
) -> None:
    prompts = "[a red circle]" if task == "interpolate" else "[a red circle,two dogs on a beach]"
    alone, together = in_both_ways(
        version, task, f"prompt={prompts}", "seeds=[0,1]", "scheduler=ddpm",
        "negative_prompt='blurry, of low quality, wrong'",
    )  # fmt: skip
    check_alike(alone, together)
    assert calls(alone, "decode") > 1
    assert calls(together, "decode") == (2 if version == "3" else 1)  # see its row in the catalog
    texts = {result.node.stage for result in together.results} & set(BATCHED) - {"decode"}
    for stage in texts:
        assert calls(together, stage) < len(together.of(stage)), "texts go together, too"
    assert texts


@pytest.mark.parametrize(
    "given",
    [
        ("scheduler=ddim", "scheduler.eta=1"),
        ("scheduler=dpmpp_2m", "scheduler.algorithm_type=sde"),
        ("scheduler=lcm",),
        ("seeding=shared", "scheduler=ddpm"),
        ("decoder.guidance_scale=1", "prior.guidance_scale=1"),
    ],
    ids=" ".join,
)
def test_noise_of_each_step_and_each_seed_is_that_of_the_image_alone(
    given: tuple[str, ...], in_both_ways: Callable[..., tuple[Drawn, Drawn]]
) -> None:
    check_alike(*in_both_ways("2_2", "img2img", "seeds=[0,1,2]", *given))


@pytest.mark.slow
def test_workers_take_batches(kandinsky: Any) -> None:
    alone, together = (
        kandinsky(PROMPTS, SEEDS, "scheduler=ddpm", *more)
        for more in ((), ("batch_size=4", "workers=2"))
    )
    pairs = zip(alone.files, together.files, strict=True)
    assert max(furthest(read_pixels(a), read_pixels(b)) for a, b in pairs) <= LEVELS
    assert key(alone) != key(together), "bit for bit they are not the same"


@pytest.mark.slow
def test_what_is_stored_goes_for_any_size_of_batch(kandinsky: Any) -> None:
    first: Made = kandinsky(PROMPTS, "seeds=[0,1]", "batch_size=2")
    more: Made = kandinsky(PROMPTS, SEEDS, "batch_size=3")
    reused = [image["reused"] for image in more.manifest["images"]]
    assert reused == [True, True, False] * 2
    assert key(first) == key(more)
    calls = [image.get("together") for image in more.manifest["images"]]
    assert calls == [None, None, {"prior": 2, "decode": 2}] * 2


def test_uncorrected_pictures_are_drawn_one_by_one(random_weights: Path, tmp_path: Path) -> None:
    given = ("task=inpaint", "inputs.image=${example:circle.png}", "inputs.mask_box=[0,0,32,32]",
             "corrections=false", "seeds=[0,1]", "cache=off")  # fmt: skip
    plans = [
        planned(random_weights, tmp_path, "kandinsky2_2", *given, *more)
        for more in ((), ("batch_size=4",))
    ]
    assert plans[0].images[0].node.params == plans[1].images[0].node.params
    made = [drawn(plan, opened(plan)) for plan in plans]
    assert np.array_equal(made[0].pixels, made[1].pixels)


@pytest.mark.slow
def test_auto_is_one_by_one_on_a_cpu(kandinsky: Any) -> None:
    alone: Made = kandinsky()
    auto: Made = kandinsky("batch_size=auto")
    assert key(alone) == key(auto)
