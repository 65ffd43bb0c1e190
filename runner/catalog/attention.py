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
# Its one class of processors asks diffusers' dispatcher, which knows backends by names.
DISPATCHED = Layer(
    "dispatched", "diffusers.models.transformers.transformer_kandinsky", "Kandinsky5Attention"
)

ASKS = "Kandinsky5AttnProcessor"

LAYERS = (ADDED_KV, SPATIAL_NORM, OTHER, DISPATCHED)
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
        dispatched: its name in diffusers' dispatcher (`diffusers.models.attention_dispatch`),
            where it computes layers that ask that.
        halves: whether it computes in half precision alone.
        in_context: whether the dispatcher chooses its kernels by a context around each call, which
            no trace of the call holds.
    """

    name: str
    processors: Mapping[Layer, str]
    sliced: tuple[Layer, ...] = ()
    package: str | None = None
    devices: tuple[str, ...] | None = None
    dispatched: str | None = None
    halves: bool = False
    in_context: bool = False

    def computes(self, *, dispatched: bool) -> bool:
        """Whether it computes the layers of a denoiser.

        Args:
            dispatched: whether these ask the dispatcher.
        """
        return (DISPATCHED if dispatched else ADDED_KV) in self.processors


ROWS = (
    Attention(
        "sdpa",
        {
            ADDED_KV: "AttnAddedKVProcessor2_0",
            SPATIAL_NORM: "AttnProcessor2_0",
            OTHER: "AttnProcessor2_0",
            DISPATCHED: ASKS,
        },
        dispatched="native",
    ),
    Attention(
        "plain",
        {
            ADDED_KV: "AttnAddedKVProcessor",
            SPATIAL_NORM: "AttnProcessor",
            OTHER: "AttnProcessor",
            DISPATCHED: ASKS,
        },
        dispatched="_native_math",
        in_context=True,
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
            DISPATCHED: ASKS,
        },
        package="xformers",
        devices=("cuda",),
        dispatched="xformers",
    ),
    # The autoencoder's one head is wider than their kernels take.
    Attention(
        "flash",
        {OTHER: "AttnProcessor2_0", DISPATCHED: ASKS},
        package="flash_attn",
        devices=("cuda",),
        dispatched="flash",
        halves=True,
    ),
    Attention(
        "sage",
        {OTHER: "AttnProcessor2_0", DISPATCHED: ASKS},
        package="sageattention",
        devices=("cuda",),
        dispatched="sage",
        halves=True,
    ),
)

ATTENTION: Mapping[str, Attention] = {row.name: row for row in ROWS}
"""Backends by name, in display order."""
