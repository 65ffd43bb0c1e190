"""Which models get the negative prompt, against direct calls of diffusers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from PIL import Image

from functional.asked import Ask, Pictures, Pixels
from functional.direct import Direct
from functional.made import Made

Drawn = Callable[..., list[Pixels]]
Sized = Callable[[Ask], Pictures]

PROMPT, NEGATIVE = "a red circle on a white background", "a blue square"
SEED = 5


def seeded() -> torch.Generator:
    return torch.Generator("cpu").manual_seed(SEED)


@pytest.fixture(scope="module")
def family(weights: Path) -> tuple[Any, Any]:
    """The small 2.2, as diffusers loads it: prior and decoder."""
    from diffusers import KandinskyV22Pipeline, KandinskyV22PriorPipeline

    from helpers.loading import opened
    from runner.catalog.kandinsky2_2 import DECODER_2_2, PRIOR_2_2

    with opened(weights, PRIOR_2_2) as folder:
        prior = KandinskyV22PriorPipeline.from_pretrained(folder)
    with opened(weights, DECODER_2_2) as folder:
        decoder = KandinskyV22Pipeline.from_pretrained(folder)
    for pipeline in (prior, decoder):
        pipeline.set_progress_bar_config(disable=True)
    return prior, decoder


def embedded(prior: Any, prompt: str, away_from: str | None = None, guidance: float = 4.0) -> Any:
    """Embeddings of a text alone; in one call with the negative one it would get other noise."""
    encode = prior._encode_prompt
    told = patch.object(
        prior, "_encode_prompt", lambda *given: encode(*given[:4], [away_from or ""])
    )
    with told:
        return prior(prompt, num_inference_steps=3, guidance_scale=guidance, generator=seeded())


def drawn(decoder: Any, image: torch.Tensor, negative: torch.Tensor) -> Image.Image:
    return decoder(
        image_embeds=image, negative_image_embeds=negative, num_inference_steps=3,
        guidance_scale=2.0, height=128, width=128, generator=seeded(),
    ).images[0]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("told", ["both", "prior", "decoder"])
def test_the_negative_prompt_is_told_as_asked_for(
    kandinsky: Any, family: tuple[Any, Any], told: str
) -> None:
    prior, decoder = family
    made: Made = kandinsky(
        f"prompt={PROMPT}", f"negative_prompt={NEGATIVE}", f"negative_prompt_for={told}",
        f"seeds=[{SEED}]", "prior.guidance_scale=4", "decoder.guidance_scale=2",
        "scheduler=ddpm",
    )  # fmt: skip
    away, plain = embedded(prior, PROMPT, NEGATIVE), embedded(prior, PROMPT)
    # Guided away from itself, a text is as without guidance.
    alone = embedded(prior, NEGATIVE, guidance=1.0)
    wanted = {
        "both": (away.image_embeds, alone.image_embeds),
        "prior": (away.image_embeds, plain.negative_image_embeds),
        "decoder": (plain.image_embeds, embedded(prior, NEGATIVE).image_embeds),
    }[told]
    assert np.array_equal(np.asarray(made.image()), np.asarray(drawn(decoder, *wanted)))


@pytest.mark.slow
@pytest.mark.parametrize("model", ["kandinsky2_1", "kandinsky2_2"])
def test_each_of_them_makes_another_picture(kandinsky: Any, model: str) -> None:
    def made(*overrides: str) -> str:
        run: Made = kandinsky(f"model={model}", *overrides)
        return str(run.manifest["images"][0]["sha256"])

    negative = f"negative_prompt={NEGATIVE}"
    hashes = {
        made(),
        *(made(negative, f"negative_prompt_for={told}") for told in ("both", "prior", "decoder")),
    }
    assert len(hashes) == 4


@pytest.mark.parametrize("version", ["2_1", "2_2", "3"])
def test_without_guidance_nothing_reads_it(
    version: str, direct: Direct, drawn: Drawn, pictures: Sized
) -> None:
    """Direct calls with it, or with another scale up to 1, give the same pixels: so the runner
    draws them once.
    """
    plain = Ask(version, "text2img", width=64, guidance=1.0)
    for ask in (plain, replace(plain, guidance=0.5), replace(plain, negative=NEGATIVE)):
        expected = direct.draw(ask, pictures(ask))
        assert np.array_equal(expected, direct.draw(plain, pictures(plain)))
        assert np.array_equal(drawn(ask)[0], expected)
