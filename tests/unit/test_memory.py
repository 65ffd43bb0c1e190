"""The reckoned memory of each offload mode, and how `kandinsky plan` tells it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runner.planning.memory import reckoned
from runner.planning.planner import make_plan
from unit.conftest import Command, Compose

MB = 10**6
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

# Published files in float32, halved; those of the image encoder are in float16.
PRIOR, TEXT, IMAGE = 4105 // 2, 2779 // 2, 3690
UNET, MOVQ = 5012 // 2, 271 // 2
# Five maps of 256 channels, two bytes a number; the UNet holds a seventh of that.
DECODING = 512 * 512 * 5 * 256 * 2 // MB

BY_HAND = {
    "none": PRIOR + TEXT + IMAGE,
    "model": PRIOR + IMAGE,
    "group": MOVQ + DECODING,
    "group_stream": MOVQ + DECODING,
    "sequential": DECODING + 5,  # a layer of 2.4 million numbers
}


def test_kandinsky_2_2_in_half_precision(composed: Compose) -> None:
    plan = make_plan(composed("weights=random", "precision=fp16"))
    assert reckoned(plan) == pytest.approx({k: n * MB for k, n in BY_HAND.items()}, rel=0.002)


def test_a_text_encoder_leaves_before_the_unet_comes(composed: Compose) -> None:
    needed = reckoned(make_plan(composed("model=kandinsky3", "weights=random", "precision=fp16")))
    # Its shards: float16, but for the layers that overflow.
    assert needed["none"] == needed["model"] == pytest.approx(21.7e9, rel=0.01)
    assert needed["sequential"] == pytest.approx(1024 * 1024 * 5 * 512 * 2, rel=0.01)


def test_kandinsky_5_holds_less_than_a_unet_and_a_movq(composed: Compose) -> None:
    given = ("model=kandinsky5", "weights=random", "precision=bf16")
    needed = reckoned(make_plan(composed(*given)))
    qwen, clip, layer = 8_292_166_656 * 2, 123_060_480 * 2, 2_359_296 * 2
    decoding = 1024 * 1024 * 3 * 256 * 2
    assert (needed["none"], needed["model"]) == (qwen + clip, qwen)
    assert needed["group"] == decoding + layer
    wide = reckoned(make_plan(composed(*given, "width=1408", "height=640")))
    assert wide["group"] == 1408 * 640 * 3 * 256 * 2 + layer


def test_what_is_reckoned_is_what_the_models_hold() -> None:
    """On torch's meta device: `benchmarks/activations.py`."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        from activations import compared
    finally:
        sys.path.remove(str(BENCHMARKS))
    for name, (held, known) in compared("kandinsky5").items():
        assert held == pytest.approx(known, rel=0.02), name


def test_it_is_known_before_weights_are_fetched(
    composed: Compose, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    random, hub = (
        reckoned(make_plan(composed(f"weights={source}", "precision=fp16")))
        for source in ("random", "hub")
    )
    assert hub == random


def test_models_that_are_not_of_diffusers_move_as_a_whole(composed: Compose) -> None:
    given = ("weights=random", "precision=fp16", "metrics=[clip_score]")
    needed = reckoned(make_plan(composed(*given)))
    # The encoders of CLIP, in the metrics' own precision.
    assert needed["none"] == pytest.approx(2 * (TEXT + IMAGE) * MB, rel=0.002)
    assert needed["sequential"] == pytest.approx(2 * IMAGE * MB, rel=0.002)


def test_larger_pictures_and_batches_take_more(composed: Compose) -> None:
    given = ("weights=random", "precision=fp16", "seeds=[0,1,2]")

    def decoding(*overrides: str) -> int:
        return reckoned(make_plan(composed(*given, *overrides)))["sequential"]

    alone = decoding()
    assert decoding("height=1024") == pytest.approx(2 * alone, rel=0.01)
    assert decoding("batch_size=2") == pytest.approx(2 * alone, rel=0.01)
    assert decoding("batch_size=8") == pytest.approx(3 * alone, rel=0.01)  # there are three


def test_it_is_told_where_it_is_notable(command: Command) -> None:
    told = command("plan", "weights=random", "precision=fp16").out
    assert "memory of an accelerator, by reckoning within 15%\n" in told
    assert "  offload=none          7.1 GB\n" in told
    assert "memory of" not in command("plan").out
    assert "memory of" not in command("plan", "weights=random", "weights.size=tiny").out


def test_what_fits_into_a_gpu_is_marked(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 6144\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("runner.system.machine.guess_device", lambda: "cuda")
    told = command("plan", "weights=random", "precision=fp16").out
    assert "memory of cuda, by reckoning within 15%; it has 6.4 GB\n" in told
    assert "  offload=none          7.1 GB  too much\n" in told
    assert "  offload=group         807 MB  fits\n" in told


def test_a_sweep_tells_it_once_for_its_largest_cell(command: Command) -> None:
    told = command("plan", "-m", "weights=random", "precision=fp16", "height=512,1024").out
    assert told.count("memory of an accelerator for the largest cell, by reckoning") == 1
    one = command("plan", "weights=random", "precision=fp16", "height=1024").out
    table = [line for line in one.splitlines() if "offload=" in line]
    assert len(table) == 5
    assert [line for line in told.splitlines() if line in table] == table
