"""Kandinsky 2.1: a prior, and a decoder that also reads the prompt.

Names: https://huggingface.co/docs/diffusers/api/pipelines/kandinsky
"""

from __future__ import annotations

from dataclasses import replace

from runner.catalog.checkpoint import Checkpoint, Tokens, Trait, clip_of, in_channels
from runner.catalog.version import DECODER, PRIOR, UP_TO_64, Fault, Version

READS_TEXT = Trait("unet", "add_embedding.text_proj.weight")

PRIOR_2_1 = Checkpoint(
    repo="kandinsky-community/kandinsky-2-1-prior",
    pipeline="KandinskyPriorPipeline",
    traits=(Trait("prior", "clip_std"),),
    modules=("prior", "image_encoder", "text_encoder"),
    denoiser="prior",
    embedding=("prior", "embedding_dim"),
    tokens=(Tokens(),),
    quantizes={"text": ("text_encoder",), "prior": ("prior",)},
)
DECODER_2_1 = Checkpoint(
    repo="kandinsky-community/kandinsky-2-1",
    pipeline="KandinskyPipeline",
    traits=(READS_TEXT, in_channels("unet", 4)),
    modules=("text_encoder", "unet", "movq"),
    denoiser="unet",
    autoencoder="movq",
    # The UNet's encoder_hid_dim is the width of the text's states, not of the image embedding.
    embedding=("unet", "cross_attention_dim"),
    tokens=(Tokens(77),),  # by the pipeline; its tokenizer allows 512
    quantizes={"text": ("text_encoder",), "denoiser": ("unet",)},
    scheduler_folders={"ddpm": "ddpm_scheduler"},
)
IMG2IMG_2_1 = replace(DECODER_2_1, pipeline="KandinskyImg2ImgPipeline")
INPAINT_2_1 = replace(
    DECODER_2_1,
    repo="kandinsky-community/kandinsky-2-1-inpaint",
    pipeline="KandinskyInpaintPipeline",
    traits=(READS_TEXT, in_channels("unet", 9)),
)

KANDINSKY2_1 = Version(
    name="kandinsky2_1",
    title="2.1",
    tasks={
        "text2img": {"prior": PRIOR_2_1, "decoder": DECODER_2_1},
        "img2img": {"prior": PRIOR_2_1, "decoder": IMG2IMG_2_1},
        "inpaint": {"prior": PRIOR_2_1, "decoder": INPAINT_2_1},
        "interpolate": {"prior": PRIOR_2_1, "decoder": DECODER_2_1},
    },
    clip=clip_of(PRIOR_2_1),
    native_size=512,
    lora_roles=(PRIOR, DECODER),
    decoder_reads_prompt=True,
    faults=frozenset(
        {
            Fault.sizes_exchanged,
            Fault.noise_of_its_own,
            Fault.mask_grown,
            Fault.pictures_not_fitted,
            Fault.negative_draws,
            Fault.negative_not_told,
            Fault.texts_draw_in_turn,
        }
    ),
    rounds={"text2img": UP_TO_64, "interpolate": UP_TO_64},
    draws_without_steps=("img2img",),
)
