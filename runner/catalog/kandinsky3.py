"""Kandinsky 3: a text encoder, and a decoder that reads its hidden states; no prior.

Names: https://huggingface.co/docs/diffusers/api/pipelines/kandinsky3
"""

from __future__ import annotations

from dataclasses import replace

from runner.catalog.checkpoint import Checkpoint, Tokens, Trait, in_channels
from runner.catalog.kandinsky2_2 import CLIP_2_2
from runner.catalog.version import UP_TO_64, Fault, UnfitOption, Version

DECODER_3 = Checkpoint(
    repo="kandinsky-community/kandinsky-3",
    pipeline="Kandinsky3Pipeline",
    traits=(
        Trait("unet", "encoder_hid_proj.projection_linear.weight"),
        in_channels("unet", 4),
    ),
    modules=("unet", "movq"),
    denoiser="unet",
    autoencoder="movq",
    without=("text_encoder", "tokenizer"),
    quantizes={"denoiser": ("unet",)},
)
IMG2IMG_3 = replace(DECODER_3, pipeline="Kandinsky3Img2ImgPipeline")
TEXT_3 = replace(
    DECODER_3, modules=("text_encoder",), denoiser="text_encoder", autoencoder=None,
    traits=(Trait("text_encoder", "encoder.final_layer_norm.weight"),),
    tokens=(Tokens(128),),  # by the pipeline; its tokenizer allows 512
    without=("unet", "movq"), keeps_float32=(".wo.",),
    quantizes={"text": ("text_encoder",)},
)  # fmt: skip

KANDINSKY3 = Version(
    name="kandinsky3",
    title="3",
    tasks={
        "text2img": {"text": TEXT_3, "decoder": DECODER_3},
        "img2img": {"text": TEXT_3, "decoder": IMG2IMG_3},
    },
    clip=CLIP_2_2,  # version 3 has no CLIP of its own
    native_size=1024,
    refusals={
        "inpaint": "an inpainting model was published with Kandinsky 3.1 "
        "(ai-forever/Kandinsky3.1 on the hub); it is not in diffusers"
    },
    unfit_options=(
        UnfitOption(
            "use_karras_sigmas", True,
            "repeats timesteps on the cosine schedule of Kandinsky 3", ("false",),
        ),
        UnfitOption(
            "variance_type", "learned_range",
            "Kandinsky 3 was trained without a variance of its own",
            ("fixed_small", "fixed_small_log", "fixed_large"),
        ),
    ),
    batch_shares={
        "text": "beside a longer text, its UNet averages over what the shorter is filled up with"
    },
    texts_keep_length=True,
    # Its pipelines compute uncond + (g + 1) * (text - uncond), and only for g above 1.
    guidance_added=1,
    sized_by_picture=True,
    faults=frozenset({Fault.texts_filled_up, Fault.guidance_raised, Fault.pictures_not_fitted}),
    rounds={"text2img": UP_TO_64},
)  # fmt: skip
