"""The calls of diffusers' guide to Kandinsky, written out as they stand there.

https://huggingface.co/docs/diffusers/using-diffusers/kandinsky; those of Kandinsky 3 are in its
tabs. What the guide does to a picture before a call is done here, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import diffusers
from diffusers.models.attention_processor import AttnAddedKVProcessor2_0

from functional.guide_tools import PRIOR_1, PRIOR_2, Guide, generator

CHEESEBURGER = "A alien cheeseburger creature eating itself, claymation, cinematic, moody lighting"
LANDSCAPE = "A fantasy landscape, Cinematic lighting"
NEGATIVE = "low quality, bad quality"
ROBOT = "A robot, 4k photo"
NEGATIVE_PRIOR = (
    "lowres, text, error, cropped, worst quality, low quality, jpeg artifacts, ugly, duplicate, "
    "morbid, mutilated, out of frame, extra fingers, mutated hands, poorly drawn hands, "
    "poorly drawn face, mutation, deformed, blurry, dehydrated, bad anatomy, bad proportions, "
    "extra limbs, cloned face, disfigured, gross proportions, malformed limbs, missing arms, "
    "missing legs, extra arms, extra legs, fused fingers, too many fingers, long neck, username, "
    "watermark, signature"
)


def _text2img_2_1(guide: Guide) -> Any:
    prior_pipeline = guide.load("KandinskyPriorPipeline", PRIOR_1)
    pipeline = guide.load("KandinskyPipeline", "kandinsky-2-1")
    image_embeds, negative_image_embeds = prior_pipeline(
        CHEESEBURGER, NEGATIVE, guidance_scale=1.0
    ).to_tuple()
    return pipeline(
        CHEESEBURGER, image_embeds=image_embeds, negative_prompt=NEGATIVE,
        negative_image_embeds=negative_image_embeds, height=768, width=768,
    )  # fmt: skip


def _text2img_2_2(guide: Guide) -> Any:
    prior_pipeline = guide.load("KandinskyV22PriorPipeline", PRIOR_2)
    pipeline = guide.load("KandinskyV22Pipeline", "kandinsky-2-2-decoder")
    image_embeds, negative_image_embeds = prior_pipeline(
        CHEESEBURGER, NEGATIVE, guidance_scale=1.0
    ).to_tuple()
    return pipeline(
        image_embeds=image_embeds, negative_image_embeds=negative_image_embeds, height=768,
        width=768,
    )  # fmt: skip


def _text2img_3(guide: Guide) -> Any:
    pipeline = guide.load("Kandinsky3Pipeline", "kandinsky-3")
    return pipeline(CHEESEBURGER, negative_prompt=NEGATIVE)


def _text2img_combined(kind: str, repo: str, prior: str) -> Callable[[Guide], Any]:
    return lambda guide: guide.auto(kind, repo, prior)(
        prompt=CHEESEBURGER, negative_prompt=NEGATIVE, prior_guidance_scale=1.0,
        guidance_scale=4.0, height=768, width=768,
    )  # fmt: skip


def _img2img_2_1(guide: Guide) -> Any:
    prior_pipeline = guide.load("KandinskyPriorPipeline", PRIOR_1)
    pipeline = guide.load("KandinskyImg2ImgPipeline", "kandinsky-2-1")
    image_embeds, negative_image_embeds = prior_pipeline(LANDSCAPE, NEGATIVE).to_tuple()
    return pipeline(
        LANDSCAPE, negative_prompt=NEGATIVE, image=guide.image, image_embeds=image_embeds,
        negative_image_embeds=negative_image_embeds, height=768, width=768, strength=0.3,
    )  # fmt: skip


def _img2img_2_2(guide: Guide) -> Any:
    prior_pipeline = guide.load("KandinskyV22PriorPipeline", PRIOR_2)
    pipeline = guide.load("KandinskyV22Img2ImgPipeline", "kandinsky-2-2-decoder")
    image_embeds, negative_image_embeds = prior_pipeline(LANDSCAPE, NEGATIVE).to_tuple()
    return pipeline(
        image=guide.image, image_embeds=image_embeds, negative_image_embeds=negative_image_embeds,
        height=768, width=768, strength=0.3,
    )  # fmt: skip


def _img2img_3(guide: Guide) -> Any:
    pipeline = guide.load("Kandinsky3Img2ImgPipeline", "kandinsky-3")
    return pipeline(
        LANDSCAPE, negative_prompt=NEGATIVE, image=guide.image, strength=0.75,
        num_inference_steps=25,
    )  # fmt: skip


def _img2img_combined(kind: str, repo: str, prior: str) -> Callable[[Guide], Any]:
    def call(guide: Guide) -> Any:
        original_image = guide.image.copy()
        original_image.thumbnail((768, 768))
        return guide.auto(kind, repo, prior)(
            prompt=LANDSCAPE, negative_prompt=NEGATIVE, image=original_image, strength=0.3
        )

    return call


def _inpaint_2_1(guide: Guide) -> Any:
    prior_pipeline = guide.load("KandinskyPriorPipeline", PRIOR_1)
    pipeline = guide.load("KandinskyInpaintPipeline", "kandinsky-2-1-inpaint")
    prior_output = prior_pipeline("a hat")
    return pipeline(
        "a hat", image=guide.image, mask_image=guide.mask(), **prior_output, height=768,
        width=768, num_inference_steps=150,
    )  # fmt: skip


def _inpaint_2_2(guide: Guide) -> Any:
    prior_pipeline = guide.load("KandinskyV22PriorPipeline", PRIOR_2)
    pipeline = guide.load("KandinskyV22InpaintPipeline", "kandinsky-2-2-decoder-inpaint")
    prior_output = prior_pipeline("a hat")
    return pipeline(
        image=guide.image, mask_image=guide.mask(), **prior_output, height=768, width=768,
        num_inference_steps=150,
    )  # fmt: skip


def _inpaint_combined(kind: str, repo: str, prior: str) -> Callable[[Guide], Any]:
    return lambda guide: guide.auto(kind, repo, prior)(
        prompt="a hat", image=guide.image, mask_image=guide.mask()
    )


def _interpolate_2_1(guide: Guide) -> Any:
    prior_pipeline = guide.load("KandinskyPriorPipeline", PRIOR_1)
    prior_out = prior_pipeline.interpolate(["a cat", guide.image, guide.other], [0.3, 0.3, 0.4])
    pipeline = guide.load("KandinskyPipeline", "kandinsky-2-1")
    return pipeline("", **prior_out, height=768, width=768)


def _interpolate_2_2(guide: Guide) -> Any:
    prior_pipeline = guide.load("KandinskyV22PriorPipeline", PRIOR_2)
    prior_out = prior_pipeline.interpolate(["a cat", guide.image, guide.other], [0.3, 0.3, 0.4])
    pipeline = guide.load("KandinskyV22Pipeline", "kandinsky-2-2-decoder")
    return pipeline(**prior_out, height=768, width=768)


def _controlnet(guide: Guide) -> Any:
    prior_pipeline = guide.load("KandinskyV22PriorPipeline", PRIOR_2)
    pipeline = guide.load("KandinskyV22ControlnetPipeline", "kandinsky-2-2-controlnet-depth")
    given = generator()
    image_emb, zero_image_emb = prior_pipeline(
        prompt=ROBOT, negative_prompt=NEGATIVE_PRIOR, generator=given
    ).to_tuple()
    return pipeline(
        image_embeds=image_emb, negative_image_embeds=zero_image_emb, hint=guide.hint(guide.image),
        num_inference_steps=50, generator=given, height=768, width=768,
    )  # fmt: skip


def _controlnet_img2img(guide: Guide) -> Any:
    prior_pipeline = guide.load("KandinskyV22PriorEmb2EmbPipeline", PRIOR_2)
    pipeline = guide.load("KandinskyV22ControlnetImg2ImgPipeline", "kandinsky-2-2-controlnet-depth")
    img, given = guide.image, generator()
    img_emb = prior_pipeline(prompt=ROBOT, image=img, strength=0.85, generator=given)
    negative_emb = prior_pipeline(prompt=NEGATIVE_PRIOR, image=img, strength=1, generator=given)
    return pipeline(
        image=img, strength=0.5, image_embeds=img_emb.image_embeds,
        negative_image_embeds=negative_emb.image_embeds, hint=guide.hint(img),
        num_inference_steps=50, generator=given, height=768, width=768,
    )  # fmt: skip


def _optimized(prepare: Callable[[Any], object] = lambda pipe: None) -> Callable[[Guide], Any]:
    """The pipeline of 2.1 that the guide speeds up; it does not call it."""

    def call(guide: Guide) -> Any:
        prior_pipeline = guide.load("KandinskyPriorPipeline", PRIOR_1)
        pipe = guide.load("KandinskyPipeline", "kandinsky-2-1")
        prepare(pipe.pipeline)
        return pipe(CHEESEBURGER, **prior_pipeline(CHEESEBURGER))

    return call


def _set_sdpa(pipe: Any) -> None:
    pipe.unet.set_attn_processor(AttnAddedKVProcessor2_0())


def _set_ddpm(guide: Guide) -> Any:
    folder = guide.weights / "kandinsky-2-1"
    scheduler = diffusers.DDPMScheduler.from_pretrained(folder, subfolder="ddpm_scheduler")
    return _optimized(lambda pipe: setattr(pipe, "scheduler", scheduler))(guide)


CALLS: Mapping[str, Callable[[Guide], Any]] = {
    "text2img_2_1": _text2img_2_1,
    "text2img_2_2": _text2img_2_2,
    "text2img_3": _text2img_3,
    "text2img_combined_2_1": _text2img_combined("KandinskyPipeline", "kandinsky-2-1", PRIOR_1),
    "text2img_combined_2_2": _text2img_combined(
        "KandinskyV22Pipeline", "kandinsky-2-2-decoder", PRIOR_2
    ),
    "img2img_2_1": _img2img_2_1,
    "img2img_2_2": _img2img_2_2,
    "img2img_3": _img2img_3,
    "img2img_combined_2_1": _img2img_combined("KandinskyImg2ImgPipeline", "kandinsky-2-1", PRIOR_1),
    "img2img_combined_2_2": _img2img_combined(
        "KandinskyV22Img2ImgPipeline", "kandinsky-2-2-decoder", PRIOR_2
    ),
    "inpaint_2_1": _inpaint_2_1,
    "inpaint_2_2": _inpaint_2_2,
    "inpaint_combined_2_1": _inpaint_combined(
        "KandinskyInpaintPipeline", "kandinsky-2-1-inpaint", PRIOR_1
    ),
    "inpaint_combined_2_2": _inpaint_combined(
        "KandinskyV22InpaintPipeline", "kandinsky-2-2-decoder-inpaint", PRIOR_2
    ),
    "interpolate_2_1": _interpolate_2_1,
    "interpolate_2_2": _interpolate_2_2,
    "controlnet": _controlnet,
    "controlnet_img2img": _controlnet_img2img,
    "attention_sdpa": _optimized(_set_sdpa),
    "attention_xformers": _optimized(),
    "compile": _optimized(),
    "offload": _optimized(),
    "scheduler_ddpm": _set_ddpm,
}
"""By the name of the example in experiments/guide/."""
