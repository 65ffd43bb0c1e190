"""Which offload mode is chosen, why, and which is next when memory runs out."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from runner.catalog.memory import Footprint
from runner.catalog.offload import DOWNWARD, OFFLOAD, Moves, Offload
from runner.pipelines.offload import (
    MARGIN,
    OffloadChoice,
    choose_offload,
    place,
)

GIB = 2**30
LAYER = GIB // 16
PRIOR = {"prior": 4 * GIB, "image_encoder": 2 * GIB, "text_encoder": 1 * GIB}
DECODER = {"unet": 4 * GIB, "movq": 1 * GIB}
UNET, MOVQ = GIB // 4, GIB // 2

# What each mode keeps on the device at once, at most; the pipelines are not there together, but
# under `model` the prior is still there when its image encoder comes again.
KEPT = {"none": 7 * GIB, "model": 6 * GIB, "group": GIB + MOVQ}


def pipelines(scale: int = 1) -> tuple[Footprint, Footprint]:
    """Prior and decoder; `scale`: of what the decoder holds while it computes."""
    return (
        Footprint(PRIOR, dict.fromkeys(PRIOR, LAYER), {}),
        Footprint(
            DECODER,
            dict.fromkeys(DECODER, LAYER),
            {"unet": UNET * scale, "movq": MOVQ * scale},
        ),
    )


def chosen(free: int | None, configured: str = "auto", device: str = "cuda") -> OffloadChoice:
    return choose_offload(OFFLOAD[configured], device, pipelines(), free)


def enough_for(mode: str) -> int:
    return int(KEPT[mode] * MARGIN) + 1


@pytest.mark.parametrize("mode", KEPT)
def test_auto_takes_the_fastest_that_fits(mode: str) -> None:
    below = DOWNWARD[DOWNWARD.index(OFFLOAD[mode]) + 1]
    assert chosen(enough_for(mode)).mode == OFFLOAD[mode]
    assert chosen(enough_for(mode) - 2).mode is below


def test_sequential_is_taken_even_where_nothing_fits() -> None:
    assert chosen(0).mode == OFFLOAD["sequential"]


def test_the_reason_names_what_is_needed_and_what_is_free() -> None:
    needed = 7 * MARGIN * GIB / 10**9
    assert chosen(80 * GIB).reason == f"needs about {needed:.1f} GB of 86 GB free"
    assert chosen(0).reason.endswith("of 0 kB free")


def test_what_computes_counts() -> None:
    free = enough_for("none")
    assert chosen(free).mode == OFFLOAD["none"]
    larger = choose_offload(OFFLOAD["auto"], "cuda", pipelines(scale=5), free)
    assert larger.mode == OFFLOAD["model"]


def test_no_offload_from_a_cpu_or_without_knowledge() -> None:
    on_cpu, on_mps = chosen(0, device="cpu"), chosen(None, device="mps")
    assert (on_cpu.mode, on_mps.mode) == (OFFLOAD["none"], OFFLOAD["none"])
    assert on_cpu.reason == "on the CPU there is nothing to offload from"
    assert on_mps.reason == "mps does not tell its memory"


@pytest.mark.parametrize("mode", ["none", "model", "group", "group_stream", "sequential"])
def test_a_mode_that_is_set_is_taken_and_kept(mode: str) -> None:
    for free in (0, 80 * GIB, None):
        found = chosen(free, mode)
        assert (found.mode.name, found.reason) == (mode, "as configured")
        assert not found.step_down()
        assert (found.mode.name, found.reason) == (mode, "as configured")


def test_auto_steps_down_to_the_last_mode_and_stops() -> None:
    choice = chosen(80 * GIB)
    for before, after in itertools.pairwise(DOWNWARD):
        assert choice.mode is before
        assert choice.step_down()
        assert choice.mode is after
        assert choice.reason == f"out of memory with {before.name}"
    assert choice.mode == OFFLOAD["sequential"]
    assert not choice.step_down()
    assert choice.mode == OFFLOAD["sequential"]


class Calls:
    """Stands for a pipeline without modules, and notes what it is asked to do."""

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}
        self.called: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: self.called.append(name)


@pytest.mark.parametrize(
    "mode", [mode for mode in OFFLOAD.values() if not mode.chosen], ids=lambda mode: mode.name
)
def test_each_mode_asks_one_thing_of_diffusers(mode: Offload) -> None:
    pipeline = Calls()
    place(pipeline, "cpu", mode)
    (called,) = pipeline.called
    assert called == "to" if mode.moves is Moves.PIPELINE else called.startswith("enable_")


def test_auto_goes_from_nothing_moved_to_single_layers() -> None:
    assert [mode.rank for mode in DOWNWARD] == list(range(len(DOWNWARD)))
    assert DOWNWARD[0] == OFFLOAD["none"]
    assert DOWNWARD[-1] == OFFLOAD["sequential"]
    assert [mode.moves for mode in DOWNWARD] == sorted(
        (mode.moves for mode in DOWNWARD), key=list(Moves).index
    )
    assert not any(mode.chosen for mode in DOWNWARD)
