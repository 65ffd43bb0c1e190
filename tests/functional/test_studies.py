"""A study in one command: sweep, metrics, comparison, page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from functional.made import STEPS
from runner.cli import main

STUDY = (
    "experiment=scheduler_steps", "workers=1", "prompt_file=null", "seeds=[0,1]", *STEPS,
    'prompt=["a red circle on a white background","a blue square on a black background"]',
    "decoder.num_inference_steps=3,5", "scheduler=ddim,ddpm",
    "baseline='scheduler=ddim decoder.num_inference_steps=5'",
)  # fmt: skip


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder, so that the stages of the study are run once."""
    return tmp_path_factory.mktemp("studies") / "outputs"


@pytest.fixture
def study(weights: Path, outputs: Path, request: pytest.FixtureRequest) -> tuple[str, ...]:
    given = (f"weights={weights}", f"output_dir={outputs}", f"name={request.node.name}")
    return (*STUDY, *given, "tracking=none")


@pytest.mark.slow
def test_it_ends_in_its_comparison_and_its_page(
    study: tuple[str, ...], outputs: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    assert main([*study]) == 0
    said = capfd.readouterr().out
    assert "clip_score (higher is better)" in said
    assert "report/index.html" in said
    latest = outputs / "latest"
    comparison = json.loads((latest / "comparison" / "comparison.json").read_text())
    assert comparison["baseline"] == {"scheduler": "ddim", "decoder.num_inference_steps": "5"}
    assert set(comparison["metrics"]) == {"clip_score", "clip_similarity", "psnr", "seconds"}
    assert len(comparison["metrics"]["clip_score"]["rows"]) == 4
    page = (latest / "report.html").read_text()
    assert "Which scheduler, with how many steps, is good enough" in page
    assert "simultaneous for 3" in page


@pytest.mark.slow
def test_it_tells_nothing_but_json_where_that_is_asked_for(
    study: tuple[str, ...], outputs: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    assert main([*study, "progress=json"]) == 0
    for line in capfd.readouterr().out.splitlines():
        assert isinstance(json.loads(line), dict)
    assert (outputs / "latest" / "report" / "index.html").is_file()


@pytest.mark.slow
def test_it_says_nothing_where_it_is_to_be_quiet(
    study: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    assert main([*study, "progress=quiet"]) == 0
    assert "clip_score" not in capfd.readouterr().out
