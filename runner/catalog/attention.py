"""How attention is computed: the kinds of layers there are, and a row for each backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    """A kind of attention layer in diffusers' models.

    Attributes:
        module, cls: where its class is; the processors for it are in the same module.
        having: an attribute of the layer that is not None; None: any layer of the class.
    """

    name: str
    module: str
    cls: str
    having: str | None = None


ATTENTION_PROCESSOR = "diffusers.models.attention_processor"
# As in the 2.x UNets, which attend to added key and value projections.
ADDED_KV = Layer("added_kv", ATTENTION_PROCESSOR, "Attention", having="added_kv_proj_dim")
# As in the MoVQ's decoder.
SPATIAL_NORM = Layer("spatial_norm", ATTENTION_PROCESSOR, "Attention", having="spatial_norm")
OTHER = Layer("other", ATTENTION_PROCESSOR, "Attention")

LAYERS = (ADDED_KV, SPATIAL_NORM, OTHER)
"""A layer is of the first kind that describes it."""


@dataclass(frozen=True, eq=False)
class Attention:
    """A backend.

    Attributes:
        name: the config's option.
        processors: for each kind of layer that it can compute, the class of its processor.
        sliced: the kinds whose processors take a number of heads to compute at a time.
        package: what it needs beside torch and diffusers.
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
            # diffusers' SlicedAttnProcessor leaves the spatial norm out: wrong colours. One head
            # is there to slice anyway.
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
"""By name, in the order in which they are shown."""
