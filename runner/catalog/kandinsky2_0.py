"""Kandinsky 2.0: two text encoders, and a decoder that reads the states of both; no prior.

Its pipelines are the runner's own (`runner.kandinsky2_0`): diffusers has none. Published by
https://huggingface.co/ai-forever/Kandinsky_2.0 in the layout of its own code.
"""

from __future__ import annotations

from dataclasses import replace

from runner.catalog.checkpoint import Checkpoint, Original, Tokens, Trait, in_channels
from runner.catalog.kandinsky2_2 import CLIP_2_2
from runner.catalog.version import CUT, DECODER, Fault, Version

TEXT_PARTS = ("tokenizer", "text_encoder", "tokenizer_2", "text_encoder_2")

UNET_FILE, INPAINT_FILE, VAE_FILE = "Kandinsky-2-0.pt", "Kandinsky-2-0-inpainting.pt", "vae.ckpt"
TEXT_FOLDER, TEXT_FOLDER_2 = "text_encoder1", "text_encoder2"
BESIDE_UNET = (
    VAE_FILE,
    f"{TEXT_FOLDER}/config.json", f"{TEXT_FOLDER}/pytorch_model.bin",
    f"{TEXT_FOLDER}/tokenizer.json",
    f"{TEXT_FOLDER_2}/config.json", f"{TEXT_FOLDER_2}/pytorch_model.bin",
    f"{TEXT_FOLDER_2}/spiece.model",
)  # fmt: skip
CONVERTER = "runner.kandinsky2_0.conversion"

READS_BOTH = Trait("text_proj", "states_proj_2.weight")

DECODER_2_0 = Checkpoint(
    repo="ai-forever/Kandinsky_2.0",
    pipeline="KandinskyV20Pipeline",
    library="runner.kandinsky2_0.pipeline_kandinsky2_0",
    own_parts={"text_proj": ("runner.kandinsky2_0.text_projection", "KandinskyV20TextProjection")},
    named="kandinsky-2-0",
    original=Original(CONVERTER, (UNET_FILE, *BESIDE_UNET)),
    traits=(READS_BOTH, in_channels("unet", 4)),
    modules=("text_proj", "unet", "vae"),
    denoiser="unet",
    autoencoder="vae",
    without=TEXT_PARTS,
    quantizes={"denoiser": ("unet",)},
    scheduler_folders={"ddpm": "ddpm_scheduler"},
)
IMG2IMG_2_0 = replace(
    DECODER_2_0,
    pipeline="KandinskyV20Img2ImgPipeline",
    library="runner.kandinsky2_0.pipeline_kandinsky2_0_img2img",
)
INPAINT_2_0 = replace(
    DECODER_2_0,
    pipeline="KandinskyV20InpaintPipeline",
    library="runner.kandinsky2_0.pipeline_kandinsky2_0_inpaint",
    named="kandinsky-2-0-inpaint",
    original=Original(CONVERTER, (INPAINT_FILE, *BESIDE_UNET)),
    traits=(READS_BOTH, in_channels("unet", 9)),
)
TEXT_2_0 = replace(
    DECODER_2_0, modules=("text_encoder", "text_encoder_2"), denoiser="text_encoder",
    autoencoder=None, scheduler_folders={},
    traits=(
        Trait("text_encoder", "LinearTransformation.weight"),
        Trait("text_encoder_2", "encoder.final_layer_norm.weight"),
    ),
    tokens=(  # by the pipelines
        Tokens(77, reader="the first text encoder"),
        Tokens(77, "tokenizer_2", "the second text encoder"),
    ),
    without=("text_proj", "unet", "vae"), keeps_float32=(".wo.",),
    quantizes={"text": ("text_encoder", "text_encoder_2")},
)  # fmt: skip
# Each folder holds all that its task needs.
TEXT_INPAINT_2_0 = replace(TEXT_2_0, named=INPAINT_2_0.named, original=INPAINT_2_0.original)

KANDINSKY2_0 = Version(
    name="kandinsky2_0",
    title="2.0",
    tasks={
        "text2img": {"text": TEXT_2_0, "decoder": DECODER_2_0},
        "img2img": {"text": TEXT_2_0, "decoder": IMG2IMG_2_0},
        "inpaint": {"text": TEXT_INPAINT_2_0, "decoder": INPAINT_2_0},
    },
    clip=CLIP_2_2,  # version 2.0 has no CLIP of its own
    native_size=512,
    lora_roles=(DECODER,),
    max_leading_steps=500,
    text_stage="encode_two_texts",
    decodes_raw=False,
    mask_grown_by="grow_mask",
    faults=frozenset({Fault.mask_grown, Fault.pictures_not_fitted}),
    rounds={"text2img": CUT},
)
