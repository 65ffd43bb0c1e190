"""Attention backends, a row each, and the kinds of attention layers that they compute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    """A kind of attention layer in diffusers' models.

    Attributes:
        module, cls: module and name of its class; its processors are in the same module.
        having: an attribute that must not be None in the layer; None: any layer of the class.
    """

    name: str
    module: str
    cls: str
    having: str | None = None


ATTENTION_PROCESSOR = "diffusers.models.attention_processor"
# In the 2.x UNets, which attend to added key and value projections.
ADDED_KV = Layer("added_kv", ATTENTION_PROCESSOR, "Attention", having="added_kv_proj_dim")
# In the MoVQ's decoder.
SPATIAL_NORM = Layer("spatial_norm", ATTENTION_PROCESSOR, "Attention", having="spatial_norm")
OTHER = Layer("other", ATTENTION_PROCESSOR, "Attention")

LAYERS = (ADDED_KV, SPATIAL_NORM, OTHER)
"""Kinds of layers; a layer is of the first kind that matches it."""


@dataclass(frozen=True, eq=False)
class Attention:
    """A backend.

    Attributes:
        name: its name in the config.
        processors: kind of layer -> class of the processor that computes it.
        sliced: the kinds whose processors take a number of heads to compute at a time.
        package: the package that it needs beside torch and diffusers.
        devices: kinds of devices that it runs on (cpu, cuda, mps); None: all.
    """

    name: str
    processors: Mapping[Layer, str]
    sliced: tuple[Layer, ...] = ()
    package: str | None = None
    devices: tuple[str, ...] | None = None


ROWS = (
    Attention(
        "sdpa",
        {
            ADDED_KV: "AttnAddedKVProcessor2_0",
            SPATIAL_NORM: "AttnProcessor2_0",
            OTHER: "AttnProcessor2_0",
        },
    ),
    Attention(
        "plain",
        {
            ADDED_KV: "AttnAddedKVProcessor",
            SPATIAL_NORM: "AttnProcessor",
            OTHER: "AttnProcessor",
        },
    ),
    Attention(
        "sliced",
        {
            ADDED_KV: "SlicedAttnAddedKVProcessor",
            # diffusers' SlicedAttnProcessor leaves the spatial norm out: wrong colours. There is
            # only one head anyway, so nothing to slice.
            SPATIAL_NORM: "AttnProcessor2_0",
            OTHER: "SlicedAttnProcessor",
        },
        sliced=(ADDED_KV, OTHER),
    ),
    Attention(
        "xformers",
        {
            ADDED_KV: "XFormersAttnAddedKVProcessor",
            SPATIAL_NORM: "XFormersAttnProcessor",
            OTHER: "XFormersAttnProcessor",
        },
        package="xformers",
        devices=("cuda",),
    ),
)

ATTENTION: Mapping[str, Attention] = {row.name: row for row in ROWS}
"""Backends by name, in display order."""
