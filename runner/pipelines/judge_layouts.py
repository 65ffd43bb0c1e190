"""Names of tensors: from the layouts in which judges are published to those of transformers.

Sources: open_clip's `CLIP` (https://github.com/mlfoundations/open_clip, model.py, transformer.py);
BLIP's `VisionTransformer` and `BertModel` (https://github.com/salesforce/BLIP, vit.py, med.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import isqrt

import torch
from torch import Tensor

Tensors = Mapping[str, Tensor]

OPEN_CLIP = (
    (r"visual\.class_embedding", "vision_model.embeddings.class_embedding"),
    (r"visual\.conv1\.weight", "vision_model.embeddings.patch_embedding.weight"),
    (r"visual\.positional_embedding", "vision_model.embeddings.position_embedding.weight"),
    (r"visual\.ln_pre\.", "vision_model.pre_layrnorm."),
    (r"visual\.ln_post\.", "vision_model.post_layernorm."),
    (r"visual\.transformer\.resblocks\.", "vision_model.encoder.layers."),
    (r"visual\.proj", "visual_projection.weight"),
    (r"token_embedding\.weight", "text_model.embeddings.token_embedding.weight"),
    (r"positional_embedding", "text_model.embeddings.position_embedding.weight"),
    (r"transformer\.resblocks\.", "text_model.encoder.layers."),
    (r"ln_final\.", "text_model.final_layer_norm."),
    (r"text_projection", "text_projection.weight"),
    (r"logit_scale", "logit_scale"),
)
"""Beginning of a name -> that of transformers' CLIPModel."""
OPEN_CLIP_WITHIN = (
    (r"\.ln_(\d)\.", r".layer_norm\1."),
    (r"\.attn\.out_proj\.", ".self_attn.out_proj."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
)
TRANSPOSED = ("visual.proj", "text_projection")
"""Matrices that open_clip multiplies from the right."""
THREE = re.compile(r"(?P<layer>.*)\.attn\.in_proj_(?P<kind>weight|bias)")
"""Query, key and value in one tensor."""

BLIP_VISION = (
    (r"cls_token", "embeddings.class_embedding"),
    (r"pos_embed", "embeddings.position_embedding"),
    (r"patch_embed\.proj\.", "embeddings.patch_embedding."),
    (r"blocks\.", "encoder.layers."),
    (r"norm\.", "post_layernorm."),
)
BLIP_VISION_WITHIN = (
    (r"\.norm(\d)\.", r".layer_norm\1."),
    (r"\.attn\.qkv\.", ".self_attn.qkv."),
    (r"\.attn\.proj\.", ".self_attn.projection."),
)


def clip_of_open_clip(tensors: Tensors) -> dict[str, Tensor]:
    """The tensors of transformers' CLIPModel, from those of open_clip's CLIP.

    Raises:
        ValueError: a name is none of open_clip's.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name == "attn_mask":  # a buffer of older versions, which is computed
            continue
        if three := THREE.fullmatch(name):
            layer = _renamed(f"{three['layer']}.", OPEN_CLIP, ())
            for part, own in zip("qkv", tensor.chunk(3), strict=True):
                found[f"{layer}self_attn.{part}_proj.{three['kind']}"] = own
        else:
            renamed = _renamed(name, OPEN_CLIP, OPEN_CLIP_WITHIN)
            found[renamed] = tensor.T if name in TRANSPOSED else tensor
    return found


def blip_vision(tensors: Tensors) -> dict[str, Tensor]:
    """The tensors of transformers' BlipVisionModel, from those of BLIP's vision transformer.

    Raises:
        ValueError: a name is none of BLIP's.
    """
    return {_renamed(name, BLIP_VISION, BLIP_VISION_WITHIN): t for name, t in tensors.items()}


def blip_text(tensors: Tensors) -> dict[str, Tensor]:
    """The tensors of transformers' BlipTextModel, from those of BLIP's BERT: the same names."""
    return {name: t for name, t in tensors.items() if name != "embeddings.position_ids"}


def within(tensors: Tensors, prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, by the rest of their names."""
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def layers(tensors: Tensors, pattern: str) -> int:
    """How many layers there are, by their numbers, a group of `pattern`."""
    found = (re.match(pattern, name) for name in tensors)
    return 1 + max((int(one[1]) for one in found if one), default=-1)


def square(positions: Tensor) -> int:
    """Patches a side, by the positions of a picture's patches and one more, [..., N, D]."""
    return isqrt(positions.shape[-2] - 1)


def in_order(tensors: Tensors, prefix: str) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of linear layers, in the order of their numbers."""
    own = within(tensors, prefix)
    numbers = sorted({int(name.partition(".")[0]) for name in own})
    return [(own[f"{n}.weight"], own[f"{n}.bias"]) for n in numbers]


def load(model: torch.nn.Module, tensors: Tensors) -> None:
    """Give a model its tensors: each one that it has, and no other.

    Raises:
        RuntimeError: names or shapes differ.
    """
    model.load_state_dict({name: t.contiguous() for name, t in tensors.items()}, assign=True)


def _renamed(
    name: str, beginnings: Sequence[tuple[str, str]], inner: Sequence[tuple[str, str]]
) -> str:
    for pattern, new in beginnings:
        if match := re.match(pattern, name):
            renamed = new + name[match.end() :]
            for part, other in inner:
                renamed = re.sub(part, other, renamed)
            return renamed
    raise ValueError(f"{name} is no tensor of this model")
