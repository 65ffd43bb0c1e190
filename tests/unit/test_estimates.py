"""Times of earlier runs, scaled to what is planned."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from runner.config.choices import CacheMode
from runner.config.run_config import Bench
from runner.engine.estimates import Estimate, Estimator
from runner.engine.store import Store
from runner.graph.node import Node, PipelineSpec
from runner.runs.plan_text import estimate_text

SPEC = PipelineSpec("P", "weights", "float32", "sdpa", None, None)


def node(
    seed: int = 0, steps: int = 10, guidance: float = 4.0, pipeline: PipelineSpec = SPEC
) -> Node:
    params = {"seed": seed, "num_inference_steps": steps, "guidance_scale": guidance}
    return Node("prior", 1, params, pipeline=pipeline)


@pytest.fixture
def estimator(tmp_path: Path) -> Estimator:
    """Knows a kind of work at 0.1, 0.2 and 0.9 s a step."""
    store = Store(tmp_path, CacheMode.use)
    for seed, (steps, seconds) in enumerate([(10, 1.0), (20, 4.0), (10, 9.0)]):
        store.put(node(seed, steps), {"image_embeds": torch.zeros(1)}, seconds)
    (tmp_path / "00" / "broken").mkdir(parents=True)
    (tmp_path / "00" / "broken" / "entry.json").write_text("{")
    return Estimator(tmp_path)


def test_the_median_a_step_is_taken_times_the_steps(estimator: Estimator) -> None:
    found = estimator.estimate([node(7, steps=50), node(8, steps=5, guidance=2.0)])
    assert found.seconds == pytest.approx(0.2 * 55)
    assert (found.nodes, found.unknown) == (2, 0)


@pytest.mark.parametrize(
    "other",
    [
        node(guidance=1.0),  # one pass a step, not two
        node(pipeline=PipelineSpec("P", "weights", "float16", "sdpa", None, None)),
        Node("decode", 1, {"num_inference_steps": 10, "guidance_scale": 4.0}, pipeline=SPEC),
    ],
)
def test_other_work_is_not_known(estimator: Estimator, other: Node) -> None:
    assert estimator.estimate([other]) == Estimate(0.0, 1, 1)


def test_it_is_told_in_words() -> None:
    assert estimate_text(Estimate(0, 0, 0)) == "all stages are stored"
    assert estimate_text(Estimate(0, 3, 3)).startswith("unknown")
    assert "about 12.3 s of stages" in estimate_text(Estimate(12.3, 3, 0))
    assert "about 10 min" in estimate_text(Estimate(600, 3, 1))
    assert "1 stage of kinds that were never run" in estimate_text(Estimate(600, 3, 1))


def test_a_benchmark_runs_what_draws_several_times(estimator: Estimator) -> None:
    found = estimator.estimate([node(7)], Bench(warmup=1, repeats=3))
    assert found.seconds == pytest.approx(4 * 0.2 * 10)
