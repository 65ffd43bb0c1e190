"""Kandinsky 5 image (Lite): Qwen2.5-VL and CLIP read the text, a transformer draws; no prior.

Names: https://huggingface.co/docs/diffusers/api/pipelines/kandinsky5_image. Its pipelines are
diffusers' with what they do silently wrong put right (`runner.kandinsky5`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from runner.catalog.checkpoint import Checkpoint, Tokens, Trait
from runner.catalog.kandinsky2_2 import CLIP_2_2
from runner.catalog.memory import Held
from runner.catalog.version import DECODER, Version

PATCH = 2 * 2
"""Latents of a token."""
LATENTS = 16
TEXT_PARTS = ("tokenizer", "text_encoder", "tokenizer_2", "text_encoder_2")

SIZES = (
    (1024, 1024), (640, 1408), (1408, 640), (768, 1280), (1280, 768), (896, 1152), (1152, 896),
)  # fmt: skip
"""(width, height): diffusers silently draws the nearest shape of these in place of another size."""

TEXT2IMG = (
    "<|im_start|>system\nYou are a prompt engineer. Describe the image by detailing the color, "
    "shape, size, texture, quantity, text, spatial relationships of the objects and background:"
    "<|im_end|>\n<|im_start|>user\n{}<|im_end|>"
)
"""What Qwen reads around a prompt. It differs between versions of diffusers, so that it is part of
the keys of nodes, with the number of its tokens before the prompt."""
_EDIT = (
    "<|im_start|>system\nYou are a {} engineer. Based on the provided source image (first image) "
    "and target image (second image), create an interesting text prompt that can be used together "
    "with the source image to create the target image:<|im_end|>{}<|im_start|>user{}{{}}"
    "<|vision_start|><|image_pad|><|vision_end|><|im_end|>"
)
EDIT, EDIT_PUBLISHED = _EDIT.format("prompt", "", ""), _EDIT.format("promt", "\n", "\n")
TEMPLATES = {
    "text2img": {"diffusers": (TEXT2IMG, 40)},
    # 49 and 52 tokens come before the instruction: but for `whole`, its first words are lost.
    "edit": {
        "published": (EDIT_PUBLISHED, 55), "whole": (EDIT, 49), "diffusers": (EDIT, 54),
    },
}  # fmt: skip
"""Task -> name -> template, and how many tokens are not handed on; the first is the default."""

QWEN_TOKENS = 512
"""Of a prompt and the mark at its end."""
PICTURE_TOKENS = 1024 - QWEN_TOKENS - 2
"""Of a picture, between its two marks, where its pipeline reads 1024 tokens in all."""
CLIP_TOKENS = 77

SPECIAL = r"<\|\w+\|>|</?tool_call>"
"""Marks of Qwen's own that it obeys wherever they stand (its tokenizer.json, added_tokens)."""


def _editor(variant: str) -> Checkpoint:
    return replace(
        _decoder(variant),
        repo=f"kandinskylab/Kandinsky-5.0-I2I-Lite-{variant}-Diffusers",
        pipeline="KandinskyV5EditPipeline",
        library="runner.kandinsky5.pipeline_kandinsky5_edit",
        traits=(_draws(2 * LATENTS + 1, edits=True),),
    )


def _decoder(variant: str) -> Checkpoint:
    return Checkpoint(
        repo=f"kandinskylab/Kandinsky-5.0-T2I-Lite-{variant}-Diffusers",
        pipeline="KandinskyV5Pipeline",
        library="runner.kandinsky5.pipeline_kandinsky5",
        traits=(_draws(LATENTS, edits=False),),
        modules=("transformer", "vae"),
        denoiser="transformer",
        autoencoder="vae",
        without=TEXT_PARTS,
        quantizes={"denoiser": ("transformer",)},
        # diffusers keeps them so at any precision (Kandinsky5Transformer3DModel).
        keeps_float32=("time_embeddings.", "modulation."),
        keeps_float32_at=("float16", "bfloat16"),
        # With 512 tokens of text; text and negative text are computed one after the other.
        held=Held(per_latent=8700, guided=1, maps=3),
        repeated=("Kandinsky5TransformerEncoderBlock", "Kandinsky5TransformerDecoderBlock"),
    )


def _text(decoder: Checkpoint) -> Checkpoint:
    return Checkpoint(
        repo=decoder.repo,
        pipeline=decoder.pipeline,
        library=decoder.library,
        traits=(
            # Of CLIP, the names of all tensors depend on the version of transformers that wrote it.
            Trait("text_encoder", "visual.patch_embed.proj.weight"),
        ),
        modules=("text_encoder", "text_encoder_2"),
        denoiser="text_encoder",
        tokens=(
            Tokens(QWEN_TOKENS, reader="Qwen", ends=1, cleaned=True),
            Tokens(CLIP_TOKENS, "tokenizer_2", "CLIP", cleaned=True),
        ),
        without=("transformer", "vae"),
        quantizes={"text": ("text_encoder", "text_encoder_2")},
    )


def _draws(channels: int, *, edits: bool) -> Trait:
    """A transformer that reads so many channels of a latent: 16 of noise, and for editing 16 of a
    picture and one that marks it."""
    return Trait(
        "transformer", "visual_embeddings.in_layer.weight", 1, channels * PATCH, "visual_cond",
        said=edits,
    )  # fmt: skip


def _tasks(variant: str) -> Mapping[str, Mapping[str, Checkpoint]]:
    decoder, editor = _decoder(variant), _editor(variant)
    return {
        "text2img": {"text": _text(decoder), "decoder": decoder},
        "edit": {"text": _text(editor), "decoder": editor},
    }


VARIANTS = {variant: _tasks(variant) for variant in ("sft", "pretrain")}

NO_START = "Kandinsky 5 draws from noise alone, and has no `strength`; task=edit changes a picture"

KANDINSKY5 = Version(
    name="kandinsky5",
    title="5",
    tasks=VARIANTS["sft"],
    variants=VARIANTS,
    clip=CLIP_2_2,  # that of version 5 has no image encoder
    native_size=1024,
    sizes=SIZES,
    size_multiple=16,
    max_size=2048,  # positions of its transformer: 128 tokens of 16 pixels
    refusals={"img2img": NO_START},
    flow=True,
    in_small_family=False,
    lora_roles=(DECODER,),
    dispatched=True,
    text_stage="encode_qwen",
    texts_apart=True,
    text_templates=TEMPLATES,
    picture_tokens=PICTURE_TOKENS,
    cleaned_with=("ftfy",),
    batch_shares={
        "text": "the shorter of two texts would be changed by what it is filled up with, as "
        "nothing masks that"
    },
    texts_keep_length=True,
    special_texts=SPECIAL,
    decodes_raw=False,
    result="image",
    always_corrected="a size that was not published is drawn at another one, and of a long text "
    "other words are lost than its messages say",
    doubted_precisions={"fp16": "was published for fp32 and bf16 alone"},
)
