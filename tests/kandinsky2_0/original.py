"""The networks of the original Kandinsky 2.0: names and shapes of their tensors, and what they
compute, written from a description of its code. State dicts are in the original's layout.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

State = dict[str, torch.Tensor]
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Net:
    """Sizes of a UNet of guided diffusion with the text layers of Kandinsky 2.0.

    Attributes:
        attends: whether a level has attention.
    """

    base: int = 384
    factors: tuple[int, ...] = (1, 2, 3, 4)
    attends: tuple[bool, ...] = (False, True, True, True)
    blocks: int = 3
    in_channels: int = 4
    head: int = 64
    groups: int = 32
    told: int = 768
    text: int = 1024
    pooled: int = 640
    text_2: int = 512
    pooling_heads: int = 8

    @property
    def embedded(self) -> int:
        """The width of the time embedding."""
        return 4 * self.base


RELEASED = Net()
RELEASED_INPAINT = replace(RELEASED, in_channels=9)


def layers_of(net: Net) -> list[tuple[str, list[tuple[str, int, int]]]]:
    """Each block's name, and its layers: (kind, channels in, channels out)."""
    width = net.base * net.factors[0]
    found = [("input_blocks.0", [("conv", net.in_channels, width)])]
    kept = [width]
    last = len(net.factors) - 1
    for level, factor in enumerate(net.factors):
        for _ in range(net.blocks):
            layers = [("res", width, factor * net.base)]
            width = factor * net.base
            layers += [("attention", width, width)] if net.attends[level] else []
            found.append((f"input_blocks.{len(found)}", layers))
            kept.append(width)
        if level < last:
            found.append((f"input_blocks.{len(found)}", [("down", width, width)]))
            kept.append(width)
    middle = [("res", width, width), ("attention", width, width), ("res", width, width)]
    found.append(("middle_block", middle))
    number = 0
    for level in reversed(range(len(net.factors))):
        for block in range(net.blocks + 1):
            layers = [("res", width + kept.pop(), net.factors[level] * net.base)]
            width = net.factors[level] * net.base
            layers += [("attention", width, width)] if net.attends[level] else []
            layers += [("up", width, width)] if level and block == net.blocks else []
            found.append((f"output_blocks.{number}", layers))
            number += 1
    return found


def unet_shapes(net: Net) -> Shapes:
    """Of `Kandinsky-2-0.pt`."""
    shapes: Shapes = {}

    def add(name: str, *shape: int) -> None:
        shapes[f"{name}.weight"] = shape
        shapes[f"{name}.bias"] = shape[:1]

    add("time_embed.0", net.embedded, net.base)
    add("time_embed.2", net.embedded, net.embedded)
    for block, layers in layers_of(net):
        for index, (kind, before, after) in enumerate(layers):
            name = f"{block}.{index}"
            if kind == "conv":
                add(name, after, before, 3, 3)
            elif kind == "attention":
                add(f"{name}.norm", after)
                add(f"{name}.qkv", 3 * after, after, 1)
                add(f"{name}.encoder_kv", 2 * after, net.told, 1)
                add(f"{name}.proj_out", after, after, 1)
            else:
                add(f"{name}.in_layers.0", before)
                add(f"{name}.in_layers.2", after, before, 3, 3)
                add(f"{name}.emb_layers.1", 2 * after, net.embedded)
                add(f"{name}.out_layers.0", after)
                add(f"{name}.out_layers.3", after, after, 3, 3)
                if before != after:
                    add(f"{name}.skip_connection", after, before, 1, 1)
    add("out.0", net.base)
    add("out.2", 8, net.base, 3, 3)
    add("to_model_dim", net.told, net.text)
    add("to_model_dim2", net.told, net.text_2)
    add("ln_model1", net.told)
    add("proj", net.embedded, net.pooled)
    add("ln_model2", net.embedded)
    for name in ("q_linear", "k_linear", "v_linear"):
        add(f"proj2.{name}", net.text_2, net.text_2)
    add("proj2.out", net.embedded, net.text_2)
    add("ln_model3", net.embedded)
    return shapes


def time_embedding(step: int, width: int) -> torch.Tensor:
    """[1, width]: cosines, then sines."""
    half = width // 2
    speeds = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float64) / half)
    return torch.cat([(step * speeds).cos(), (step * speeds).sin()])[None]


def run_text_layers(
    net: Net, state: State, states: torch.Tensor, states_2: torch.Tensor, pooled: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the UNet is told, and what is added to the time embedding."""
    told = torch.cat(
        [linear(state, "to_model_dim", states), linear(state, "to_model_dim2", states_2)], 1
    )
    told = F.layer_norm(told, told.shape[2:], *pair(state, "ln_model1"))
    query, key, value = (
        linear(state, f"proj2.{name}_linear", states_2).unflatten(-1, (net.pooling_heads, -1))
        for name in "qkv"
    )
    weight = torch.einsum("bihd,bjhd->bhij", query, key) / math.sqrt(query.shape[-1])
    pooled_2 = torch.einsum("bhij,bjhd->bihd", weight.softmax(-1), value)[:, 0].flatten(1)
    one, two = linear(state, "proj", pooled), linear(state, "proj2.out", pooled_2)
    added = F.layer_norm(one, one.shape[1:], *pair(state, "ln_model2"))
    return told, added + F.layer_norm(two, two.shape[1:], *pair(state, "ln_model3"))


def run_unet(
    net: Net, state: State, x: torch.Tensor, step: int, told: torch.Tensor, added: torch.Tensor
) -> torch.Tensor:
    """[B, in, h, w] -> [B, 8, h, w]."""
    time = linear(state, "time_embed.0", time_embedding(step, net.base).expand(len(x), -1))
    embedded = linear(state, "time_embed.2", F.silu(time)) + added
    kept: list[torch.Tensor] = []
    for block, layers in layers_of(net):
        if block.startswith("output"):
            x = torch.cat([x, kept.pop()], 1)
        for index, (kind, _, _) in enumerate(layers):
            name = f"{block}.{index}"
            if kind == "conv":
                x = F.conv2d(x, *pair(state, name), padding=1)
            elif kind == "attention":
                x = attention(net, state, name, x, told)
            else:
                x = residual(net, state, name, kind, x, embedded)
        if block.startswith("input"):
            kept.append(x)
    x = F.silu(F.group_norm(x, net.groups, *pair(state, "out.0"), eps=1e-5))
    return F.conv2d(x, *pair(state, "out.2"), padding=1)


def residual(
    net: Net, state: State, name: str, kind: str, x: torch.Tensor, embedded: torch.Tensor
) -> torch.Tensor:
    """A ResBlock; "down" halves, "up" doubles the size within."""

    def sized(x: torch.Tensor) -> torch.Tensor:
        if kind == "down":
            return F.avg_pool2d(x, 2)
        return F.interpolate(x, scale_factor=2) if kind == "up" else x

    new = F.silu(F.group_norm(x, net.groups, *pair(state, f"{name}.in_layers.0"), eps=1e-5))
    new = F.conv2d(sized(new), *pair(state, f"{name}.in_layers.2"), padding=1)
    given = linear(state, f"{name}.emb_layers.1", F.silu(embedded))[..., None, None]
    scale, shift = given.chunk(2, 1)
    new = F.group_norm(new, net.groups, *pair(state, f"{name}.out_layers.0"), eps=1e-5)
    new = F.silu(new * (1 + scale) + shift)
    new = F.conv2d(new, *pair(state, f"{name}.out_layers.3"), padding=1)
    x = sized(x)
    if f"{name}.skip_connection.weight" in state:
        x = F.conv2d(x, *pair(state, f"{name}.skip_connection"))
    return x + new


def attention(
    net: Net, state: State, name: str, x: torch.Tensor, told: torch.Tensor
) -> torch.Tensor:
    """Over what is told and the picture's own places; each head's q, k and v lie together."""
    rows, width, high, wide = x.shape
    heads = width // net.head
    flat = F.group_norm(x, net.groups, *pair(state, f"{name}.norm"), eps=1e-5).flatten(2)
    own = F.conv1d(flat, *pair(state, f"{name}.qkv"))
    query, key, value = own.reshape(rows * heads, 3 * net.head, -1).split(net.head, 1)
    text = F.conv1d(told.transpose(1, 2), *pair(state, f"{name}.encoder_kv"))
    text_key, text_value = text.reshape(rows * heads, 2 * net.head, -1).split(net.head, 1)
    key, value = torch.cat([text_key, key], -1), torch.cat([text_value, value], -1)
    weight = torch.einsum("bct,bcs->bts", query, key) / math.sqrt(net.head)
    found = torch.einsum("bts,bcs->bct", weight.softmax(-1), value).reshape(rows, width, -1)
    new = F.conv1d(found, *pair(state, f"{name}.proj_out"))
    return x + new.reshape(rows, width, high, wide)


def pair(state: State, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias."""
    return state[f"{name}.weight"], state[f"{name}.bias"]


def linear(state: State, name: str, x: torch.Tensor) -> torch.Tensor:
    """A linear layer."""
    return F.linear(x, *pair(state, name))


def random_state(shapes: Shapes, seed: int, dtype: torch.dtype = torch.float64) -> State:
    """Random numbers that keep the size of what goes through."""
    generator = torch.Generator().manual_seed(seed)
    state: State = {}
    for name, shape in shapes.items():
        noise = torch.randn(shape, generator=generator, dtype=torch.float64)
        if len(shape) > 1:
            value = noise / math.sqrt(math.prod(shape[1:]))
        else:
            value = 0.1 * noise + (1.0 if name.endswith("weight") else 0.0)
        state[name] = value.to(dtype)
    return state
