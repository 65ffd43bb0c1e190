"""A study in one command: sweep, metrics, comparison, page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from functional.made import STEPS
from hub_stand_in import Hub
from runner.catalog.kandinsky2_0 import DECODER_2_0
from runner.cli import main

STUDY = (
    "experiment=scheduler_steps", "workers=1", "prompt_file=null", "seeds=[0,1]", *STEPS,
    'prompt=["a red circle on a white background","a blue square on a black background"]',
    "decoder.num_inference_steps=3,5", "scheduler=ddim,ddpm",
    "baseline='scheduler=ddim decoder.num_inference_steps=5'",
)  # fmt: skip

MB = 10**6
COMMUNITY = "kandinsky-community/kandinsky"
FIVE = "kandinskylab/Kandinsky-5.0-T2I-Lite-sft-Diffusers"
PUBLISHED = {
    DECODER_2_0.repo: {
        "Kandinsky-2-0.pt": 4880, "text_encoder1/*.bin": 2240, "text_encoder2/*.bin": 590,
        "vae.ckpt": 335,
    },
    f"{COMMUNITY}-2-1-prior": {"prior/*": 4088, "text_encoder/*": 495, "image_encoder/*": 1216},
    f"{COMMUNITY}-2-1": {"unet/*": 4910, "movq/*": 271, "text_encoder/*": 2240},
    f"{COMMUNITY}-2-2-prior": {"prior/*": 4105, "text_encoder/*": 2780, "image_encoder/*": 3690},
    f"{COMMUNITY}-2-2-decoder": {"unet/*": 5010, "movq/*": 271},
    # Five shards, and eight in the stand-in for the five of version 5.
    f"{COMMUNITY}-3": {"text_encoder/*": 21_700 // 5, "unet/*": 6110, "movq/*": 541},
    FIVE: {
        "text_encoder/*": 16_600 // 8, "text_encoder_2/*": 246, "transformer/*": 12_000,
        "vae/*": 168,
    },
}  # fmt: skip
"""MB of each weights file, as the hub lists it; of 2.0 and the prior of 2.1, by their numbers in
float32. 2.1 and 2.2 are published in two formats, of which one is fetched.
"""
PLANNED = {
    "2.0": (512, {f"text     {DECODER_2_0.repo}": "8.0 GB"}),
    "2.1": (512, {f"prior    {COMMUNITY}-2-1-prior": "5.8 GB",
                  f"decoder  {COMMUNITY}-2-1": "7.4 GB"}),
    "2.2": (512, {f"clip_kandinsky2_2 {COMMUNITY}-2-2-prior": "6.5 GB",
                  f"prior    {COMMUNITY}-2-2-prior": "11 GB",
                  f"decoder  {COMMUNITY}-2-2-decoder": "5.3 GB"}),
    "3": (1024, {f"text     {COMMUNITY}-3": "22 GB", f"decoder  {COMMUNITY}-3": "6.7 GB"}),
    "5": (1024, {f"text     {FIVE}": "17 GB", f"decoder  {FIVE}": "12 GB"}),
}  # fmt: skip
"""Version -> pixels of a side, and what is to be fetched of which repository for which models."""


def test_the_versions_are_planned_with_their_sizes_and_gigabytes(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KANDINSKY_CACHE", str(tmp_path / "own"))
    assert DECODER_2_0.original is not None
    for name in DECODER_2_0.original.files:
        file = tmp_path / "published" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"{}")
    hub.add(DECODER_2_0.repo, tmp_path / "published")
    for repo, sizes in PUBLISHED.items():
        hub.repositories[repo].list_as({name: size * MB for name, size in sizes.items()})
    capfd.readouterr()
    assert main(["plan", "experiment=versions", "weights=hub", "precision=bf16"]) == 0
    said = capfd.readouterr().out
    assert said.startswith("5 cells, 120 images\n")
    for title, (side, fetched) in PLANNED.items():
        assert f"  1 cell: Kandinsky {title} text2img, {side} x {side}, 24 images each\n" in said
        for model, size in fetched.items():
            (line,) = [line for line in said.splitlines() if line.startswith(f"  {model}@")]
            assert f" not on disk, {size}; a run will download " in line
    assert hub.sent() == hub.sent(".json"), "a plan fetches no weights"


def test_a_version_that_the_small_family_lacks_is_left_out_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    capfd.readouterr()
    assert main(["plan", "experiment=versions"]) == 0
    said = capfd.readouterr().out
    assert said.startswith("4 cells, 96 images\n")
    assert "\n1 of 5 cells left out, as they cannot be\n" in said
    assert "weights=mini: the small family has no Kandinsky 5\n" in said


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
