"""Where weights wait while they are not in use: a row for each mode.

What a mode does is in `runner.pipelines.offload`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Needs(Enum):
    """What a mode cannot do without."""

    NOTHING = "nothing"
    ACCELERATOR = "an accelerator"
    CUDA = "CUDA"


class Moves(Enum):
    """What is brought to the device at once, and so is there while it computes."""

    PIPELINE = "pipeline"
    MODULE = "module"
    LAYER = "layer"


@dataclass(frozen=True)
class Offload:
    """A mode.

    Attributes:
        name: the config's option.
        moves: what waits until it is used; whole pipelines do not wait at all.
        needs: what it cannot do without.
        rank: its place among those that `auto` takes, from the fastest to the one that needs the
            least memory; None: `auto` does not take it.
        stays: modules that are on the device all the time.
        compiles: torch.compile goes with it.
        fullgraph: torch.compile goes with it without a break in the graph.
        chosen: it stands for another mode, which is chosen where it is run.
    """

    name: str
    moves: Moves = Moves.PIPELINE
    needs: Needs = Needs.NOTHING
    rank: int | None = None
    stays: tuple[str, ...] = ()
    compiles: bool = True
    fullgraph: bool = False
    chosen: bool = False


NOT_GROUPED = ("movq",)
"""diffusers: "VQModel does not support group offloading"."""

ROWS = (
    Offload("none", rank=0, fullgraph=True),
    Offload("model", Moves.MODULE, Needs.ACCELERATOR, rank=1),
    Offload("group", Moves.LAYER, Needs.ACCELERATOR, rank=2, stays=NOT_GROUPED),
    # Not for `auto`: its pictures were not compared with the others' on a device yet.
    Offload("group_stream", Moves.LAYER, Needs.CUDA, stays=NOT_GROUPED),
    # It moves weights within what would be compiled.
    Offload("sequential", Moves.LAYER, Needs.ACCELERATOR, rank=3, compiles=False),
    Offload("auto", chosen=True),
)

OFFLOAD: Mapping[str, Offload] = {row.name: row for row in ROWS}
"""By name, in the order in which they are shown."""

NONE = OFFLOAD["none"]

_RANKED = {row.rank: row for row in ROWS if row.rank is not None}
DOWNWARD = tuple(_RANKED[rank] for rank in sorted(_RANKED))
"""Those that `auto` takes, the fastest first."""

TOGETHER = (("prior", "image_encoder"), ("unet", "movq"))
"""Modules that diffusers has on the device at once although only one of them computes.

Without a negative prompt it calls the image encoder, for an empty image, before the prior has made
room; and img2img encodes with the MoVQ, which makes no room for the UNet.
"""
