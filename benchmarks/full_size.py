"""Kandinsky 2.2 at the size of its release, with random weights: what a GPU has to hold and do.

    python benchmarks/full_size.py FOLDER [--device cuda]

Makes FOLDER (9 GB, a quarter of a minute with a GPU), from which any run of
Kandinsky 2.2 text2img can be timed and its memory measured before the checkpoint itself is
downloaded, and says how. The pictures are noise.

Architectures: the configs of kandinsky-community/kandinsky-2-2-prior and -decoder; tokenizer and
schedulers are the small family's, with the release's number of tokens.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path
from typing import Any

import torch
from diffusers import PriorTransformer, UNet2DConditionModel, VQModel
from transformers import (
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from runner.weights.find import MINI_DIR

PRIOR, DECODER = "kandinsky-2-2-prior", "kandinsky-2-2-decoder"
STUDIES = (
    "experiment=offload_modes seeds=[0] warmup=0 prior.num_inference_steps=5 "
    "decoder.num_inference_steps=10",  # a minute
    "experiment=batch_sizes",
)
TOKENS = 77
CLIP_SIDE = 224


def image_encoder() -> CLIPVisionModelWithProjection:
    """The image encoder of ViT-bigG-14: 1.8 billion parameters."""
    config = CLIPVisionConfig(
        hidden_size=1664, intermediate_size=8192, projection_dim=1280, num_hidden_layers=48,
        num_attention_heads=16, image_size=CLIP_SIDE, patch_size=14, hidden_act="gelu",
    )  # fmt: skip
    return CLIPVisionModelWithProjection(config)


def text_encoder() -> CLIPTextModelWithProjection:
    """The text encoder of ViT-bigG-14: 0.7 billion parameters."""
    config = CLIPTextConfig(
        vocab_size=49408, hidden_size=1280, intermediate_size=5120, projection_dim=1280,
        num_hidden_layers=32, num_attention_heads=20, max_position_embeddings=TOKENS,
        hidden_act="gelu", bos_token_id=49406, eos_token_id=49407, pad_token_id=0,
    )  # fmt: skip
    return CLIPTextModelWithProjection(config)


def prior() -> PriorTransformer:
    """1.0 billion parameters."""
    return PriorTransformer(
        num_attention_heads=32, attention_head_dim=64, num_layers=20, embedding_dim=1280,
        num_embeddings=TOKENS, additional_embeddings=4,
    )  # fmt: skip


def unet() -> UNet2DConditionModel:
    """1.3 billion parameters."""
    return UNet2DConditionModel(
        sample_size=64, in_channels=4, out_channels=8, layers_per_block=3,
        block_out_channels=(384, 768, 1152, 1536), norm_num_groups=32,
        down_block_types=("ResnetDownsampleBlock2D", *("SimpleCrossAttnDownBlock2D",) * 3),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=(*("SimpleCrossAttnUpBlock2D",) * 3, "ResnetUpsampleBlock2D"),
        resnet_time_scale_shift="scale_shift", cross_attention_dim=768, attention_head_dim=64,
        encoder_hid_dim=1280, encoder_hid_dim_type="image_proj", addition_embed_type="image",
    )  # fmt: skip


def movq() -> VQModel:
    """67 million parameters."""
    return VQModel(
        latent_channels=4, vq_embed_dim=4, num_vq_embeddings=16384, norm_type="spatial",
        block_out_channels=(128, 256, 256, 512), layers_per_block=2, sample_size=256,
        down_block_types=(*("DownEncoderBlock2D",) * 3, "AttnDownEncoderBlock2D"),
        up_block_types=("AttnUpDecoderBlock2D", *("UpDecoderBlock2D",) * 3),
    )  # fmt: skip


PARTS = {
    PRIOR: {"image_encoder": image_encoder, "text_encoder": text_encoder, "prior": prior},
    DECODER: {"unet": unet, "movq": movq},
}


def changed(file: Path, **values: Any) -> None:
    """Change values in a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | values, indent=2))


def build(folder: Path, device: str) -> int:
    """Make both repositories. Returns their number of parameters."""
    numbers = 0
    torch.set_default_dtype(torch.float16)
    for repository, parts in PARTS.items():
        small = MINI_DIR / repository
        shutil.copytree(small, folder / repository, ignore=shutil.ignore_patterns(*parts))
        for name, part in parts.items():
            torch.manual_seed(0)
            with torch.device(device):
                model = part()
            numbers += model.num_parameters()
            model.save_pretrained(folder / repository / name)
            del model
    changed(folder / PRIOR / "tokenizer" / "tokenizer_config.json", model_max_length=TOKENS)
    changed(
        folder / PRIOR / "image_processor" / "preprocessor_config.json",
        crop_size={"height": CLIP_SIDE, "width": CLIP_SIDE}, size={"shortest_edge": CLIP_SIDE},
    )  # fmt: skip
    return numbers


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="a new one")
    parser.add_argument("--device", default="cuda", help="where the random numbers are drawn")
    given = parser.parse_args()
    started = time.perf_counter()
    numbers = build(given.folder, given.device)
    print(f"{given.folder}: {numbers / 1e9:.1f}e9 numbers in {time.perf_counter() - started:.0f} s")
    for study in STUDIES:
        print(f"kandinsky {study} weights={given.folder} precision=fp16 device=cuda")


if __name__ == "__main__":
    main()
