"""Workers that stay on an accelerator: the same pixels and memory, and one a device."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from functional.residents import fresh, home, only, run, stop_all, there

pytestmark = pytest.mark.gpu

ROW = (
    ("precision=fp16",),
    ("precision=fp16", "scheduler=ddpm"),
    ("precision=fp32",),
    ("precision=fp16", "offload=model"),
    ("precision=fp16", "model=kandinsky2_1"),
    ("precision=fp16",),
)
"""Each changes what the one before has used."""


def test_one_command_after_another_draws_and_measures_as_in_a_process_of_its_own(
    weights: Path, tmp_path: Path
) -> None:
    free = torch.cuda.mem_get_info()[0]
    with home(tmp_path / "staying"):
        pids = set()
        for overrides in ROW:
            given = ("device=cuda", *overrides)
            kept = run(weights, tmp_path / "kept", *given, keep="120s")
            expected = fresh(tmp_path / "alone", weights, tmp_path / "fresh", *given)
            assert kept.pixels == expected.pixels, overrides
            assert kept.read_back == expected.read_back, overrides
            assert kept.first_calls == expected.first_calls, overrides
            # What is set aside for other commands is no part of a stage's memory.
            assert kept.peaks == pytest.approx(expected.peaks, rel=0.1), overrides
            pids.add(only().pid)
        assert len(pids) == 1
        assert (only().device, bool(only().bytes)) == ("cuda:0", True)
        # Another command's threads: it cannot use this one, which gives its memory back.
        other = run(weights, tmp_path / "other", "device=cuda", "threads=3", keep="120s")
        assert "resident" not in other.how
        assert only().pid not in pids
        stop_all()
        assert there() == []
    torch.cuda.empty_cache()
    assert torch.cuda.mem_get_info()[0] > free - 2**28
