"""Seconds count only where they were measured together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from helpers.fake_sweeps import TIMING, Choice, sweep_of, write_results
from runner.analysis.comparison.comparing import compare
from runner.analysis.comparison.writing import write
from runner.analysis.reading import read_results
from runner.analysis.report.compared import read_comparison
from runner.analysis.report.gather import facts_of
from runner.errors import ConfigError
from runner.recording.manifest import SavedTiming

AB = {"x": ("a", "b")}

ELSEWHERE = {
    "the store": replace(TIMING, stored=["decode"]),
    "2 workers": replace(TIMING, workers=2),
    "2 attempts": replace(TIMING, attempt="made.2"),
    "do not say": None,
}


@pytest.mark.parametrize("why", ELSEWHERE)
def test_seconds_that_were_not_measured_together_decide_nothing(why: str, tmp_path: Path) -> None:
    """One cell of another load is enough: no verdict, no front, and the same in each file."""

    def score(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
        return {"quality": float(seed), "seconds": 2.0 - (choice["x"] == "b")}

    def timing(choice: Choice, seed: int) -> SavedTiming | None:
        return TIMING if choice["x"] == "a" else ELSEWHERE[why]

    results = sweep_of(AB, score, timing=timing, folder=tmp_path)
    found = compare(results)
    assert set(found.metrics) == {"quality"}
    assert not any(found.pareto.values())
    write_results(results)
    write(found, tmp_path / "comparison")
    files = {file.suffix: file.read_text() for file in (tmp_path / "comparison").iterdir()}
    assert set(files) == {".csv", ".json", ".md", ".tex"}
    assert all("not measured" in text for text in files.values())
    assert all(why in files[kind] for kind in (".json", ".md", ".tex"))
    assert "Worth" not in files[".md"]
    page = facts_of(read_results(tmp_path), read_comparison(tmp_path))
    assert page.unmeasured is not None
    assert why in page.unmeasured
    assert page.metrics == (("quality", "higher"),)
    with pytest.raises(ConfigError, match=f"metrics=seconds: was not measured: .*{why}"):
        compare(results, metrics=["seconds"])
    assert "seconds" in compare(sweep_of(AB, score, timing=timing, bench=True)).metrics


def test_a_first_call_warms_up_and_is_not_counted() -> None:
    def score(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
        return {"quality": float(seed), "seconds": 50.0 if seed == 0 else 2.0}

    def timing(choice: Choice, seed: int) -> SavedTiming:
        return replace(TIMING, first_calls=["decode"] if seed == 0 else [])

    found = compare(sweep_of(AB, score, timing=timing)).metrics["seconds"].rows[0]
    assert (found.n, found.mean) == (6, 2.0)
    alone = compare(sweep_of(AB, score, timing=timing, seeds=[0]))
    assert "first call" in alone.unmeasured["seconds"]
    # Also where nothing else was measured.
    nothing = sweep_of(AB, lambda *of: {"seconds": 2.0}, timing=timing, seeds=[0], better={})
    assert compare(nothing).metrics == {}
    assert "first call" in compare(nothing).unmeasured["seconds"]
