"""Whether CUDA graphs are used, what they are reckoned to hold, and what is left after trouble."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.catalog.graphs import GRAPHS
from runner.catalog.memory import Footprint
from runner.catalog.offload import NONE, OFFLOAD, Offload
from runner.config.choices import Graphs
from runner.engine.observer import GraphsHeld
from runner.pipelines.cuda_graphs import PoolMemory
from runner.pipelines.module_graphs import GraphChoice, choose_graphs
from runner.pipelines.offload import OffloadChoice
from runner.pipelines.pipelines import Pipelines
from runner.recording.display import graphs_text

CAPTURED = Footprint({"unet": 500, "movq": 100}, {}, {"unet": 40, "movq": 300}, captured=True)


def test_graphs_hold_what_the_denoiser_computes_with() -> None:
    """While the autoencoder computes, too. Where weights are moved there are no graphs."""
    usual = replace(CAPTURED, captured=False)
    assert usual.peak(NONE) == 600 + 300
    assert CAPTURED.peak(NONE) == 600 + 300 + 40
    assert CAPTURED.peak(OFFLOAD["model"]) == usual.peak(OFFLOAD["model"])


@pytest.mark.parametrize(
    ("configured", "device", "mode", "free", "used", "reason"),
    [
        (Graphs.auto, "cuda", NONE, 1034, True, "on CUDA"),
        (Graphs.auto, "cuda:1", NONE, None, True, "on CUDA"),
        (Graphs.auto, "cuda", NONE, 1033, False, "need about 1 kB of 1 kB free"),
        (Graphs.auto, "cuda", OFFLOAD["group"], 10**9, False, "offload=group moves weights"),
        (Graphs.auto, "mps", NONE, None, False, "mps has none"),
        (Graphs.auto, "cpu", NONE, 1, True, GRAPHS["cpu"].where),  # they hold nothing
        (Graphs.on, "cuda", NONE, 1, True, "as configured"),
        (Graphs.off, "cuda", NONE, 10**9, False, "as configured"),
    ],
)
def test_the_choice(
    configured: Graphs, device: str, mode: Offload, free: int | None, used: bool, reason: str
) -> None:
    choice = choose_graphs(configured, device, mode, [CAPTURED], free)
    assert (choice.used, choice.reason) == (used, reason)


def test_out_of_memory_graphs_go_first() -> None:
    """Before weights are moved off the device; required ones stay."""
    offload = OffloadChoice(OFFLOAD["auto"], NONE, "fits")
    traced = GraphChoice(Graphs.auto, True, "on a CPU", GRAPHS["cpu"])
    assert not traced.turn_off("they hold nothing")
    graphs = GraphChoice(Graphs.auto, True, "on CUDA", GRAPHS["cuda"])
    pipelines = Pipelines((), "cpu", offload, graphs)
    assert pipelines.relieve() == "out of memory with CUDA graphs: going on without"
    assert (graphs.used, graphs.reason, offload.mode) == (False, "out of memory with them", NONE)
    assert pipelines.relieve() == "out of memory with offload=none: going on with model"
    required = GraphChoice(Graphs.on, True, "as configured", GRAPHS["cuda"])
    whole = OffloadChoice(NONE, NONE, "as configured")
    assert Pipelines((), "cpu", whole, required).relieve() is None
    assert required.used


def test_what_graphs_hold_is_part_of_the_peak() -> None:
    memory = PoolMemory()
    assert memory.whole_peak(700) == 700
    memory.add(50, before=900, within=870, own=0)  # the call before its capture needed the most
    assert memory.whole_peak(800) == 900
    assert memory.whole_peak(800) == 850
    # Beside what others hold, as alone. What its own pool holds is allocated within the capture.
    memory.add(30, before=700, within=860, own=20)
    assert memory.whole_peak(600) == 860 + 30
    assert memory.held == 80


def test_graphs_are_told_in_words() -> None:
    held = GraphsHeld(GRAPHS["cuda"], captured=3, kept=2, held_bytes=5 * 10**7)
    assert graphs_text(held) == "3 CUDA graphs captured, 2 kept, 50 MB"
    traced = replace(held, kind=GRAPHS["cpu"], held_bytes=0)
    assert graphs_text(traced) == "3 traced graphs captured, 2 kept"
    seldom = replace(traced, captured=0, kept=0)
    assert graphs_text(seldom) == "no traced graph: no size came more than 24 times"
    failed = replace(held, failure="RuntimeError: no")
    assert graphs_text(failed) == "no CUDA graphs, runs kernel by kernel: RuntimeError: no"
