"""The models and schedulers of the checkpoints, small and random, in the released layouts.

Parts that the released repositories share (the autoencoder and the text encoder of a version) have
one name, and so equal weights, here too.
"""

from __future__ import annotations

import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    Kandinsky3UNet,
    PriorTransformer,
    UnCLIPScheduler,
    UNet2DConditionModel,
    VQModel,
)
from diffusers.models.attention_processor import SpatialNorm
from diffusers.pipelines.kandinsky.text_encoder import MCLIPConfig, MultilingualCLIP
from transformers import (
    CLIPImageProcessorPil,
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    T5Config,
    T5EncoderModel,
)

from random_weights.filling import fill, scale_weights
from random_weights.tokenizers import CLIP_TOKENS, clip_size, t5_size, xlm_roberta_tokenizer

WIDTH = 32
"""Of embeddings and hidden states: 2.1 needs all of them equal."""
T5_SPARE = 28
"""Rows of the embedding that no token has."""
CLIP_SIDE = 32
LATENT_SIDE = 8
NOISE = {"beta_schedule": "linear", "beta_start": 0.00085, "beta_end": 0.012}


def movq(name: str, seed: int) -> VQModel:
    """An autoencoder with four latent channels and factor 8."""
    model = VQModel(
        latent_channels=4,
        vq_embed_dim=4,
        num_vq_embeddings=64,
        norm_type="spatial",
        norm_num_groups=8,
        block_out_channels=(32, 32, 32, 32),
        layers_per_block=1,
        sample_size=32,  # as released; it means nothing
        down_block_types=(*("DownEncoderBlock2D",) * 3, "AttnDownEncoderBlock2D"),
        up_block_types=("AttnUpDecoderBlock2D", *("UpDecoderBlock2D",) * 3),
    )
    fill(model, name, seed)
    with torch.no_grad():
        for norm in (module for module in model.modules() if isinstance(module, SpatialNorm)):
            # Pixels must not saturate, however large the latents of an untrained UNet become:
            # the norms then stay norms, and do not multiply by the latents.
            norm.conv_y.weight.mul_(0.02)
            norm.conv_y.bias.add_(1)
            norm.conv_b.weight.mul_(0.02)
        model.decoder.conv_out.weight.mul_(0.6)
        model.quant_conv.weight.mul_(2.5)  # latents of about unit size, like the noise
    return model


def prior(name: str, seed: int) -> PriorTransformer:
    """A prior over image embeddings."""
    model = PriorTransformer(
        num_attention_heads=4,
        attention_head_dim=8,
        num_layers=2,
        embedding_dim=WIDTH,
        num_embeddings=CLIP_TOKENS,
        additional_embeddings=4,
    )
    fill(model, name, seed)
    torch.nn.init.ones_(model.clip_std)  # a statistic: it multiplies the embeddings
    return model


def clip_text(name: str, seed: int) -> CLIPTextModelWithProjection:
    """The prior's text encoder."""
    config = CLIPTextConfig(
        vocab_size=clip_size(),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=CLIP_TOKENS,
        hidden_act="gelu",
        # As released, and not the tokenizer's: 2 lets the model pool where the largest id is.
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=1,
    )
    return fill(CLIPTextModelWithProjection(config), name, seed)


def clip_vision(name: str, seed: int) -> CLIPVisionModelWithProjection:
    """The prior's image encoder."""
    config = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=CLIP_SIDE,
        patch_size=8,
        hidden_act="gelu",
    )
    model = fill(CLIPVisionModelWithProjection(config), name, seed)
    # The patches must count for more than their places, or pictures look alike.
    scale_weights(model.vision_model.embeddings.position_embedding, 0.2)
    return model


def image_processor() -> CLIPImageProcessorPil:
    """CLIP's preprocessing, in the class that works without torchvision."""
    return CLIPImageProcessorPil(
        size={"shortest_edge": CLIP_SIDE}, crop_size={"height": CLIP_SIDE, "width": CLIP_SIDE}
    )


def multilingual_clip(name: str, seed: int) -> MultilingualCLIP:
    """The text encoder of the 2.1 decoders."""
    tokenizer = xlm_roberta_tokenizer()
    config = MCLIPConfig(
        transformerDimSize=WIDTH,
        imageDimSize=WIDTH,
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        # Positions are counted from the padding id + 1.
        max_position_embeddings=CLIP_TOKENS + 2,
        type_vocab_size=1,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return fill(MultilingualCLIP(config), name, seed)


def t5_encoder(name: str, seed: int) -> T5EncoderModel:
    """The text encoder of Kandinsky 3."""
    config = T5Config(
        vocab_size=t5_size() + T5_SPARE,
        d_model=WIDTH,
        d_kv=8,
        d_ff=2 * WIDTH,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
    )
    return fill(T5EncoderModel(config), name, seed)


def unet(
    name: str, seed: int, *, told: str = "image", in_channels: int = 4
) -> UNet2DConditionModel:
    """A UNet of 2.x; `told`: image, image_hint (2.2) or text_image (2.1)."""
    model = UNet2DConditionModel(
        sample_size=LATENT_SIDE,
        in_channels=in_channels,
        out_channels=8,
        block_out_channels=(16, 32, 32),
        layers_per_block=1,
        down_block_types=("ResnetDownsampleBlock2D", *("SimpleCrossAttnDownBlock2D",) * 2),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=(*("SimpleCrossAttnUpBlock2D",) * 2, "ResnetUpsampleBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=8,
        encoder_hid_dim=WIDTH,
        encoder_hid_dim_type="text_image_proj" if told == "text_image" else "image_proj",
        addition_embed_type=told,
        resnet_time_scale_shift="scale_shift",
        norm_num_groups=8,
    )
    fill(model, name, seed)
    if told == "image_hint":
        # Eight convolutions without a norm: each activation halves what goes through.
        scale_weights(model.add_embedding.input_hint_block, 2)
    if told == "text_image":
        # Not normalised, unlike the text beside it, which it would drown.
        scale_weights(model.add_embedding.image_proj, 0.3)
    return model


def unet_3(name: str, seed: int) -> Kandinsky3UNet:
    """The UNet of Kandinsky 3."""
    model = Kandinsky3UNet(
        time_embedding_dim=WIDTH,
        # Few: a norm over two or three numbers, at the smallest resolution, is all but a step.
        groups=2,
        attention_head_dim=8,
        layers_per_block=2,
        block_out_channels=(16, 16, 32, 32),
        cross_attention_dim=WIDTH,
        encoder_hid_dim=WIDTH,
    )
    return fill(model, name, seed)


def prior_scheduler() -> UnCLIPScheduler:
    """The scheduler of the priors."""
    return UnCLIPScheduler(
        variance_type="fixed_small_log",
        clip_sample=True,
        clip_sample_range=10.0,
        prediction_type="sample",
    )


def ddim() -> DDIMScheduler:
    """The main scheduler of 2.1."""
    return DDIMScheduler(
        **NOISE,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="epsilon",
    )


def ddpm_2_1() -> DDPMScheduler:
    """The second scheduler of 2.1. Its thresholding makes the range of clipping void."""
    return DDPMScheduler(
        **NOISE,
        clip_sample=False,
        clip_sample_range=2.0,
        thresholding=True,
        sample_max_value=2.0,
        prediction_type="epsilon",
        variance_type="learned_range",
    )


def ddpm(*, clip_sample: bool = True) -> DDPMScheduler:
    """The scheduler of 2.2; that of its inpainting decoder does not clip."""
    return DDPMScheduler(
        **NOISE,
        clip_sample=clip_sample,
        clip_sample_range=1.0,
        thresholding=False,
        timestep_spacing="leading",
        steps_offset=1,
        prediction_type="epsilon",
        variance_type="fixed_small",
    )


def ddpm_3() -> DDPMScheduler:
    """The scheduler of Kandinsky 3: its UNet predicts no variance."""
    return DDPMScheduler(
        beta_schedule="squaredcos_cap_v2",
        clip_sample=True,
        clip_sample_range=1.0,
        prediction_type="epsilon",
        variance_type="fixed_small",
    )
