"""Sweeps and batches on an accelerator. Run them with: pytest -m gpu tests/gpu"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from functional.made import STEPS
from helpers.hosts import hosts_begun
from helpers.manifests import read_manifest
from helpers.pixels import furthest, read_pixels
from runner.cli import main
from runner.pipelines.energy import open_counter
from runner.recording.sweep_record import SweepRecord
from runner.workers import choose

pytestmark = pytest.mark.gpu

BATCHED = {"fp32": 12, "fp16": 32}
"""Levels of 255 that a picture of a batch may be off: other kernels are chosen for its size, and
those of convolutions round fp32 to TF32.
"""

Sweep = Callable[..., "list[Cell]"]


class Cell:
    """A cell of a sweep: its manifest and its pictures."""

    def __init__(self, folder: Path) -> None:
        self.manifest: dict[str, Any] = read_manifest(folder)
        self.pictures = [read_pixels(folder / image["file"]) for image in self.images]

    @property
    def images(self) -> list[dict[str, Any]]:
        images: list[dict[str, Any]] = self.manifest["images"]
        return images

    @property
    def hashes(self) -> list[str]:
        return [image["sha256"] for image in self.images]


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    """Runs `kandinsky -m <overrides>` with the small family on the GPU; gives the cells."""

    def run(*overrides: str) -> list[Cell]:
        given = (f"output_dir={tmp_path}", "tracking=none", "progress=quiet", "device=cuda", *STEPS)
        assert main(["-m", *given, *overrides]) == 0
        folder = tmp_path / "latest"
        return [Cell(folder / cell.folder) for cell in SweepRecord.read(folder).cells]

    return run


def furthest_of(one: Cell, other: Cell) -> int:
    pairs = zip(one.pictures, other.pictures, strict=True)
    return max(furthest(a, b) for a, b in pairs)


def test_cells_have_the_pixels_of_their_own_runs(sweep: Sweep) -> None:
    """With one worker and with two, which share the device."""
    scales = (1, 4)
    together = sweep(f"decoder.guidance_scale={','.join(map(str, scales))}", "seeds=[1,2]")
    shared = sweep(
        f"decoder.guidance_scale={','.join(map(str, scales))}", "seeds=[1,2]", "workers=2",
        "cache=off", "resume=false",
    )  # fmt: skip
    for scale, cell, other in zip(scales, together, shared, strict=True):
        (alone,) = sweep(f"decoder.guidance_scale={scale}", "seeds=[1,2]", "cache=off")
        assert cell.hashes == alone.hashes == other.hashes
        assert all(picture.std() > 10 for picture in cell.pictures)


@pytest.mark.parametrize("scheduler", ["ddim", "ddpm"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_batch_has_the_pictures_that_are_made_alone(
    sweep: Sweep, scheduler: str, precision: str
) -> None:
    prompts = 'prompt=["a red circle on a white background","a blue square"]'
    alone, few, auto = sweep(
        "batch_size=1,3,auto", prompts, "seeds=[0,1,2,3]", f"scheduler={scheduler}",
        f"precision={precision}", "cache=off",
    )  # fmt: skip
    assert furthest_of(alone, few) <= BATCHED[precision]
    assert furthest_of(alone, auto) <= BATCHED[precision]
    assert len(set(auto.hashes)) == 8
    keys = [cell.images[0]["stage_keys"]["decode"] for cell in (alone, auto)]
    assert keys[0] != keys[1]  # `auto` is a batch here, and kept apart


def test_auto_fills_the_memory_that_there_is(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls grow from the reckoned size, and halve where the memory is less than it seemed."""
    given = ("batch_size=auto", "seeds=range(0,24)", "cache=off", "workers=1")
    (free,) = sweep(*given)
    assert max(image["together"]["decode"] for image in free.images) > 8, (
        "larger than a first call of which nothing is reckoned"
    )
    peaks = {image["peak_device_mb"] for image in free.images}
    # A worker of its own would have all of the memory.
    monkeypatch.setattr(choose, "needs_own_process", lambda device: False)
    # Room for what is held and for about three images: less than the driver says is free.
    total = torch.cuda.get_device_properties(0).total_memory / 2**20
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(min(peaks) / total / 2)
    try:
        (crowded,) = sweep(*given, "resume=false")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert crowded.manifest["status"] == "FINISHED"
    largest = [max(image["together"]["decode"] for image in one.images) for one in (free, crowded)]
    assert largest[1] < largest[0]
    assert furthest_of(free, crowded) <= BATCHED["fp32"]


def test_joules_are_measured_where_the_card_tells_them(sweep: Sweep) -> None:
    pytest.importorskip("pynvml")
    if open_counter("cuda:0") is None:
        pytest.skip("this card does not tell them")
    # All repeats together have to take longer than the counter's own steps.
    (cell,) = sweep("bench=true", "repeats=300", "seeds=[0]")
    (image,) = cell.images
    watts = image["joules"]["decode"] / image["took"]["decode"]
    assert 10 < watts < 2000


def test_offload_modes_of_one_sweep_draw_the_same(sweep: Sweep) -> None:
    none, *others = sweep(
        "offload=none,model,group,group_stream,sequential", "seeds=[5]", "cache=off"
    )
    for cell in others:
        assert furthest_of(none, cell) <= 1


def test_ways_of_one_sweep_share_their_workers(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Models leave the device where they would be loaded in another way."""
    begun = hosts_begun(monkeypatch)
    given = ("workers=2", "seeds=[5,6]", "cache=off")
    none, *others = sweep("offload=none,model", "graphs=off,auto", *given)
    assert begun == [1, 1]  # a process for each, as CUDA does not go on in a forked one
    assert all(furthest_of(none, cell) <= 1 for cell in others)


def test_versions_of_one_sweep(sweep: Sweep) -> None:
    cells = sweep("model=kandinsky2_1,kandinsky2_2", "seeds=[5]", "precision=fp16")
    assert all(cell.manifest["status"] == "FINISHED" for cell in cells)
    assert all(picture.std() > 10 for cell in cells for picture in cell.pictures)


def test_the_device_waits_for_nothing_between_stages(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """At least 95% of the time from the first stage's begin to the last one's end is in stages,
    without that for loading. With weights of the release's size: calls of the small family are
    over sooner than a picture of its size is written.
    """
    given = (
        "weights=random", "precision=fp16", "device=cuda", "height=768", "width=768",
        "scheduler=ddim,ddpm", "decoder.num_inference_steps=25,50", "seeds=[0,1,2]",
        f"output_dir={tmp_path}", "progress=json",
    )  # fmt: skip
    assert main(["-m", *given]) == 0
    lines = capfd.readouterr().out.splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    first = next(n for n, event in enumerate(events) if event["event"] == "stage_started")
    began, events = events[first]["time"], events[first:]
    finished = [event for event in events if event["event"] == "stage_finished"]
    loading = sum(event["seconds"] for event in events if event["event"] == "loaded")
    assert len(finished) == 3 + 12  # enough for a worker of its own to be begun
    wall = finished[-1]["time"] - began - loading
    assert sum(event["seconds"] for event in finished) / wall >= 0.95
