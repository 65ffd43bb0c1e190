"""What pixels of Kandinsky 2.0's pipelines answer to, and what they do not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler
from PIL import Image

from kandinsky2_0 import tiny
from kandinsky2_0.conftest import drawn, quiet, seeded
from runner.kandinsky2_0 import samplings
from runner.kandinsky2_0.pipeline_kandinsky2_0 import KandinskyV20Pipeline
from runner.kandinsky2_0.pipeline_kandinsky2_0_inpaint import grown

ONE_GREY_LEVEL = 1 / 255


def differ(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether pictures visibly differ."""
    return float(np.abs(one - other).max()) > 2 * ONE_GREY_LEVEL


@pytest.mark.parametrize("scheduler", [tiny.ddim, tiny.ddpm])
def test_repeats_are_bit_identical_and_seeds_differ(text2img: Any, scheduler: Any) -> None:
    text2img.scheduler = scheduler()
    first = drawn(text2img)
    assert np.array_equal(first, drawn(text2img))
    assert differ(first, drawn(text2img, 1))


@pytest.mark.parametrize("name", ["prompt_embeds", "prompt_embeds_2", "pooled_prompt_embeds"])
def test_pixels_answer_to_each_result_of_the_encoders(text2img: Any, name: str) -> None:
    embeds = text2img.encode_prompt("a red circle")
    whole = drawn(text2img, prompt=None, **embeds)
    without = {**embeds, name: torch.zeros_like(embeds[name])}
    assert differ(whole, drawn(text2img, prompt=None, **without))


@pytest.mark.parametrize("first", [True, False])
def test_pixels_answer_to_the_text_by_each_encoder_alone(text2img: Any, first: bool) -> None:
    names = ["prompt_embeds", "pooled_prompt_embeds"] if first else ["prompt_embeds_2"]
    one, other = text2img.encode_prompt("a red circle"), text2img.encode_prompt("a blue square")
    mixed = {**one, **{name: other[name] for name in names}}
    assert differ(drawn(text2img, prompt=None, **one), drawn(text2img, prompt=None, **mixed))


def test_pixels_answer_to_the_padding(text2img: Any) -> None:
    embeds = text2img.encode_prompt("a red circle")
    assert embeds.prompt_embeds.shape == (1, 77, 32)
    cut = {**embeds, "prompt_embeds_2": embeds.prompt_embeds_2.clone()}
    cut["prompt_embeds_2"][:, 40:] = 0
    assert differ(drawn(text2img, prompt=None, **embeds), drawn(text2img, prompt=None, **cut))


def test_pixels_answer_to_the_variance_with_ddpm_alone(text2img: Any) -> None:
    bias = text2img.unet.conv_out.bias
    for scheduler, answers in ((tiny.ddpm(), True), (tiny.ddim(), False)):
        text2img.scheduler = scheduler
        before = drawn(text2img, num_inference_steps=4)
        with raised(bias, slice(4, 8), 1.0):
            assert differ(before, drawn(text2img, num_inference_steps=4)) is answers


@contextmanager
def raised(values: torch.Tensor, where: slice, by: float) -> Iterator[None]:
    """Other values of a parameter for a time."""
    kept = values.detach().clone()
    with torch.no_grad():
        values[where] += by
        yield
        values.copy_(kept)


def test_guidance_goes_away_from_the_negative_prompt(text2img: Any) -> None:
    usual = drawn(text2img)
    assert np.array_equal(usual, drawn(text2img, negative_prompt=""))
    assert differ(usual, drawn(text2img, negative_prompt="a blue square"))
    unguided = drawn(text2img, guidance_scale=1.0)
    assert differ(usual, unguided)
    assert np.array_equal(
        unguided, drawn(text2img, guidance_scale=1.0, negative_prompt="a blue square")
    )


def test_stored_embeddings_give_the_pixels_of_the_prompt(
    text2img: Any, parts: dict[str, Any]
) -> None:
    nothing = dict.fromkeys(("tokenizer_2", "text_encoder_2", "tokenizer", "text_encoder"))
    encoders = KandinskyV20Pipeline(
        **{**parts, "unet": None, "vae": None, "text_proj": None, "scheduler": None}
    )
    embeds = encoders.encode_prompt("a red circle", negative_prompt="dark")
    without = quiet(KandinskyV20Pipeline(**{**parts, **nothing}))
    direct = drawn(text2img, negative_prompt="dark", num_images_per_prompt=2, generator=seeded(3))
    stored = drawn(without, prompt=None, **embeds, num_images_per_prompt=2, generator=seeded(3))
    assert np.array_equal(direct, stored)


def test_a_batch_draws_what_each_draws_by_itself(text2img: Any) -> None:
    prompts, negatives = ["a red circle", "a blue square"], ["dark", "bright"]
    for scheduler in (tiny.ddim, tiny.ddpm):
        text2img.scheduler = scheduler()
        batch = drawn(text2img, 1, 2, prompt=prompts, negative_prompt=negatives)
        for row, (prompt, negative) in enumerate(zip(prompts, negatives, strict=True)):
            alone = drawn(text2img, row + 1, prompt=prompt, negative_prompt=negative)
            assert np.abs(batch[row] - alone[0]).max() < ONE_GREY_LEVEL


def test_img2img_and_inpaint_batches(
    img2img: Any, inpaint: Any, picture: Image.Image, mask: Image.Image
) -> None:
    pictures = [picture, picture.rotate(90)]
    given: list[tuple[Any, dict[str, Any]]] = [
        (img2img, {"strength": 0.5, "num_inference_steps": 4}),
        (inpaint, {"mask_image": mask}),
    ]
    for pipeline, more in given:
        batch = drawn(pipeline, 1, 2, prompt=["a cat", "a dog"], image=pictures, **more)
        alone = drawn(pipeline, 2, prompt="a dog", image=pictures[1], **more)
        assert np.abs(batch[1] - alone[0]).max() < ONE_GREY_LEVEL


def test_strength_is_the_share_of_steps_that_run(img2img: Any, picture: Image.Image) -> None:
    seen: list[int] = []

    def at_step_end(pipeline: Any, step: int, timestep: Any, tensors: Any) -> Any:
        seen.append(int(timestep))
        return tensors

    given = {"image": picture, "num_inference_steps": 10, "callback_on_step_end": at_step_end}
    little = drawn(img2img, strength=0.2, **given)
    assert seen == [101, 1]
    much = drawn(img2img, strength=0.8, **given)
    assert len(seen) == 2 + 8
    with torch.no_grad():
        clean = img2img.encode_image(picture, 1, 64, 64, seeded(0))
        kept = img2img.decode_latents(clean, 64, 64, "np")
    assert np.abs(little - kept).mean() < np.abs(much - kept).mean()
    with pytest.raises(ValueError, match="leaves none of 10 steps"):
        drawn(img2img, strength=0.05, **given)


def test_white_is_repainted(inpaint: Any, picture: Image.Image, mask: Image.Image) -> None:
    """Latents of what is kept are those of the picture, where the sampling blends."""
    inpaint.scheduler = tiny.ddpm()
    given = {"image": picture, "mask_image": mask, "output_type": "latent"}
    with torch.no_grad():
        known = inpaint.encode_image(picture, 1, 64, 64, seeded(0))

    def off(**more: Any) -> torch.Tensor:
        latents = inpaint("a cat", generator=seeded(0), num_inference_steps=8, **given, **more)
        return (latents.images - known).abs().mean(dim=(0, 1, 2))

    # Of 8 columns 4 are kept, one of which growing makes part of the mask.
    assert off()[:3].max() < 0.15 < off()[3:].min()
    assert off(grow_mask=False)[:4].max() < 0.15
    assert off(blend_latents=False)[:4].min() > 0.15


def test_a_mask_grows_by_six_neighbours() -> None:
    """Equal to the original's loops over pixels."""
    keep = (torch.rand((5, 7), generator=seeded(0)) > 0.2).int()
    wanted = keep.clone()
    for i in range(5):
        for j in range(7):
            if keep[i, j] != 1:
                for k, n in ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, 1)):
                    if 0 <= i + k < 5 and 0 <= j + n < 7:
                        wanted[i + k, j + n] = 0
    assert torch.equal(1 - grown(1 - keep[None, None].float())[0, 0].int(), wanted)


def test_other_sizes_are_cut_from_the_next_multiple(text2img: Any) -> None:
    assert text2img.size_multiple == 32
    assert drawn(text2img, height=40, width=90).shape == (1, 40, 90, 3)
    whole = drawn(text2img, height=64, width=96)
    assert np.array_equal(whole[:, :40, :90], drawn(text2img, height=40, width=90))


def test_a_callback_may_replace_what_goes_on(text2img: Any) -> None:
    def cleared(pipeline: Any, step: int, timestep: Any, tensors: Any) -> Any:
        return {"latents": torch.ones_like(tensors["latents"])}

    given = {"callback_on_step_end": cleared, "output_type": "latent", "generator": seeded(0)}
    latents = text2img("a cat", num_inference_steps=2, **given).images
    assert torch.equal(latents, torch.ones(1, 4, 8, 8))
    assert text2img.num_timesteps == 2


def test_modules_run_in_the_order_in_which_they_are_offloaded(inpaint: Any, picture: Any) -> None:
    """Inpainting encodes the picture first: the autoencoder is the last of the sequence, too."""
    order = inpaint.model_cpu_offload_seq.split("->")
    called: list[str] = []
    models = {name: part for name, part in inpaint.components.items() if name in order}
    hooks = [
        model.register_forward_pre_hook(lambda *_, name=name: called.append(name))
        for name, model in models.items()
    ]
    drawn(inpaint, image=picture, mask_image=picture.convert("L"))
    for hook in hooks:
        hook.remove()
    assert set(order) == {
        name for name, part in inpaint.components.items() if isinstance(part, torch.nn.Module)
    }
    assert list(dict.fromkeys(called)) == [name for name in order if name != "vae"]


def test_a_saved_pipeline_draws_the_same(text2img: Any, tmp_path: Path) -> None:
    text2img.save_pretrained(tmp_path)
    loaded = quiet(KandinskyV20Pipeline.from_pretrained(tmp_path, local_files_only=True))
    before = drawn(loaded)
    # Weights of a file lie elsewhere in memory, which changes how sums are rounded.
    assert np.abs(before - drawn(text2img)).max() < 1e-5
    loaded.save_pretrained(tmp_path / "again")
    again = quiet(KandinskyV20Pipeline.from_pretrained(tmp_path / "again", local_files_only=True))
    assert np.array_equal(before, drawn(again))
    # Text and UNet may be loaded apart.
    nothing = dict.fromkeys(("unet", "vae", "text_proj", "scheduler"))
    encoders = KandinskyV20Pipeline.from_pretrained(tmp_path, **nothing)
    nothing = dict.fromkeys(("tokenizer", "text_encoder", "tokenizer_2", "text_encoder_2"))
    rest = quiet(KandinskyV20Pipeline.from_pretrained(tmp_path, **nothing))
    assert np.array_equal(
        before, drawn(rest, prompt=None, **encoders.encode_prompt("a red circle"))
    )
    # In half precision it runs, and gives nearly the same.
    half = quiet(KandinskyV20Pipeline.from_pretrained(tmp_path, dtype=torch.float16))
    assert half.text_encoder.dtype == half.unet.dtype == torch.float16
    assert np.abs(before - drawn(half)).mean() < 0.05


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"prompt": None}, "Pass `prompt`"),
        ({"prompt_embeds": torch.zeros(1, 77, 32)}, "needs `prompt_embeds_2`"),
        ({"negative_prompt": ["a", "b"]}, "2 negative prompts do not fit 1 prompts"),
        ({"num_inference_steps": 501}, "has to be 500 or less"),
        ({"generator": seeded(0, 1)}, "2 generators do not fit 1 pictures"),
        ({"timesteps": [1, 5]}, "have to fall"),
        ({"callback_on_step_end_tensor_inputs": ["image"]}, "has to be in"),
        ({"latents": torch.zeros(1, 4, 4, 4)}, "have to be of shape"),
    ],
)
def test_what_does_not_go_together_is_refused(
    text2img: Any, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        drawn(text2img, **given)


def test_what_a_pipeline_or_scheduler_cannot_do_is_refused(
    text2img: Any, img2img: Any, inpaint: Any, parts: dict[str, Any], picture: Image.Image
) -> None:
    with pytest.raises(ValueError, match="needs a UNet of 4 input channels, but this one has 9"):
        KandinskyV20Pipeline(**{**parts, "unet": inpaint.unet})
    with pytest.raises(ValueError, match="multiples of 32"):
        drawn(img2img, image=picture, height=40)
    text2img.scheduler = tiny.ddpm()
    with pytest.raises(ValueError, match="DDPMScheduler takes no eta"):
        drawn(text2img, eta=0.5)
    inpaint.scheduler = DPMSolverMultistepScheduler(**samplings.NOISE_LEVELS)
    with pytest.raises(ValueError, match="needs DDIMScheduler or DDPMScheduler"):
        drawn(inpaint, image=picture, mask_image=picture, blend_latents=True)
    drawn(inpaint, image=picture, mask_image=picture)
