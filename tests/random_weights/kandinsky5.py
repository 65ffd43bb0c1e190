"""The checkpoints of Kandinsky 5 image, in the layout of the published repositories.

Two things are as released, since the pipelines count on them: the templates around a prompt are 40
tokens long (text to image) and 49 (editing) before it, as every word of theirs is one token; and
the autoencoder shrinks by 8, the transformer's patches by 2.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, Kandinsky5Transformer3DModel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen2VLImageProcessorPil,
)

from random_weights.files import write_json
from random_weights.filling import fill
from training.tokenizers.byte_pairs import letters_of_bytes, merges_for, vocabulary_of

NAME = "Kandinsky-5.0-{}-Lite-{}-Diffusers"
WIDTH, CLIP_WIDTH, LATENTS, CLIP_TOKENS = 32, 24, 16, 77
SPECIAL = (
    "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
WHOLE = (
    "system", "user", "You", " are", " a", " prompt", " engineer", " Describe", " the", " image",
    " by", " detailing", " color", " shape", " size", " texture", " quantity", " text",
    " spatial", " relationships", " of", " objects", " and", " background", " Based", " on",
    " provided", " source", " (", "first", ")", " target", "second", "),", " create", " an",
    " interesting", " that", " can", " be", " used", " together", " with", " to",
    # words of prompts
    "a", " red", " green", " blue", " yellow", " black", " white", " cat", " dog", " circle",
    " square", " low", " quality", "low", "make", " it", " big", " two",
)  # fmt: skip
"""Words that are one token, in Qwen2.5's own vocabulary too."""


def kandinsky_5_t2i(folder: Path, seed: int = 0, variant: str = "sft") -> Path:
    """`folder`/Kandinsky-5.0-T2I-Lite-sft-Diffusers."""
    return _folder(folder / NAME.format("T2I", variant), "Kandinsky5T2IPipeline", seed)


def kandinsky_5_i2i(folder: Path, seed: int = 0, variant: str = "sft") -> Path:
    """`folder`/Kandinsky-5.0-I2I-Lite-sft-Diffusers."""
    path = folder / NAME.format("I2I", variant)
    return _folder(path, "Kandinsky5I2IPipeline", seed, edits=True)


def _folder(path: Path, kind: str, seed: int, *, edits: bool = False) -> Path:
    words, other = _qwen_tokenizer(), _clip_tokenizer()
    parts: dict[str, Any] = {
        "transformer": _transformer(path.name, seed, edits=edits),
        "vae": _vae(seed),
        "text_encoder": _qwen(seed, words),
        "text_encoder_2": _clip(seed, other),
        "tokenizer": words,
        "tokenizer_2": other,
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=3.0),
    }
    for name, part in parts.items():
        # Qwen is published in several files.
        sharded = {"max_shard_size": "32KB"} if name == "text_encoder" else {}
        part.save_pretrained(path / name, **sharded)
    Qwen2VLImageProcessorPil().save_pretrained(path / "tokenizer")
    # What a processor of Qwen2.5-VL leaves beside its tokenizer, and no picture needs.
    (path / "tokenizer" / "chat_template.jinja").write_text("{{ messages[0].content }}")
    videos = {"video_processor_type": "Qwen2VLVideoProcessor", "patch_size": 14}
    write_json(path / "tokenizer" / "video_preprocessor_config.json", videos)
    settings = path / "tokenizer" / "preprocessor_config.json"
    content = json.loads(settings.read_text()) | {"image_processor_type": "Qwen2VLImageProcessor"}
    write_json(settings, content)
    index = {name: _class_of(part) for name, part in sorted(parts.items())}
    index["tokenizer"] = ["transformers", "Qwen2VLProcessor"]
    head = {"_class_name": kind, "_diffusers_version": "0.36.0"}
    write_json(path / "model_index.json", {**head, **index})
    return path


def _class_of(part: object) -> list[str]:
    return [type(part).__module__.partition(".")[0], type(part).__name__]


def _transformer(name: str, seed: int, *, edits: bool) -> Kandinsky5Transformer3DModel:
    model = Kandinsky5Transformer3DModel(
        in_visual_dim=LATENTS, out_visual_dim=LATENTS, in_text_dim=WIDTH, in_text_dim2=CLIP_WIDTH,
        time_dim=40, model_dim=48, ff_dim=64, num_text_blocks=1, num_visual_blocks=2,
        axes_dims=(4, 6, 6), visual_cond=edits,
    )  # fmt: skip
    fill(model, name, seed)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "modulation" in key and key.endswith("weight"):
                parameter.mul_(0.3)
    return model


def _vae(seed: int) -> AutoencoderKL:
    """FLUX.1's layout: 16 channels, a factor and a shift, no quantising convolutions."""
    model = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8), down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, latent_channels=LATENTS, layers_per_block=1,
        norm_num_groups=4, sample_size=64, scaling_factor=0.3611, shift_factor=0.1159,
        use_quant_conv=False, use_post_quant_conv=False, force_upcast=True,
    )  # fmt: skip
    return fill(model, "5/vae", seed)


def _qwen(seed: int, tokenizer: Qwen2Tokenizer) -> Qwen2_5_VLForConditionalGeneration:
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL}
    end = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer), "hidden_size": WIDTH, "intermediate_size": 64,
            "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
            "max_position_embeddings": 4096, "bos_token_id": end, "eos_token_id": end,
            "pad_token_id": end,
            "rope_parameters": {
                "rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3],
            },
        },
        vision_config={
            "depth": 2, "hidden_size": WIDTH, "intermediate_size": WIDTH, "num_heads": 2,
            "out_hidden_size": WIDTH, "patch_size": 14, "spatial_merge_size": 2,
            "window_size": 112, "fullatt_block_indexes": [1],
        },
        image_token_id=ids["<|image_pad|>"], video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"], vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )  # fmt: skip
    return fill(Qwen2_5_VLForConditionalGeneration(config), "5/qwen", seed)


def _clip(seed: int, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=CLIP_WIDTH, intermediate_size=48,
        projection_dim=CLIP_WIDTH, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=CLIP_TOKENS, bos_token_id=tokenizer.bos_token_id,
        # The real id: 2 would switch on a legacy way of pooling.
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return fill(CLIPTextModel(config), "5/clip", seed)


def _qwen_tokenizer() -> Qwen2Tokenizer:
    merges = merges_for(WHOLE, end="")
    tokens = [*sorted(letters_of_bytes()), *dict.fromkeys("".join(pair) for pair in merges)]
    return Qwen2Tokenizer(
        vocab={token: number for number, token in enumerate(tokens)}, merges=merges,
        model_max_length=131072, additional_special_tokens=list(SPECIAL),
    )  # fmt: skip


def _clip_tokenizer() -> CLIPTokenizer:
    merges = merges_for(sorted({word.strip().lower() for word in WHOLE if word.strip().isalpha()}))
    vocabulary = vocabulary_of(merges)
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=CLIP_TOKENS)
