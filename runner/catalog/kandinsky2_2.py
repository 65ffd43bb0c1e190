"""Kandinsky 2.2: a prior, and a decoder that reads only its image embedding.

Names: https://huggingface.co/docs/diffusers/api/pipelines/kandinsky_v22
"""

from __future__ import annotations

from dataclasses import replace

from runner.catalog.checkpoint import Checkpoint, Layout, Tokens, Trait, clip_of, in_channels
from runner.catalog.version import DECODER, DOWN_TO_8, PRIOR, UP_TO_64, Fault, Version

READS_EMBEDDING = Trait("unet", "add_embedding.image_norm.weight")

PRIOR_2_2 = Checkpoint(
    repo="kandinsky-community/kandinsky-2-2-prior",
    pipeline="KandinskyV22PriorPipeline",
    traits=(Trait("prior", "clip_std"),),
    modules=("prior", "image_encoder", "text_encoder"),
    denoiser="prior",
    embedding=("prior", "embedding_dim"),
    tokens=(Tokens(),),
    quantizes={"text": ("text_encoder",), "prior": ("prior",)},
)
PRIOR_FROM_IMAGE_2_2 = replace(PRIOR_2_2, pipeline="KandinskyV22PriorEmb2EmbPipeline")
DECODER_2_2 = Checkpoint(
    repo="kandinsky-community/kandinsky-2-2-decoder",
    pipeline="KandinskyV22Pipeline",
    traits=(READS_EMBEDDING, in_channels("unet", 4)),
    modules=("unet", "movq"),
    denoiser="unet",
    autoencoder="movq",
    embedding=("unet", "encoder_hid_dim"),
    quantizes={"denoiser": ("unet",)},
    typed=(".encoder_hid_proj.image_embeds.",),  # diffusers.models.embeddings.ImageProjection
)
IMG2IMG_2_2 = replace(DECODER_2_2, pipeline="KandinskyV22Img2ImgPipeline")
INPAINT_2_2 = replace(
    DECODER_2_2,
    repo="kandinsky-community/kandinsky-2-2-decoder-inpaint",
    pipeline="KandinskyV22InpaintPipeline",
    traits=(READS_EMBEDDING, in_channels("unet", 9)),
)
CONTROLNET_2_2 = replace(
    DECODER_2_2,
    repo="kandinsky-community/kandinsky-2-2-controlnet-depth",
    pipeline="KandinskyV22ControlnetPipeline",
    traits=(Trait("unet", "add_embedding.input_hint_block.0.weight"), in_channels("unet", 8)),
)
CONTROLNET_IMG2IMG_2_2 = replace(CONTROLNET_2_2, pipeline="KandinskyV22ControlnetImg2ImgPipeline")
CLIP_2_2 = clip_of(PRIOR_2_2)
DEPTH = Checkpoint(
    # The default of transformers' pipeline("depth-estimation").
    repo="Intel/dpt-large",
    pipeline="depth-estimation",
    architectures=("DPTForDepthEstimation", "GLPNForDepthEstimation",
                   "DepthAnythingForDepthEstimation", "ZoeDepthForDepthEstimation"),
    modules=(".",),
    denoiser=".",
    layout=Layout.transformers,
)  # fmt: skip

KANDINSKY2_2 = Version(
    name="kandinsky2_2",
    title="2.2",
    tasks={
        "text2img": {"prior": PRIOR_2_2, "decoder": DECODER_2_2},
        "img2img": {"prior": PRIOR_2_2, "decoder": IMG2IMG_2_2},
        "inpaint": {"prior": PRIOR_2_2, "decoder": INPAINT_2_2},
        "interpolate": {"prior": PRIOR_2_2, "decoder": DECODER_2_2},
        "controlnet": {"depth": DEPTH, "prior": PRIOR_2_2, "decoder": CONTROLNET_2_2},
        "controlnet_img2img": {
            "depth": DEPTH,
            "prior": PRIOR_FROM_IMAGE_2_2,
            "decoder": CONTROLNET_IMG2IMG_2_2,
        },
    },
    clip=CLIP_2_2,
    native_size=512,
    lora_roles=(PRIOR, DECODER),
    faults=frozenset(
        {
            Fault.sizes_exchanged,
            Fault.mask_grown,
            Fault.pictures_not_fitted,
            Fault.negative_draws,
            Fault.texts_draw_in_turn,
        }
    ),
    rounds={"text2img": UP_TO_64, "interpolate": UP_TO_64, "img2img": DOWN_TO_8},
    draws_exchanged=("img2img",),
)
