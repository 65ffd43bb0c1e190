"""`kandinsky compare --within`: its files, and that the sweep's own comparison stays."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from helpers.fake_sweeps import Choice, sweep_of, write_results
from runner.analysis.figure_config import read_figure
from unit.conftest import Command, assert_refused

PROMPTS = tuple(f"prompt {number}" for number in range(8))
HOSTILE = ("=1+1", "a | <b> & $x_1$ 50%")


def score(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
    spread = (len(prompt + choice["negative_prompt"]) * int(prompt[-1]) % 5) / 10
    return {"quality": int(prompt[-1]) + spread + (choice["scheduler"] == "ddpm")}


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    axes = {"negative_prompt": HOSTILE, "scheduler": ("ddim", "ddpm")}
    folder = tmp_path / "outputs" / "made" / "one"
    write_results(sweep_of(axes, score, prompts=PROMPTS, seeds=(0,), folder=folder))
    return folder


ASKED = ("--by", "scheduler", "--within", "negative_prompt", "--baseline", "ddim")


def test_all_is_written_beside_the_sweeps_own_comparison(sweep: Path, command: Command) -> None:
    assert command("compare", str(sweep)).status == 0
    own = {file.name: file.read_bytes() for file in (sweep / "comparison").iterdir()}
    said = command("compare", *ASKED, str(sweep))
    assert (said.status, said.err) == (0, "")
    assert "depends on the stratum" in said.out
    assert {file.name: file.read_bytes() for file in (sweep / "comparison").iterdir()} == own
    out = sweep / "comparison-scheduler-within-negative_prompt"
    begins = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}
    for kind, begin in begins.items():
        assert (out / f"forest_quality.{kind}").read_bytes().startswith(begin)
    rows = list(csv.DictReader((out / "within.csv").open(encoding="utf-8")))
    assert [row["part"] for row in rows] == ["stratum", "stratum", "overall"]
    assert [row["negative_prompt"] for row in rows] == ["'=1+1", HOSTILE[1], ""]
    assert {row["verdict"] for row in rows} == {"better"}
    content = json.loads((out / "within.json").read_text())
    overall = content["metrics"]["quality"]["overall"]["rows"][1]
    assert float(rows[-1]["difference"]) == overall["difference"] == 1.0
    assert content["within"] == ["negative_prompt"]
    assert r"a \| \<b\> \& \$x\_1\$" in (out / "within.md").read_text()
    assert r"a | <b>" not in (out / "within.tex").read_text()
    assert len(list(csv.reader((out / "within_prompts.csv").open()))) == 1 + 8


def test_the_comparison_with_the_configs_baseline_stays(tmp_path: Path, command: Command) -> None:
    axes = {"negative_prompt": HOSTILE, "scheduler": ("ddim", "ddpm")}
    folder = tmp_path / "outputs" / "made" / "one"
    made = sweep_of(
        axes, score, prompts=PROMPTS, seeds=(0,), folder=folder, baseline="scheduler=ddim"
    )
    write_results(made)
    assert command("compare", str(folder)).status == 0
    own = (folder / "comparison" / "comparison.json").read_bytes()
    for asked, name in (
        (("--baseline", "ddpm"), "comparison-scheduler-ddpm"),
        (("--by", "negative_prompt", "--baseline", HOSTILE[0]), "comparison-negative_prompt-=1_1"),
        (("--confidence", "0.9"), "comparison-scheduler-confidence=0.9"),
    ):
        said = command("compare", str(folder), *asked)
        assert said.status == 0, said.err
        assert said.out.strip().endswith(f"/{name}/"), said.out
        assert (folder / name / "comparison.json").is_file()
    assert (folder / "comparison" / "comparison.json").read_bytes() == own
    assert command("compare", str(folder), "--by", "scheduler").out.strip().endswith("/comparison/")


def test_the_same_plots_are_drawn_again(sweep: Path, command: Command) -> None:
    out = sweep / "comparison-scheduler-within-negative_prompt"
    drawn = []
    for _ in range(2):
        command("compare", *ASKED, str(sweep))
        drawn.append({file.name: file.read_bytes() for file in out.iterdir()})
    assert drawn[0] == drawn[1]
    for kind in ("png", "pdf", "svg"):
        told = read_figure(out / f"forest_quality.{kind}")
        assert told["figure"] == "forest plot"
        assert told["within"] == ["negative_prompt"]
        assert told["command"].startswith("kandinsky compare --by scheduler --within")


def test_a_part_of_the_cells_has_a_place_of_its_own(sweep: Path, command: Command) -> None:
    said = command("compare", "--by", "scheduler", "--where", "negative_prompt==1+1", str(sweep))
    assert said.status == 0
    assert not (sweep / "comparison").exists()
    (made,) = sweep.glob("comparison-scheduler-where-negative_prompt*")
    assert (
        len(json.loads((made / "comparison.json").read_text())["metrics"]["quality"]["rows"]) == 2
    )


def test_wrong_axes_are_one_message(sweep: Path, command: Command) -> None:
    said = command("compare", "--by", "scheduler", "--within", "modl", str(sweep))
    assert_refused(said, "within=modl: is no axis of this sweep\n  allowed: negative_prompt")
    said = command("compare", "--where", "scheduler=plms", str(sweep))
    assert_refused(said, "allowed: scheduler=ddim, scheduler=ddpm")
    assert list(sweep.glob("comparison*")) == []
