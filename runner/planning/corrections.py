"""Which faults of diffusers act on a cell: `corrections=on` corrects them, `off` keeps them.

One answer for node keys, plans and records: a fault is listed only where the pixels may depend on
it, so that nodes that it does not touch are the same with both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.catalog.version import Fault
from runner.config.choices import Seeding
from runner.config.run_config import RunConfig

if TYPE_CHECKING:
    from runner.images.inputs import InputImage


@dataclass(frozen=True)
class _Cell:
    run: RunConfig
    pictures: Mapping[str, InputImage]
    height: int
    width: int

    @property
    def is_shared(self) -> bool:
        return self.run.seeding is Seeding.shared

    @property
    def has_negative(self) -> bool:
        return self.run.negative_prompt is not None

    @property
    def is_guided(self) -> bool:
        return self.run.decoder.guidance_scale > 1

    @property
    def has_other_sizes(self) -> bool:
        sizes = {(picture.width, picture.height) for picture in self.pictures.values()}
        return not self.run.task.mixes and not sizes <= {(self.width, self.height)}

    @property
    def has_noise_of_negative(self) -> bool:
        """With a prior call for each text, only a shared generator passes noise on."""
        task = self.run.task
        return self.has_negative and not task.mixes and (self.is_shared or not task.tells_one)

    @property
    def has_texts_in_turn(self) -> bool:
        texts = sum(item.text is not None for item in self.run.interpolate)
        return self.run.task.mixes and (self.is_shared or texts + self.has_negative > 1)


_ACTS: Mapping[Fault, Callable[[_Cell], bool]] = {
    Fault.sizes_exchanged: lambda cell: cell.run.task.uses_strength and cell.height != cell.width,
    Fault.noise_of_its_own: lambda cell: cell.run.task.uses_strength,
    Fault.mask_grown: lambda cell: "mask" in cell.run.task.takes,
    Fault.pictures_not_fitted: lambda cell: cell.has_other_sizes,
    Fault.texts_filled_up: lambda cell: cell.has_negative and cell.is_guided,
    Fault.guidance_raised: lambda cell: cell.is_guided,
    Fault.negative_draws: lambda cell: cell.has_noise_of_negative,
    Fault.negative_not_told: lambda cell: (
        cell.has_negative and cell.is_guided and cell.is_shared and cell.run.task.combined
    ),
    Fault.texts_draw_in_turn: lambda cell: cell.has_texts_in_turn,
}


def find_faults(
    run: RunConfig, pictures: Mapping[str, InputImage], height: int, width: int
) -> tuple[Fault, ...]:
    """The faults of the version's pipelines that act on a cell, in their own order.

    Args:
        pictures: the input pictures, by config key.
        height, width: of the images, in pixels.
    """
    cell = _Cell(run, pictures, height, width)
    return tuple(fault for fault in Fault if fault in run.version.faults and _ACTS[fault](cell))
