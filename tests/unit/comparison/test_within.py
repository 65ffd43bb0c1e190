"""Comparison within strata: the statistics, what is paired with what, and what is refused."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
from scipy import linalg, stats

from helpers.fake_sweeps import TIMING, Choice, sweep_of
from runner.analysis.comparison.comparing import compare
from runner.analysis.comparison.findings import Row
from runner.analysis.results import SweepResult
from runner.analysis.selecting import select
from runner.analysis.within.comparing import compare_within
from runner.analysis.within.findings import Within
from runner.analysis.within.interaction import interaction
from runner.errors import ConfigError
from runner.recording.manifest import SavedTiming

PROMPTS = tuple(f"prompt {number}" for number in range(10))
AXES = {"model": ("a", "b"), "guidance": ("1", "4"), "scheduler": ("ddim", "ddpm")}


def noise(*what: object) -> float:
    """Normal, the same for the same things."""
    return float(np.random.default_rng(zlib.crc32(repr(what).encode())).normal())


def gaining(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
    """DDPM helps version "a" alone; the picture itself counts for much more."""
    gain = 1.0 if choice["scheduler"] == "ddpm" and choice["model"] == "a" else 0.0
    return {
        "quality": 10 * noise(prompt, seed) + gain + 0.2 * noise(prompt, seed, *choice.values())
    }


@pytest.fixture(scope="module")
def results() -> SweepResult:
    return sweep_of(AXES, gaining, prompts=PROMPTS, seeds=(0, 1))


@pytest.fixture(scope="module")
def found(results: SweepResult) -> Within:
    return compare_within(results, ["model"], by=["scheduler"], baseline=["ddim"])


def in_stratum(found: Within, **values: str) -> Row:
    (one,) = (each for each in found.metrics["quality"].strata if each.values == values)
    return next(row for row in one.rows.rows if row.choice == {"scheduler": "ddpm"})


def test_each_stratum_has_its_own_answer(found: Within) -> None:
    helped, not_helped = in_stratum(found, model="a"), in_stratum(found, model="b")
    assert (helped.verdict, not_helped.verdict) == ("better", "undecided")
    assert helped.difference == pytest.approx(1.0, abs=0.1)
    assert not_helped.difference == pytest.approx(0.0, abs=0.1)
    assert helped.pairs == not_helped.pairs == 2 * 10 * 2
    (test,) = found.metrics["quality"].interactions
    assert (test.differs, test.strata, test.blocks) == (True, 2, 10)
    assert test.p_adjusted is not None
    assert test.p_adjusted < 1e-4


def test_over_all_strata_it_is_what_compare_says(results: SweepResult, found: Within) -> None:
    plain = compare(results, by=["scheduler"], baseline=["scheduler=ddim"])
    assert found.metrics["quality"].overall == plain.metrics["quality"]
    assert found.overall.baseline == {"scheduler": "ddim"}


def test_a_stratum_alone_at_a_stricter_level_is_the_same(
    results: SweepResult, found: Within
) -> None:
    alone = compare(select(results, ["model=a"]), by=["scheduler"], confidence=1 - 0.05 / 2)
    (row,) = (r for r in alone.metrics["quality"].rows if r.choice == {"scheduler": "ddpm"})
    joint = in_stratum(found, model="a")
    assert joint.low == pytest.approx(row.low, rel=1e-12)
    assert joint.high == pytest.approx(row.high, rel=1e-12)


def test_two_strata_are_tested_as_scipy_tests_pairs(results: SweepResult, found: Within) -> None:
    differences: dict[tuple[str, str], list[float]] = {}
    numbers = {
        (*cell.choice.values(), image.prompt, image.seed): image.scores["quality"]
        for cell in results.cells
        for image in cell.images
    }
    for (model, guidance, scheduler, prompt, seed), value in numbers.items():
        if scheduler == "ddpm":
            pair = value - numbers[model, guidance, "ddim", prompt, seed]
            differences.setdefault((str(model), str(prompt)), []).append(pair)
    of_a, of_b = ([np.mean(differences[m, prompt]) for prompt in PROMPTS] for m in "ab")
    theirs = stats.ttest_rel(of_a, of_b)
    (test,) = found.metrics["quality"].interactions
    assert test.p == pytest.approx(theirs.pvalue, rel=1e-9)
    assert test.statistic == pytest.approx(theirs.statistic**2, rel=1e-9)
    assert (test.between, test.within) == (1.0, 9.0)


def test_more_strata_are_an_analysis_of_variance_with_epsilon() -> None:
    random = np.random.default_rng(1)
    table = random.normal(size=(9, 4)) @ np.diag([1, 1, 2, 5]) + random.normal(size=(9, 1))
    ours = interaction(table)
    # Without the blocks' means the one-way test of scipy has the same sums of squares.
    oneway = stats.f_oneway(*(table - table.mean(1, keepdims=True)).T).statistic
    assert ours.statistic == pytest.approx(oneway * (3 * 8) / (4 * 8), rel=1e-9)
    contrasts = linalg.helmert(4)
    roots = np.linalg.eigvalsh(contrasts @ np.cov(table, rowvar=False) @ contrasts.T)
    epsilon = roots.sum() ** 2 / (3 * (roots**2).sum())
    assert (ours.between, ours.within) == pytest.approx((3 * epsilon, 24 * epsilon), rel=1e-9)
    assert ours.p == pytest.approx(stats.f.sf(ours.statistic, 3 * epsilon, 24 * epsilon))


@pytest.mark.parametrize(("strata", "blocks"), [(2, 8), (4, 10), (6, 12)])
def test_without_an_interaction_one_is_found_as_seldom_as_stated(strata: int, blocks: int) -> None:
    random = np.random.default_rng(strata)
    spreads = np.linspace(1, 3, strata)  # not alike, and prompts matter in all of them
    tables = random.normal(size=(2000, blocks, strata)) * spreads
    tables += random.normal(size=(2000, blocks, 1)) * 2
    rate = np.mean([interaction(table).p <= 0.05 for table in tables])
    assert 0.02 < rate < 0.06


def test_tests_of_several_settings_are_adjusted_together() -> None:
    def score(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
        """Settings "c" and "d" gain a little more with "b"."""
        more = {"c": 0.6, "d": 0.45}.get(choice["x"], 0.0) if choice["model"] == "b" else 0.0
        return {"quality": noise(prompt, seed) + more + 0.5 * noise(prompt, *choice.values())}

    axes = {"model": ("a", "b"), "x": ("a", "b", "c", "d")}
    sweep = sweep_of(axes, score, prompts=PROMPTS, seeds=(0,))
    tests = compare_within(sweep, ["model"], by=["x"]).metrics["quality"].interactions
    raw = [test.p for test in tests if test.p is not None]
    assert [test.p_adjusted for test in tests] == [min(1.0, 3 * p) for p in raw]
    assert [test.differs for test in tests] == [3 * p <= 0.05 for p in raw]
    assert any(0.05 / 3 < p < 0.5 for p in raw)


def test_metrics_of_whole_cells_are_blocked_by_what_else_differs() -> None:
    axes = {"model": ("a", "b"), "other": tuple("0123456"), "scheduler": ("ddim", "ddpm")}

    def fid(choice: Choice) -> dict[str, float]:
        gain = (choice["scheduler"] == "ddpm") * (2.0 if choice["model"] == "a" else 1.0)
        return {"fid": 50 + 10 * int(choice["other"]) - gain + 0.01 * noise(*choice.values())}

    better = {"quality": None, "fid": "lower"}
    sweep = sweep_of(axes, gaining, prompts=PROMPTS[:1], better=better, whole=fid)
    metric = compare_within(sweep, ["model"], by=["scheduler"], metrics=["fid"]).metrics["fid"]
    (test,) = metric.interactions
    assert (test.strata, test.blocks, test.differs) == (2, 7, True)
    assert metric.prompts == ()


@pytest.mark.slow
def test_200_sweeps_without_a_difference_give_false_verdicts_as_seldom_as_stated() -> None:
    within = overall = depends = 0
    for number in range(200):

        def null(choice: Choice, prompt: str, seed: int, number: int = number) -> dict[str, float]:
            return {"quality": noise(number, prompt) + noise(number, prompt, *choice.values())}

        axes = {"model": ("a", "b"), "scheduler": ("ddim", "ddpm")}
        sweep = sweep_of(axes, null, prompts=PROMPTS, seeds=(0,))
        metric = compare_within(sweep, ["model"], by=["scheduler"]).metrics["quality"]
        wrong = ("better", "worse")
        within += any(row.verdict in wrong for part in metric.strata for row in part.rows.rows)
        overall += any(row.verdict in wrong for row in metric.overall.rows)
        depends += any(test.differs for test in metric.interactions)
    # 0.05 of 200 are 10; beyond 17 lies 0.01 of the binomial distribution.
    limit = stats.binom.ppf(0.99, 200, 0.05)
    assert max(within, overall, depends) <= limit


def test_equal_differences_do_not_depend_and_unequal_ones_without_spread_do() -> None:
    assert interaction(np.ones((8, 3))).p == 1.0
    assert interaction(np.tile([0.0, 1.0], (8, 1))).p == 0.0


def test_by_prompt_pairs_of_all_strata_count(found: Within) -> None:
    rows = found.metrics["quality"].prompts
    assert [row.prompt for row in rows] == list(PROMPTS)
    assert {row.pairs for row in rows} == {2 * 2 * 2}
    mean = sum(row.difference for row in rows) / len(rows)
    (overall,) = (row for row in found.metrics["quality"].overall.rows if row.pairs)
    assert overall.difference == pytest.approx(mean)


def test_a_stratum_without_the_baseline_is_told_and_has_no_verdict() -> None:
    sweep = sweep_of(AXES, gaining, prompts=PROMPTS, seeds=(0,), pending=[0, 2])
    part = compare_within(sweep, ["model"], by=["scheduler"], baseline=["ddim"])
    assert in_stratum(part, model="a").difference is None
    assert in_stratum(part, model="b").pairs == 20
    assert part.metrics["quality"].interactions[0].differs is None
    assert "The baseline has no picture in: model=a." in part.notes


def test_seconds_that_were_not_measured_together_are_left_out() -> None:
    def timing(choice: Choice, seed: int) -> SavedTiming:
        return SavedTiming(attempt="made.1", workers=1, stored=["decode"], first_calls=[])

    def score(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
        return {**gaining(choice, prompt, seed), "seconds": 1.0}

    for chosen, measured in ((timing, False), (lambda choice, seed: TIMING, True)):
        sweep = sweep_of(AXES, score, prompts=PROMPTS[:6], seeds=(0,), timing=chosen)
        part = compare_within(sweep, ["model"], by=["scheduler"])
        assert ("seconds" in part.metrics) == measured
        assert any("not measured" in note for note in part.notes) != measured


@pytest.mark.parametrize("prompts", [6, 7, 8])
def test_it_says_how_many_pairs_so_many_strata_take(prompts: int) -> None:
    """Six differences that hold together take 8 pairs; one takes 6."""
    axes = {"model": ("a", "b", "c"), "guidance": ("1", "4"), "scheduler": ("ddim", "ddpm")}
    some = [f"prompt {number}" for number in range(prompts)]
    sweep = sweep_of(axes, gaining, prompts=some, seeds=(0,))
    found = compare_within(sweep, ["model", "guidance"], by=["scheduler"], baseline=["ddim"])
    verdicts = {row.verdict for one in found.metrics["quality"].strata for row in one.rows.rows}
    said = [note for note in found.notes if note.startswith("Too few pairs")]
    assert ("too few pairs" in verdicts) == (prompts < 8)
    assert len(said) == (prompts < 8)
    assert all("fewer than 8 pairs" in note for note in said)


def test_an_axis_of_which_one_value_is_left_makes_no_strata(results: SweepResult) -> None:
    where = ["model=a"]
    with pytest.raises(ConfigError, match="within=model: is one stratum alone: where leaves one"):
        compare_within(select(results, where), ["model"], by=["scheduler"], where=where)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"within": ["modl"]},
            "within=modl: is no axis of this sweep (near: model)\n  allowed: model, guidance",
        ),
        ({"within": ["scheduler"]}, "within=scheduler: is what is compared (by)\n  allowed: model"),
        ({"within": ["prompt"]}, "within=prompt: is no stratum"),
        ({"by": ["x"]}, "by=x: is no axis of this sweep\n  allowed: model, guidance, scheduler"),
        ({"baseline": ["nope"]}, "is no override\n  allowed: scheduler=ddim, scheduler=ddpm"),
    ],
)
def test_wrong_axes_are_refused(results: SweepResult, change: dict[str, Any], said: str) -> None:
    asked = {"within": ["model"], "by": ["scheduler"], **change}
    with pytest.raises(ConfigError) as refused:
        compare_within(results, asked.pop("within"), **asked)
    assert said in str(refused.value)
    assert refused.value.exit_status == 2
