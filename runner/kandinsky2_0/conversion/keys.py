"""Where the published files keep the tensors of diffusers' models.

Each function takes a tensor's name in diffusers' model, and returns its place in the original.
Source: github.com/ai-forever/Kandinsky-2, kandinsky2/model/unet.py and text2im_model.py, and
kandinsky2/vqgan/vqgan_blocks.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Place:
    """Where a tensor is kept.

    Attributes:
        name: of the original tensor.
        part, parts: which of several tensors that are kept as one, head by head: rows are
            [head][part][width of a head].
        head_width: the width of a head.
    """

    name: str
    part: int = 0
    parts: int = 1
    head_width: int = 0


Placed = Callable[[str], Place]

_RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
_ATTENTION = {
    "group_norm": ("norm", 0, 1), "to_out.0": ("proj_out", 0, 1),
    "to_q": ("qkv", 0, 3), "to_k": ("qkv", 1, 3), "to_v": ("qkv", 2, 3),
    "add_k_proj": ("encoder_kv", 0, 2), "add_v_proj": ("encoder_kv", 1, 2),
}  # fmt: skip
_UNET_ENDS = {
    "conv_in": "input_blocks.0.0", "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2", "conv_norm_out": "out.0", "conv_out": "out.2",
}  # fmt: skip
_TEXT_PROJ = {
    "states_proj": "to_model_dim", "states_proj_2": "to_model_dim2", "states_norm": "ln_model1",
    "pooled_proj": "proj", "pooled_norm": "ln_model2", "pooled_norm_2": "ln_model3",
    "pool_2.to_q": "proj2.q_linear", "pool_2.to_k": "proj2.k_linear",
    "pool_2.to_v": "proj2.v_linear", "pool_2.to_out": "proj2.out",
}  # fmt: skip
_VAE_ATTENTION = {
    "group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out",
}  # fmt: skip


def text_proj_place(name: str) -> Place:
    """Of `KandinskyV20TextProjection`, in the file of the UNet."""
    layer, _, kind = name.rpartition(".")
    return Place(f"{_TEXT_PROJ[layer]}.{kind}")


def same_place(name: str) -> Place:
    """Of the text encoders, whose names are those of today."""
    return Place(name)


def unet_place(config: Mapping[str, Any]) -> Placed:
    """Of the `UNet2DConditionModel` of a config."""
    blocks = config["layers_per_block"] + 1  # of a level: of the way down, with its downsampler
    attends = [kind == "SimpleCrossAttnUpBlock2D" for kind in config["up_block_types"]]

    def block(level: int, kind: str, index: int, way: str) -> str:
        """The original's name of a layer of a level, or of the middle."""
        if kind == "downsamplers":
            return f"input_blocks.{blocks * (level + 1)}.0"
        if kind == "upsamplers":
            return f"output_blocks.{blocks * level + blocks - 1}.{2 if attends[level] else 1}"
        if way == "mid":
            return f"middle_block.{2 * index if kind == 'resnets' else 2 * index + 1}"
        first = 1 if way == "down" else 0
        in_block = 0 if kind == "resnets" else 1
        side = "input" if way == "down" else "output"
        return f"{side}_blocks.{first + blocks * level + index}.{in_block}"

    def place(name: str) -> Place:
        layer, _, tensor = name.rpartition(".")
        if layer in _UNET_ENDS:
            return Place(f"{_UNET_ENDS[layer]}.{tensor}")
        found = re.fullmatch(
            r"(down|mid|up)_blocks?\.(?:(\d+)\.)?([a-z]+)\.(\d+)\.([a-z0-9_.]+)", layer
        )
        assert found is not None, name
        way, level, kind, index, inner = found.groups()
        prefix = block(int(level or 0), kind, int(index), way)
        if kind != "attentions":
            return Place(f"{prefix}.{_RESNET[inner]}.{tensor}")
        original, part, parts = _ATTENTION[inner]
        return Place(f"{prefix}.{original}.{tensor}", part, parts, config["attention_head_dim"])

    return place


def vae_place(config: Mapping[str, Any]) -> Placed:
    """Of the `AutoencoderKL` of a config, within the checkpoint's `state_dict`."""
    last = len(config["block_out_channels"]) - 1

    def place(name: str) -> Place:
        name = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
        name = re.sub(r"down_blocks\.(\d+)\.resnets", r"down.\1.block", name)
        name = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", name)
        # The original counts the levels of the decoder as those of the encoder.
        name = re.sub(
            r"up_blocks\.(\d+)\.(?:(resnets)|upsamplers\.0)",
            lambda m: f"up.{last - int(m[1])}.{'block' if m[2] else 'upsample'}",
            name,
        )
        name = re.sub(r"mid_block\.resnets\.(\d+)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
        if found := re.fullmatch(r"(\w+)\.mid_block\.attentions\.0\.(.+)\.(\w+)", name):
            name = f"{found[1]}.mid.attn_1.{_VAE_ATTENTION[found[2]]}.{found[3]}"
        return Place(name)

    return place
