"""The autoencoder of the original Kandinsky 2.0, as `original` has its UNet."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from kandinsky2_0.original import Shapes, State, pair


@dataclass(frozen=True)
class Autoencoder:
    """Sizes of an autoencoder of latent diffusion; attention is in the middle alone."""

    widths: tuple[int, ...] = (128, 256, 512, 512)
    blocks: int = 2
    groups: int = 32


def vae_shapes(net: Autoencoder) -> Shapes:
    """Of `vae.ckpt`."""
    shapes: Shapes = {}

    def add(name: str, *shape: int) -> None:
        shapes[f"{name}.weight"] = shape
        shapes[f"{name}.bias"] = shape[:1]

    def block(name: str, before: int, after: int) -> None:
        add(f"{name}.norm1", before)
        add(f"{name}.conv1", after, before, 3, 3)
        add(f"{name}.norm2", after)
        add(f"{name}.conv2", after, after, 3, 3)
        if before != after:
            add(f"{name}.nin_shortcut", after, before, 1, 1)

    def middle(side: str, width: int) -> None:
        block(f"{side}.mid.block_1", width, width)
        add(f"{side}.mid.attn_1.norm", width)
        for name in ("q", "k", "v", "proj_out"):
            add(f"{side}.mid.attn_1.{name}", width, width, 1, 1)
        block(f"{side}.mid.block_2", width, width)

    last = len(net.widths) - 1
    width = net.widths[0]
    add("encoder.conv_in", width, 3, 3, 3)
    for level, after in enumerate(net.widths):
        for index in range(net.blocks):
            block(f"encoder.down.{level}.block.{index}", width, after)
            width = after
        if level < last:
            add(f"encoder.down.{level}.downsample.conv", width, width, 3, 3)
    middle("encoder", width)
    add("encoder.norm_out", width)
    add("encoder.conv_out", 8, width, 3, 3)
    add("quant_conv", 8, 8, 1, 1)
    add("post_quant_conv", 4, 4, 1, 1)
    add("decoder.conv_in", width, 4, 3, 3)
    middle("decoder", width)
    for level in reversed(range(len(net.widths))):
        for index in range(net.blocks + 1):
            block(f"decoder.up.{level}.block.{index}", width, net.widths[level])
            width = net.widths[level]
        if level:
            add(f"decoder.up.{level}.upsample.conv", width, width, 3, 3)
    add("decoder.norm_out", width)
    add("decoder.conv_out", 3, width, 3, 3)
    return shapes


class Running:
    """What the autoencoder computes."""

    def __init__(self, net: Autoencoder, state: State) -> None:
        self._net, self._state = net, state

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Pixels -> means and logarithms of variances, [B, 8, h, w]."""
        x = self._conv("encoder.conv_in", x)
        for level in range(len(self._net.widths)):
            for index in range(self._net.blocks):
                x = self._block(f"encoder.down.{level}.block.{index}", x)
            if level < len(self._net.widths) - 1:
                padded = F.pad(x, (0, 1, 0, 1))
                weights = pair(self._state, f"encoder.down.{level}.downsample.conv")
                x = F.conv2d(padded, *weights, stride=2)
        x = self._conv(
            "encoder.conv_out", self._active("encoder.norm_out", self._mid("encoder", x))
        )
        return F.conv2d(x, *pair(self._state, "quant_conv"))

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Latents, not scaled -> pixels."""
        z = F.conv2d(z, *pair(self._state, "post_quant_conv"))
        x = self._mid("decoder", self._conv("decoder.conv_in", z))
        for level in reversed(range(len(self._net.widths))):
            for index in range(self._net.blocks + 1):
                x = self._block(f"decoder.up.{level}.block.{index}", x)
            if level:
                doubled = F.interpolate(x, scale_factor=2)
                x = self._conv(f"decoder.up.{level}.upsample.conv", doubled)
        return self._conv("decoder.conv_out", self._active("decoder.norm_out", x))

    def _conv(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, *pair(self._state, name), padding=1)

    def _norm(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return F.group_norm(x, self._net.groups, *pair(self._state, name), eps=1e-6)

    def _active(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return F.silu(self._norm(name, x))

    def _block(self, name: str, x: torch.Tensor) -> torch.Tensor:
        new = self._conv(f"{name}.conv1", self._active(f"{name}.norm1", x))
        new = self._conv(f"{name}.conv2", self._active(f"{name}.norm2", new))
        if f"{name}.nin_shortcut.weight" in self._state:
            x = F.conv2d(x, *pair(self._state, f"{name}.nin_shortcut"))
        return x + new

    def _mid(self, side: str, x: torch.Tensor) -> torch.Tensor:
        x = self._block(f"{side}.mid.block_1", x)
        name = f"{side}.mid.attn_1"
        flat = self._norm(f"{name}.norm", x)
        query, key, value = (
            F.conv2d(flat, *pair(self._state, f"{name}.{part}")).flatten(2) for part in "qkv"
        )
        weight = torch.einsum("bct,bcs->bts", query, key) / math.sqrt(query.shape[1])
        found = torch.einsum("bts,bcs->bct", weight.softmax(-1), value).reshape(x.shape)
        x = x + F.conv2d(found, *pair(self._state, f"{name}.proj_out"))
        return self._block(f"{side}.mid.block_2", x)
