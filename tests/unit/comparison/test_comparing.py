"""Verdicts, and the notes beside them."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from helpers.fake_sweeps import Choice, Score, sweep_of
from runner.analysis.comparison.comparing import compare
from runner.analysis.comparison.findings import Comparison, Row
from runner.errors import ConfigError

PROMPTS = tuple(f"prompt {number}" for number in range(12))


def noise(*what: object) -> float:
    """Normal, the same for the same things."""
    return float(np.random.default_rng(zlib.crc32(repr(what).encode())).normal())


def gaining(gain: float, spread: float = 0.1) -> Score:
    """Setting "b" has `gain` more than "a", give or take; pictures differ much more."""

    def score(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
        own = (len(prompt) * 7 + int(prompt.rpartition(" ")[2]) * 13 + seed * 5) % 17
        jitter = spread * math.sin(own + 3 * seed + ord(choice["x"]))
        return {"quality": 10 * own + jitter + (gain if choice["x"] == "b" else 0.0)}

    return score


def row(found: Comparison, value: str, metric: str = "quality") -> Row:
    (one,) = (row for row in found.metrics[metric].rows if row.choice["x"] == value)
    return one


AB = {"x": ("a", "b")}


@pytest.mark.parametrize(
    ("gain", "better", "verdict"),
    [
        (1.0, "higher", "better"),
        (-1.0, "higher", "worse"),
        (1.0, "lower", "worse"),
        (-1.0, "lower", "better"),
        (0.0, "higher", "undecided"),
        (1.0, None, "none"),
    ],
)
def test_the_direction_decides_what_is_better(
    gain: float, better: str | None, verdict: str
) -> None:
    found = compare(sweep_of(AB, gaining(gain), prompts=PROMPTS, better={"quality": better}))
    assert row(found, "a").verdict == "baseline"
    b = row(found, "b")
    assert b.verdict == verdict
    assert b.difference == pytest.approx(gain, abs=0.1)
    assert b.difference is not None
    assert b.low is not None
    assert b.high is not None
    assert b.low <= b.difference <= b.high
    assert (b.n, b.pairs) == (48, 48)


def test_pictures_that_differ_much_do_not_hide_what_all_of_them_gain() -> None:
    b = row(compare(sweep_of(AB, gaining(1.0), prompts=PROMPTS)), "b")
    assert b.mean_low is not None
    assert b.mean_high is not None
    assert b.mean_high - b.mean_low > 20
    assert b.low is not None
    assert b.low > 0.9


@pytest.mark.parametrize(("seeds", "verdict"), [(2, "too few pairs"), (3, "better")])
def test_five_pairs_decide_nothing_and_six_may(seeds: int, verdict: str) -> None:
    results = sweep_of(AB, gaining(1.0), prompts=PROMPTS[:2], seeds=range(seeds))
    found = compare(results)
    assert row(found, "b").verdict == verdict
    assert row(found, "b").difference == pytest.approx(1.0, abs=0.2)
    assert any("fewer than 6 pairs" in note for note in found.notes) == (seeds == 2)


@pytest.mark.parametrize(("held", "verdict"), [(60.0, "better"), (140.0, "worse")])
def test_one_pair_tells_how_much_memory_weights_take(held: float, verdict: str) -> None:
    """There is no chance in it: it is the same whatever the seed."""

    def costs(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
        return {"weights_mb": held if choice["x"] == "b" else 100.0}

    better = {"weights_mb": "lower"}
    results = sweep_of(AB, costs, prompts=PROMPTS[:1], seeds=range(1), better=better)
    found = compare(results)
    b = row(found, "b", "weights_mb")
    assert (b.verdict, b.difference, b.low, b.high) == (verdict, *[held - 100] * 3)
    assert not any("Too few" in note for note in found.notes)


def test_more_settings_need_more_pairs() -> None:
    axes = {"x": tuple("abcdef")}
    results = sweep_of(axes, gaining(1.0), prompts=PROMPTS[:2], seeds=range(3))
    assert row(compare(results), "b").verdict == "too few pairs"


def test_intervals_of_more_settings_are_wider() -> None:
    def width(values: str) -> float:
        found = row(compare(sweep_of({"x": tuple(values)}, gaining(1.0), prompts=PROMPTS)), "b")
        assert found.low is not None
        assert found.high is not None
        return found.high - found.low

    assert width("abcdefgh") > 1.2 * width("ab")


def test_equal_pictures_are_undecided_with_no_width() -> None:
    found = row(compare(sweep_of(AB, gaining(0.0, spread=0.0), prompts=PROMPTS)), "b")
    assert (found.difference, found.low, found.high) == (0, 0, 0)
    assert found.verdict == "undecided"


def test_whole_prompts_are_resampled_where_there_are_enough() -> None:
    def by_prompt(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
        # Whether "b" helps is a matter of the prompt; its seeds agree.
        helps = 1.0 if int(prompt.rpartition(" ")[2]) % 4 else -1.6
        return {"quality": helps if choice["x"] == "b" else 0.0}

    def verdict(prompts: int) -> tuple[str, str]:
        results = sweep_of(AB, by_prompt, prompts=PROMPTS[:prompts], seeds=range(30))
        found = compare(results)
        return row(found, "b").verdict, " ".join(found.notes)

    few, few_note = verdict(7)
    assert few == "better"
    assert "With 7 prompts, fewer than 8, what is found holds for these alone" in few_note
    many, many_note = verdict(12)
    assert many == "undecided"
    assert "all pictures of a prompt together, 12 prompts" in many_note


def test_pictures_that_began_with_one_noise_count_once() -> None:
    """By one axis of two: ten pairs of a prompt and seed are no ten witnesses."""
    axes = {"x": ("a", "b"), "other": tuple("0123456789")}
    results = sweep_of(axes, gaining(1.0), prompts=PROMPTS[:1], seeds=range(3))
    found = row(compare(results, by=["x"]), "b")
    assert found.pairs == 30
    assert found.verdict == "too few pairs"


def test_a_metric_that_the_baseline_lacks_has_means_alone() -> None:
    def score(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
        likeness = {} if choice["x"] == "a" else {"likeness": 30 + noise(prompt, seed)}
        return {**(gaining(1.0)(choice, prompt, seed) or {}), **likeness}

    better = {"quality": "higher", "likeness": "higher"}
    found = compare(sweep_of(AB, score, prompts=PROMPTS, better=better))
    (only,) = found.metrics["likeness"].rows
    assert only.choice == {"x": "b"}
    assert (only.pairs, only.difference, only.low, only.verdict) == (0, None, None, "none")
    assert only.mean_low is not None
    assert only.mean_high is not None
    assert only.mean_low < only.mean < only.mean_high


def test_seconds_are_a_metric_of_which_less_is_better() -> None:
    def score(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
        return {"seconds": 2.0 + 0.01 * seed - (choice["x"] == "b")}

    found = compare(sweep_of(AB, score, better={}))
    assert row(found, "b", "seconds").verdict == "better"
    assert found.pareto == {}
    assert any("bench=true repeats" in note for note in found.notes)
    measured = compare(sweep_of(AB, score, better={}, bench=True))
    assert any("medians" in note for note in measured.notes)


def test_joules_are_a_metric_of_which_less_is_better_where_they_were_measured() -> None:
    def score(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
        return {"seconds": 2.0, "joules": 700.0 + seed - 100 * (choice["x"] == "b")}

    found = compare(sweep_of(AB, score, better={}, bench=True))
    assert row(found, "b", "joules").verdict == "better"
    assert "joules" not in found.pareto
    untold = sweep_of(AB, lambda *_: {"seconds": 2.0}, better={}, bench=True)
    assert "joules" not in untold.better


def test_metrics_of_whole_cells_are_paired_by_cells() -> None:
    axes = {"x": ("a", "b"), "other": tuple("0123456")}

    def fid(choice: Choice) -> dict[str, float]:
        return {"fid": 50 + 10 * int(choice["other"]) - (choice["x"] == "b")}

    def score(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
        return {"quality": float(seed), "seconds": 1.0 + (choice["x"] == "b")}

    better = {"quality": "higher", "fid": "lower"}
    for prompts in (PROMPTS, PROMPTS[:1]):
        results = sweep_of(axes, score, prompts=prompts, better=better, whole=fid)
        found = compare(results, by=["x"])
        b = row(found, "b", "fid")
        assert (b.n, b.mean, b.pairs, b.difference, b.verdict) == (7, 79, 7, -1, "better")
        assert row(found, "b").n == 7 * 4 * len(prompts)
        assert any("n and pairs count cells: fid" in note for note in found.notes)
        quality = [(point.quality, point.seconds) for point in found.pareto["fid"]]
        assert quality == [(80, 1), (79, 2)]
    alone = compare(sweep_of(AB | {"other": ("1",)}, score, better=better, whole=fid))
    assert row(alone, "b", "fid").verdict == "too few pairs"


def test_metrics_may_be_chosen_by_name_or_as_a_whole() -> None:
    def score(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
        return {"blue.share": 1.0, "blue.top": 2.0, "quality": 3.0, "seconds": 1.0}

    results = sweep_of(AB, score, better={"blue": "higher", "quality": None})
    assert list(compare(results).metrics) == ["blue.share", "blue.top", "quality", "seconds"]
    assert list(compare(results, metrics=["blue"]).metrics) == ["blue.share", "blue.top"]
    chosen = compare(results, metrics=["blue.top"])
    assert list(chosen.metrics) == ["blue.top"]
    assert [point.seconds for point in chosen.pareto["blue.top"]] == [1.0, 1.0]


def test_what_is_missing_is_told() -> None:
    def score(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
        lost = choice["x"] == "b" and seed == 0
        return {"quality": math.inf if lost else float(seed)}

    found = compare(sweep_of({"x": ("a", "b", "c")}, score, pending=[2]))
    assert [r.choice["x"] for r in found.metrics["quality"].rows] == ["a", "b"]
    assert found.warnings == (
        "1 of 3 cells not finished (1 PENDING): compared as far as they went",
        "2 numbers of quality left out: not finite",
    )
    assert any("Not every setting has the same pictures measured" in n for n in found.notes)
    assert row(found, "b").pairs == 6


def test_the_same_sweep_gives_the_same_comparison() -> None:
    results = sweep_of(AB, gaining(0.1), prompts=PROMPTS)
    assert compare(results) == compare(results)


def none(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
    return {}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"confidence": 95.0}, "confidence=95.0: is no share"),
        ({"confidence": math.nan}, "confidence=nan: is no share"),
        ({"metrics": ["nope"]}, "metrics=nope: was not measured here\n  allowed: quality"),
        ({"by": ["y"]}, "by=y: is no axis of this sweep\n  allowed: x"),
    ],
)
def test_what_cannot_be_compared_so_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        compare(sweep_of(AB, gaining(1.0), prompts=PROMPTS), **change)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: sweep_of(AB, none), "nothing was measured there yet"),
        (lambda: sweep_of({"x": ("a",)}, gaining(0), prompts=PROMPTS), "has a single cell"),
    ],
)
def test_sweeps_with_nothing_to_compare_are_refused(made: Callable[[], Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        compare(made())
