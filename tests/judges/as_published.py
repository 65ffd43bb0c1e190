"""What the judges' own code computes, written in plain torch from its sources.

Pictures are given as tensors, [1, 3, H, W], and texts as ids, [1, N].
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from judges.published import BERT_HEADS, BLIP_WIDTH, LAYERS, TEXT, VISION

Tensors = dict[str, Tensor]
MEAN, DEVIATION = 0.16717362830052426, 1.0333394966054072


def hps(tensors: Tensors, pixels: Tensor, ids: Tensor) -> float:
    """hpsv2/img_score.py: the dot product of open_clip's normalised features."""
    seen = functional.normalize(open_clip_image(tensors, pixels), dim=-1)
    read = functional.normalize(open_clip_text(tensors, ids), dim=-1)
    return float(seen @ read.T)


def open_clip_image(t: Tensors, pixels: Tensor) -> Tensor:
    """open_clip's VisionTransformer."""
    weight = t["visual.conv1.weight"]
    patches = functional.conv2d(pixels, weight, stride=weight.shape[-1]).flatten(2).mT
    start = t["visual.class_embedding"].expand(1, 1, -1)
    x = torch.cat([start, patches], dim=1) + t["visual.positional_embedding"]
    x = norm(t, "visual.ln_pre", x)
    for number in range(LAYERS):
        x = block(t, f"visual.transformer.resblocks.{number}", x, VISION // 80, None)
    return norm(t, "visual.ln_post", x[:, 0]) @ t["visual.proj"]


def open_clip_text(t: Tensors, ids: Tensor) -> Tensor:
    """open_clip's TextTransformer: each word sees those before it."""
    x = t["token_embedding.weight"][ids] + t["positional_embedding"][: ids.shape[1]]
    later = torch.full((ids.shape[1],) * 2, float("-inf")).triu(1)
    for number in range(LAYERS):
        x = block(t, f"transformer.resblocks.{number}", x, TEXT // 2, later)
    x = norm(t, "ln_final", x)
    return x[:, ids[0].argmax()] @ t["text_projection"]


def block(t: Tensors, name: str, x: Tensor, heads: int, mask: Tensor | None) -> Tensor:
    """A residual block of open_clip, with torch's own attention."""
    read = norm(t, f"{name}.ln_1", x).transpose(0, 1)
    attended, _ = functional.multi_head_attention_forward(
        read, read, read, x.shape[-1], heads,
        t[f"{name}.attn.in_proj_weight"], t[f"{name}.attn.in_proj_bias"], None, None, False, 0.0,
        t[f"{name}.attn.out_proj.weight"], t[f"{name}.attn.out_proj.bias"],
        training=False, attn_mask=mask, need_weights=False,
    )  # fmt: skip
    x = x + attended.transpose(0, 1)
    inner = functional.gelu(linear(t, f"{name}.mlp.c_fc", norm(t, f"{name}.ln_2", x)))
    return x + linear(t, f"{name}.mlp.c_proj", inner)


def image_reward(t: Tensors, pixels: Tensor, ids: Tensor) -> float:
    """ImageReward.score: BLIP's BERT looks at the picture; its first state is scored."""
    seen = blip_image(t, pixels)
    name = "blip.text_encoder.embeddings"
    x = t[f"{name}.word_embeddings.weight"][ids]
    x = x + t[f"{name}.position_embeddings.weight"][: ids.shape[1]]
    x = norm(t, f"{name}.LayerNorm", x, 1e-12)
    for number in range(LAYERS):
        layer = f"blip.text_encoder.encoder.layer.{number}"
        x = bert_attention(t, f"{layer}.attention", x, x)
        x = bert_attention(t, f"{layer}.crossattention", x, seen)
        inner = functional.gelu(linear(t, f"{layer}.intermediate.dense", x))
        out = linear(t, f"{layer}.output.dense", inner)
        x = norm(t, f"{layer}.output.LayerNorm", out + x, 1e-12)
    return (head(t, "mlp.layers", x[:, 0]) - MEAN) / DEVIATION


def blip_image(t: Tensors, pixels: Tensor) -> Tensor:
    """BLIP's VisionTransformer, from timm's."""
    name = "blip.visual_encoder"
    weight = t[f"{name}.patch_embed.proj.weight"]
    patches = functional.conv2d(
        pixels, weight, t[f"{name}.patch_embed.proj.bias"], stride=weight.shape[-1]
    )
    x = torch.cat([t[f"{name}.cls_token"], patches.flatten(2).mT], dim=1) + t[f"{name}.pos_embed"]
    for number in range(LAYERS):
        layer = f"{name}.blocks.{number}"
        query, key, value = linear(
            t, f"{layer}.attn.qkv", norm(t, f"{layer}.norm1", x, 1e-6)
        ).chunk(3, dim=-1)
        x = x + linear(t, f"{layer}.attn.proj", attention(query, key, value, BLIP_WIDTH // 64))
        inner = functional.gelu(linear(t, f"{layer}.mlp.fc1", norm(t, f"{layer}.norm2", x, 1e-6)))
        x = x + linear(t, f"{layer}.mlp.fc2", inner)
    return norm(t, f"{name}.norm", x, 1e-6)


def bert_attention(t: Tensors, name: str, x: Tensor, seen: Tensor) -> Tensor:
    """BERT's attention to itself or to the picture, with what follows it."""
    query = linear(t, f"{name}.self.query", x)
    key, value = (linear(t, f"{name}.self.{one}", seen) for one in ("key", "value"))
    out = linear(t, f"{name}.output.dense", attention(query, key, value, BERT_HEADS))
    return norm(t, f"{name}.output.LayerNorm", out + x, 1e-12)


def attention(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Softmax attention of several heads, [1, N, D]."""
    query, key, value = (
        one.unflatten(-1, (heads, -1)).transpose(1, 2) for one in (query, key, value)
    )
    scores = (query @ key.mT / query.shape[-1] ** 0.5).softmax(dim=-1)
    return (scores @ value).transpose(1, 2).flatten(2)


def head(t: Tensors, name: str, x: Tensor) -> float:
    """The five linear layers, without the dropout of training."""
    for number in (0, 2, 4, 6, 7):
        x = linear(t, f"{name}.{number}", x)
    return float(x)


def linear(t: Tensors, name: str, x: Tensor) -> Tensor:
    """A linear layer by its name."""
    return functional.linear(x, t[f"{name}.weight"], t[f"{name}.bias"])


def norm(t: Tensors, name: str, x: Tensor, epsilon: float = 1e-5) -> Tensor:
    """A layer norm by its name."""
    return functional.layer_norm(x, x.shape[-1:], t[f"{name}.weight"], t[f"{name}.bias"], epsilon)
