"""Silent errors of diffusers with pictures, which the runner does not make.

As in test_wrongs.py: each test shows both, and fails once diffusers is fixed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from functional.asked import (
    STEPS,
    Ask,
    Pictures,
    Pixels,
    generator,
    generators,
    opened,
    pixels,
)
from functional.direct import Direct, inputs, mask_as_it_is

Drawn = Callable[..., list[Pixels]]
Sized = Callable[[Ask], Pictures]
Refused = Callable[..., str]
Kandinsky = Callable[..., int]

GUIDED = {"num_inference_steps": STEPS, "guidance_scale": 4.0}


def told(direct: Direct, ask: Ask, files: Pictures) -> dict[str, Any]:
    """All that the decoder is given, but for a generator."""
    texts = {"prompt": ask.prompt} if ask.version == "2_1" else {}
    found = direct.embeddings(ask, files, generators())
    return {**found, **inputs(ask, files), **texts, **GUIDED}


@pytest.mark.parametrize("task", ["img2img", "controlnet_img2img"])
def test_height_and_width_of_img2img(
    task: str, direct: Direct, drawn: Drawn, pictures: Sized
) -> None:
    ask = Ask("2_2", task)
    if task == "img2img":
        naive = direct.draw(ask, pictures(ask), naive=True)
        assert naive.shape == (ask.width, ask.height, 3)
    else:
        with pytest.raises(RuntimeError, match="Sizes of tensors must match"):
            direct.draw(ask, pictures(ask), naive=True)
    (made,) = drawn(ask)
    assert made.shape == (ask.height, ask.width, 3)


def test_height_and_width_of_img2img_of_2_1(direct: Direct, drawn: Drawn, pictures: Sized) -> None:
    ask = Ask("2_1", "img2img")
    with pytest.raises(ValueError, match="Unexpected latents shape"):
        direct.draw(ask, pictures(ask), naive=True)
    (made,) = drawn(ask)
    assert made.shape == (ask.height, ask.width, 3)


def test_a_size_that_is_rounded(direct: Direct, pictures: Sized, refused: Refused) -> None:
    ask = Ask("2_2", "text2img", height=100)
    assert direct.draw(ask, pictures(ask), naive=True).shape == (128, 128, 3)
    assert refused(ask).startswith("height=100: ")


def test_sizes_that_the_unet_of_3_cannot_halve(
    direct: Direct, drawn: Drawn, pictures: Sized, refused: Refused
) -> None:
    """Three times it halves latents of 8 pixels: of its multiples of 8, those of 64 work."""
    for width in (64, 72, 96, 128, 136, 192):
        ask = Ask("3", "img2img", width=width)
        if width % 64:
            with pytest.raises(RuntimeError, match=r"Sizes of tensors|size of tensor"):
                direct.draw(ask, pictures(ask), naive=True)
            assert refused(ask).startswith(f"width={width}: ")
    (made,) = drawn(ask)
    assert np.array_equal(made, direct.draw(ask, pictures(ask)))


# Masks


def test_a_mask_that_grows(direct: Direct, drawn: Drawn, pictures: Sized) -> None:
    ask = Ask("2_2", "inpaint")
    decoder = direct.decoder(ask)
    given = told(direct, ask, pictures(ask))
    blocks = torch.from_numpy(np.asarray(given["mask_image"])[::8, ::8] > 0)

    def latents() -> torch.Tensor:
        made: torch.Tensor = decoder(**given, generator=generator(), output_type="latent").images
        return made

    levels = torch.from_numpy(np.array(given["image"], np.float32) / 127.5 - 1)
    with torch.no_grad():
        original = decoder.movq.encode(levels.permute(2, 0, 1)[None]).latents

    def repainted() -> torch.Tensor:
        changed: torch.Tensor = (latents() - original).abs() > 1e-3
        return changed.any(1)[0]

    naive = repainted()
    assert naive.sum() > blocks.sum(), "naive: more is repainted than the mask says"
    with mask_as_it_is(decoder):
        assert torch.equal(repainted(), blocks)
    # The runner's pixels are those of this call.
    (made,) = drawn(ask)
    assert np.array_equal(made, direct.draw(ask, pictures(ask)))
    assert not np.array_equal(made, direct.draw(ask, pictures(ask), naive=True))


@pytest.mark.slow
@pytest.mark.parametrize("version", ["2_1", "2_2"])
def test_a_small_mask_that_vanishes(
    version: str, direct: Direct, drawn: Drawn, pictures: Sized, tmp_path: Path
) -> None:
    ask = Ask(version, "inpaint")
    files = {}
    for name, box in {"none": None, "tiny": (42, 34, 46, 38), "block": (40, 32, 48, 40)}.items():
        mask = Image.new("L", (ask.width, ask.height), 0)
        if box:
            mask.paste(255, box)
        files[name] = tmp_path / f"{name}.png"
        mask.save(files[name])
    naive = {
        name: direct.draw(ask, pictures(ask) | {"mask": path}, naive=True)
        for name, path in files.items()
    }
    assert np.array_equal(naive["none"], naive["tiny"]), "naive: nothing is repainted"
    assert not np.array_equal(naive["none"], naive["block"])
    made = {name: drawn(ask, f"inputs.mask={files[name]}")[0] for name in ("tiny", "block")}
    assert np.array_equal(made["tiny"], made["block"])
    assert not np.array_equal(made["tiny"], naive["none"])


@pytest.mark.slow
def test_white_is_repainted(direct: Direct, drawn: Drawn, pictures: Sized, tmp_path: Path) -> None:
    """Numbers in [0, 1] give garbage, and older guides mean the black part."""
    ask = Ask("2_2", "inpaint", height=128)
    files = pictures(ask)
    given = told(direct, ask, files)
    decoder = direct.decoder(ask)
    as_numbers = given | {"image": np.asarray(given["image"], np.float32) / 255}
    as_numbers["mask_image"] = np.asarray(given["mask_image"], np.float32) / 255
    naive = pixels(decoder(**as_numbers, generator=generator()).images[0])
    image = pixels(given["image"])
    levels = torch.from_numpy(image / np.float32(127.5) - 1).permute(2, 0, 1)[None]
    with torch.no_grad():
        decoded = decoder.movq.decode(decoder.movq.encode(levels).latents, force_not_quantize=True)
    coded = (decoded.sample[0].permute(1, 2, 0).numpy() * 127.5 + 127.5).clip(0, 255)
    white = np.asarray(given["mask_image"]) > 0

    def change(made: Pixels, area: np.ndarray) -> float:
        return float(np.abs(made - coded)[area].mean())

    assert change(naive, ~white) > 20, "naive: what is kept is not the picture"
    (made,) = drawn(ask)
    assert change(made, white) > 2 * change(made, ~white)
    negative = tmp_path / "negative.png"
    ImageOps.invert(given["mask_image"]).save(negative)
    (same,) = drawn(ask, f"inputs.mask={negative}", "inputs.mask_invert=true")
    assert np.array_equal(made, same)
    (other,) = drawn(ask, f"inputs.mask={negative}")
    assert np.array_equal(other, direct.draw(ask, files | {"mask": negative}))
    assert not np.array_equal(made, other)


@pytest.mark.slow
def test_a_batch_blended_with_the_first_mask(
    direct: Direct, random_kandinsky: Kandinsky, drawn: Drawn, pictures: Sized, tmp_path: Path
) -> None:
    ask = Ask("2_2", "inpaint")
    files = pictures(ask)
    other = tmp_path / "other.png"
    opened(files["mask"], "L").transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(other)
    told = direct.embeddings(ask, files, generators())
    both = {name: torch.cat([embeds, embeds]) for name, embeds in told.items()}
    image = opened(files["image"])
    masks = [opened(path, "L") for path in (files["mask"], other)]
    decoder = direct.decoder(ask)
    batch = decoder(
        **both, image=[image, image], mask_image=masks, height=ask.height, width=ask.width,
        **GUIDED, generator=[generator(), generator()],
    ).images  # fmt: skip
    alone = direct.draw(ask, files | {"mask": other}, naive=True)
    assert np.abs(pixels(batch[1]) - alone).max() > 20, "naive: the second has the first's mask"
    # The runner calls for each image alone; a sweep over masks is what a batch of them would be.
    singles = [drawn(ask, f"inputs.mask={path}")[0] for path in (files["mask"], other)]
    shutil.rmtree(tmp_path / "outputs")
    swept = f"inputs.mask={files['mask']},{other}"
    assert random_kandinsky("-m", *ask.overrides(files), swept) == 0
    made = [pixels(opened(path)) for path in (tmp_path / "outputs" / "default").glob("*/*/*.png")]
    assert len(made) == 2
    assert all(any(np.array_equal(one, single) for one in made) for single in singles)


# Strength


def test_strengths_that_round_to_no_step(direct: Direct, pictures: Sized, refused: Refused) -> None:
    ask = Ask("2_1", "img2img", width=64)
    decoder = direct.decoder(ask, naive=True)
    times: list[int] = []
    calls: list[object] = []
    decoder.unet.register_forward_hook(lambda *_: calls.append(None))
    add_noise = decoder.add_noise

    def watched(latents: torch.Tensor, noise: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        times.append(int(time))
        noisy: torch.Tensor = add_noise(latents, noise, time)
        return noisy

    decoder.add_noise = watched
    for strength in (0.3, 0.0):
        decoder(**{**told(direct, ask, pictures(ask)), "strength": strength})
    assert calls == [], "naive: pictures that no step was run for"
    assert times == [298, -2], "naive: with strength 0 all but the most noise"
    for version in ("2_1", "2_2", "3"):
        cell = Ask(version, "img2img")
        assert refused(cell, "strength=0.3").startswith("strength=0.3: no step of 3 would be run")
        assert refused(cell, "strength=0").startswith("strength=0.0: ")
    guided = Ask("2_2", "controlnet_img2img")
    assert refused(guided, "prior.strength=0.3").startswith("prior.strength=0.3: ")
    assert refused(guided, "prior.negative_strength=0").startswith("prior.negative_strength=0.0: ")


@pytest.mark.slow
def test_noise_by_betas_that_are_not_the_schedulers(
    direct: Direct, drawn: Drawn, pictures: Sized
) -> None:
    ask = Ask("2_1", "img2img", width=64)
    decoder = direct.decoder(ask, naive=True)
    zero, one, time = torch.zeros(1, 4, 8, 8), torch.ones(1, 4, 8, 8), torch.tensor([300])
    naive, right = (with_.add_noise(zero, one, time) for with_ in (decoder, decoder.scheduler))
    assert (naive - right).abs().max() > 0.04
    (made,) = drawn(ask)
    assert np.array_equal(made, direct.draw(ask, pictures(ask)))
    assert not np.array_equal(made, direct.draw(ask, pictures(ask), naive=True))
