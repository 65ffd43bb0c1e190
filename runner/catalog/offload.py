"""Offload modes, which keep weights off the device while unused: a row each.

They are implemented in `runner.pipelines.offload`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Needs(Enum):
    """What a mode requires of the device."""

    NOTHING = "nothing"
    ACCELERATOR = "an accelerator"
    CUDA = "CUDA"


class Moves(Enum):
    """The unit that is moved to the device at once, and stays there while it computes."""

    PIPELINE = "pipeline"
    MODULE = "module"
    LAYER = "layer"


@dataclass(frozen=True)
class Offload:
    """A mode.

    Attributes:
        name: its name in the config.
        moves: the unit that is moved when it is used; whole pipelines are not offloaded.
        needs: what it requires of the device.
        rank: its place among the modes that `auto` takes, from the fastest to the one that needs
            the least memory; None: `auto` does not take it.
        stays: modules that are on the device all the time.
        compiles: whether it works with torch.compile.
        fullgraph: whether it works with torch.compile without a break in the graph.
        captured: whether its modules can run as graphs: their weights stay where they are.
        chosen: whether it stands for another mode, which is chosen on the machine that runs it.
    """

    name: str
    moves: Moves = Moves.PIPELINE
    needs: Needs = Needs.NOTHING
    rank: int | None = None
    stays: tuple[str, ...] = ()
    compiles: bool = True
    fullgraph: bool = False
    captured: bool = False
    chosen: bool = False


NOT_GROUPED = ("movq",)
"""diffusers: "VQModel does not support group offloading"."""

ROWS = (
    Offload("none", rank=0, fullgraph=True, captured=True),
    Offload("model", Moves.MODULE, Needs.ACCELERATOR, rank=1),
    Offload("group", Moves.LAYER, Needs.ACCELERATOR, rank=2, stays=NOT_GROUPED),
    # Not for `auto`: its pictures were not compared with other modes' on a device yet.
    Offload("group_stream", Moves.LAYER, Needs.CUDA, stays=NOT_GROUPED),
    # It moves weights within the module that would be compiled.
    Offload("sequential", Moves.LAYER, Needs.ACCELERATOR, rank=3, compiles=False),
    Offload("auto", chosen=True),
)

OFFLOAD: Mapping[str, Offload] = {row.name: row for row in ROWS}
"""Modes by name, in display order."""

NONE = OFFLOAD["none"]

_RANKED = {row.rank: row for row in ROWS if row.rank is not None}
DOWNWARD = tuple(_RANKED[rank] for rank in sorted(_RANKED))
"""The modes that `auto` takes, the fastest first."""

TOGETHER = ("prior", "image_encoder")
"""Modules that diffusers has on the device at once although only the first of them computes:
without a negative prompt it calls the image encoder, for an empty image, while the prior is still
there.
"""
