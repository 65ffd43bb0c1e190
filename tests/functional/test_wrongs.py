"""Silent errors of diffusers, which the runner does not make.

Each test shows both. Where one fails at `naive`, diffusers was fixed: the correction in
`runner/stages` can be removed, and the test with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from functional.asked import (
    NEGATIVE,
    PRIORS,
    SEED,
    STEPS,
    Ask,
    Pictures,
    Pixels,
    generator,
    generators,
    opened,
    pixels,
)
from functional.direct import Direct

Drawn = Callable[..., list[Pixels]]
Sized = Callable[[Ask], Pictures]
Refused = Callable[..., str]

SHORT, LONG = "a cat", "a big bright yellow square and a small dark purple triangle on green"
GUIDED = {"num_inference_steps": STEPS, "guidance_scale": 4.0}


@pytest.mark.parametrize(
    "guidance", [1.0, pytest.param(4.0, marks=pytest.mark.slow)], ids=["unguided", "guided"]
)
@pytest.mark.parametrize("version", [pytest.param("2_1", marks=pytest.mark.slow), "2_2"])
def test_each_image_of_several_is_the_one_made_alone(
    version: str, guidance: float, direct: Direct, drawn: Drawn, pictures: Sized
) -> None:
    ask = Ask(version, "text2img", guidance=guidance, negative=NEGATIVE)
    if guidance <= 1:
        told = direct.embeddings(ask, pictures(ask), generators())
        texts = {"prompt": ask.prompt} if version == "2_1" else {}
        with pytest.raises(RuntimeError):  # naive
            direct.decoder(ask)(
                **told, **texts, **{**GUIDED, "guidance_scale": guidance},
                height=ask.height, width=ask.width, num_images_per_prompt=2,
            )  # fmt: skip
    made = drawn(ask, f"prompt={json.dumps([SHORT, LONG])}", f"seeds=[{SEED + 1},{SEED}]")
    assert len({one.tobytes() for one in made}) == 4
    for index, prompt in ((1, SHORT), (3, LONG)):
        alone = direct.draw(replace(ask, prompt=prompt), pictures(ask))
        assert np.array_equal(made[index], alone)


@pytest.mark.slow
def test_prompts_tiled_against_their_embeddings(
    direct: Direct, drawn: Drawn, pictures: Sized
) -> None:
    """[a, b] x 2: 2.1 combined takes the prompts as a, b, a, b, the embeddings as a, a, b, b."""
    ask = Ask("2_1", "text2img")
    size = {"height": ask.height, "width": ask.width}
    naive = direct.combined(ask)(
        [SHORT, LONG], num_images_per_prompt=2, prior_num_inference_steps=STEPS, **size,
        **GUIDED, generator=generator(),
    ).images  # fmt: skip
    expected = {}
    for order in ((SHORT, LONG, SHORT, LONG), (SHORT, SHORT, LONG, LONG)):
        given = generator()
        told = direct.prior(ask, [SHORT, LONG], given, num_images_per_prompt=2)
        expected[order] = direct.decoder(ask)(
            list(order), **told, **size, **GUIDED, generator=given
        ).images
    tiled, right = expected.values()
    assert np.array_equal(pixels(naive[1]), pixels(tiled[1]))
    assert np.abs(pixels(naive[1]) - pixels(right[1])).max() > 20
    made = drawn(ask, f"prompt={json.dumps([SHORT, LONG])}", f"seeds=[{SEED + 1},{SEED}]")
    assert np.array_equal(made[1], direct.draw(replace(ask, prompt=SHORT), pictures(ask)))


@pytest.mark.slow
def test_pictures_tiled_against_their_embeddings(
    direct: Direct, drawn: Drawn, pictures: Sized
) -> None:
    """The same of 2.2 img2img combined, with pictures."""
    ask = Ask("2_2", "img2img", width=64)
    combined = direct.combined(ask)
    image = opened(pictures(ask)["image"])
    other = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    decoder = combined.decoder_pipe
    asked: list[list[Image.Image]] = []

    def watched(**given: Any) -> Any:
        asked.append(given["image"])
        return decoder(**given)

    combined.decoder_pipe = watched
    combined(
        [SHORT, LONG], image=[image, other], num_images_per_prompt=2, strength=0.7, height=64,
        width=64, prior_num_inference_steps=STEPS, **GUIDED, generator=generator(),
    )  # fmt: skip
    assert asked == [[image, other, image, other]], "naive: the embeddings are a, a, b, b"
    made = drawn(ask, f"prompt={json.dumps([SHORT, LONG])}", f"seeds=[{SEED + 1},{SEED}]")
    for index, prompt in ((1, SHORT), (3, LONG)):
        alone = direct.draw(replace(ask, prompt=prompt), pictures(ask))
        assert np.array_equal(made[index], alone)


# Kandinsky 3


@pytest.mark.slow
def test_prompts_of_different_length_in_one_batch(
    direct: Direct, drawn: Drawn, pictures: Sized
) -> None:
    ask = Ask("3", "text2img", prompt=SHORT)
    size = {"height": ask.height, "width": ask.width}
    batch = direct.decoder(ask)(
        [SHORT, LONG], **size, num_inference_steps=STEPS, guidance_scale=3.0,
        generator=[generator(), generator()],
    ).images  # fmt: skip
    alone = direct.draw(ask, pictures(ask))
    assert np.abs(pixels(batch[0]) - alone).max() > 20, "naive: the other changes it"
    made = drawn(ask, f"prompt={json.dumps([SHORT, LONG])}")
    assert np.array_equal(made[0], alone)
    assert np.array_equal(made[1], direct.draw(replace(ask, prompt=LONG), pictures(ask)))


@pytest.mark.slow
def test_masks_tiled_against_their_texts(direct: Direct, drawn: Drawn, pictures: Sized) -> None:
    """[a, b] x 2 of Kandinsky 3: texts go a, a, b, b and their masks a, b, a, b."""
    ask = Ask("3", "text2img")
    encode = direct.decoder(ask).encode_prompt
    texts, _, masks, _ = encode([SHORT, LONG], False, num_images_per_prompt=2, _cut_context=True)
    assert torch.equal(texts[0], texts[1])
    assert not torch.equal(masks[0], masks[1]), "naive"
    made = drawn(ask, f"prompt={json.dumps([SHORT, LONG])}", f"seeds=[{SEED + 1},{SEED}]")
    for index, prompt in ((1, SHORT), (3, LONG)):
        alone = direct.draw(replace(ask, prompt=prompt), pictures(ask))
        assert np.array_equal(made[index], alone)


@pytest.mark.slow
def test_a_negative_prompt_cut_to_the_prompt(direct: Direct, drawn: Drawn, pictures: Sized) -> None:
    ask = Ask("3", "text2img", prompt=SHORT, negative=LONG)
    encode = direct.decoder(ask).encode_prompt
    length = encode(LONG, False, _cut_context=True)[0].shape[1]
    assert encode(SHORT, negative_prompt=LONG, _cut_context=True)[1].shape[1] < length, "naive"
    (made,) = drawn(ask)
    assert np.array_equal(made, direct.each_text_by_itself(ask))
    assert not np.array_equal(made, direct.draw(ask, pictures(ask)))


@pytest.mark.slow
def test_a_guidance_that_means_more(
    direct: Direct, drawn: Drawn, pictures: Sized, refused: Refused
) -> None:
    # As many words as the prompt: so nothing is filled up or cut.
    ask = Ask("3", "text2img", negative="a dog in the house")
    assert refused(ask, "decoder.guidance_scale=1.5").startswith("decoder.guidance_scale=1.5: ")
    (made,) = drawn(ask)
    assert np.abs(made - direct.each_text_by_itself(ask)).max() <= 1
    naive = direct.draw(ask, pictures(ask), naive=True)
    assert np.abs(made - naive).max() > 20
    (more,) = drawn(replace(ask, guidance=ask.guidance + 1))
    assert np.array_equal(more, naive)


# Priors


@pytest.mark.slow
def test_a_negative_prompt_that_is_dropped(direct: Direct, drawn: Drawn, pictures: Sized) -> None:
    ask = Ask("2_1", "text2img", negative=NEGATIVE, seeding="shared")
    naive = direct.combined(ask)(
        ask.prompt, negative_prompt=NEGATIVE, height=ask.height, width=ask.width,
        prior_num_inference_steps=STEPS, **GUIDED, generator=generator(),
    ).images  # fmt: skip
    given = generator()
    told = direct.prior(ask, ask.prompt, given, negative_prompt=NEGATIVE)
    size = {"height": ask.height, "width": ask.width}
    dropped = direct.decoder(ask)(ask.prompt, **told, **size, **GUIDED, generator=given).images
    assert np.array_equal(pixels(naive[0]), pixels(dropped[0]))
    (made,) = drawn(ask)
    assert np.array_equal(made, direct.draw(ask, pictures(ask)))
    assert np.abs(made - pixels(naive[0])).max() > 20


def test_an_empty_negative_prompt(direct: Direct, refused: Refused) -> None:
    ask = Ask("2_2", "text2img")
    none, empty = (
        direct.prior(ask, ask.prompt, generator(), negative_prompt=negative)
        for negative in (None, "")
    )
    assert not torch.equal(none.negative_image_embeds, empty.negative_image_embeds), "naive"
    assert not torch.equal(none.image_embeds, empty.image_embeds), "naive"
    assert refused(ask, "negative_prompt=''").startswith("negative_prompt=")


@pytest.mark.parametrize("version", PRIORS)
def test_a_prior_of_one_step(version: str, direct: Direct, refused: Refused) -> None:
    ask = Ask(version, "text2img")
    with pytest.raises(ZeroDivisionError):
        direct.prior(ask, ask.prompt, generator(), num_inference_steps=1)
    said = refused(ask, "prior.num_inference_steps=1")
    assert said.startswith("prior.num_inference_steps=1: ")


def test_weights_that_do_not_add_up(direct: Direct, pictures: Sized, refused: Refused) -> None:
    ask = Ask("2_2", "interpolate")
    image = opened(pictures(ask)["image"])
    prior = direct.pipeline(*PRIORS[ask.version])
    once, twice = (
        prior.interpolate([image, image], mix, num_inference_steps=2).image_embeds
        for mix in ([0.5, 0.5], [1.0, 1.0])
    )
    assert torch.allclose(twice, 2 * once), "naive: an embedding of twice the length"
    item = f"{{image:'{pictures(ask)['image']}',weight:1}}"
    assert refused(ask, f"interpolate.items=[{item},{item}]").startswith("interpolate.items=")
