"""Small random models in the layout of Kandinsky 2.0. All widths differ, so that a mix-up fails."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, DDPMScheduler, UNet2DConditionModel
from diffusers.pipelines.kandinsky.text_encoder import MCLIPConfig, MultilingualCLIP
from transformers import MT5Config, MT5EncoderModel

from random_weights.filling import fill, scale_weights
from random_weights.tokenizers import pieces
from runner.kandinsky2_0 import samplings
from runner.kandinsky2_0.text_projection import KandinskyV20TextProjection
from training.tokenizers.unigrams import t5_tokenizer_of, xlm_roberta_tokenizer_of

SIDE = 64
"""Pixels."""
SEED = 20
"""Of the weights."""
UNET: dict[str, Any] = {
    "sample_size": 8, "in_channels": 4, "out_channels": 8, "block_out_channels": (16, 32, 48),
    "layers_per_block": 1, "norm_num_groups": 8, "cross_attention_dim": 40,
    "attention_head_dim": 8, "class_embed_type": "identity",
    "resnet_time_scale_shift": "scale_shift",
    "down_block_types": ("ResnetDownsampleBlock2D", *("SimpleCrossAttnDownBlock2D",) * 2),
    "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
    "up_block_types": (*("SimpleCrossAttnUpBlock2D",) * 2, "ResnetUpsampleBlock2D"),
}  # fmt: skip
TEXT_PROJ: dict[str, Any] = {
    "text_dim": 32, "pooled_dim": 24, "text_dim_2": 56, "cross_attention_dim": 40,
    "time_embed_dim": 64, "pooling_heads": 7,
}  # fmt: skip
VAE: dict[str, Any] = {
    "block_out_channels": (8, 16, 24, 32), "layers_per_block": 1, "norm_num_groups": 8,
    "latent_channels": 4, "sample_size": SIDE, "scaling_factor": 0.0512,
    "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4,
}  # fmt: skip


def text_encoder(seed: int = SEED) -> MultilingualCLIP:
    """The first one."""
    config = MCLIPConfig(
        transformerDimSize=32, imageDimSize=24, vocab_size=len(pieces()) + 5, hidden_size=32,
        intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, layer_norm_eps=1e-5,
        max_position_embeddings=79, type_vocab_size=1, bos_token_id=0, eos_token_id=2,
        pad_token_id=1,
    )  # fmt: skip
    return fill(MultilingualCLIP(config), "text_encoder", seed)


def text_encoder_2(seed: int = SEED) -> MT5EncoderModel:
    """The second one; its vocabulary is padded, as released."""
    config = MT5Config(
        vocab_size=len(pieces()) + 3 + 12, d_model=56, d_kv=8, d_ff=64, num_layers=2, num_heads=4,
        feed_forward_proj="gated-gelu",
    )  # fmt: skip
    return fill(MT5EncoderModel(config), "text_encoder_2", seed)


def unet(in_channels: int = 4, seed: int = SEED) -> UNet2DConditionModel:
    """The UNet; with 9 input channels that of inpainting."""
    model = UNet2DConditionModel(**{**UNET, "in_channels": in_channels})
    return fill(model, f"unet_{in_channels}", seed)


def text_proj(seed: int = SEED) -> KandinskyV20TextProjection:
    """The projection of both encoders' results."""
    return fill(KandinskyV20TextProjection(**TEXT_PROJ), "text_proj", seed)


def vae(seed: int = SEED) -> AutoencoderKL:
    """The autoencoder; its pixels do not saturate, its latents are near [-1, 1] after scaling."""
    model = fill(AutoencoderKL(**VAE), "vae", seed)
    with torch.no_grad():
        model.quant_conv.weight.mul_(10)
        model.post_quant_conv.weight.mul_(0.05)
        model.quant_conv.bias[4:] = -2.0  # little is drawn beside the mean
        model.quant_conv.weight[4:] *= 0.01
    scale_weights(model.decoder.conv_out, 0.5)
    return model


def components(in_channels: int = 4, seed: int = SEED) -> dict[str, Any]:
    """The arguments of the pipelines."""
    return {
        "tokenizer": xlm_roberta_tokenizer_of(pieces()),
        "text_encoder": text_encoder(seed),
        "tokenizer_2": _t5_tokenizer(),
        "text_encoder_2": text_encoder_2(seed),
        "text_proj": text_proj(seed),
        "unet": unet(in_channels, seed),
        "vae": vae(seed),
        "scheduler": ddim(),
    }


def ddim() -> DDIMScheduler:
    """The scheduler of `scheduler/`."""
    return DDIMScheduler(**samplings.DDIM)


def ddpm() -> DDPMScheduler:
    """The scheduler of `ddpm_scheduler/`."""
    return DDPMScheduler(**samplings.DDPM)


def _t5_tokenizer() -> Any:
    tokenizer = t5_tokenizer_of(pieces())
    tokenizer.model_max_length = 77
    return tokenizer
