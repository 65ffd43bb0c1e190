"""What `kandinsky compare` prints: readable in 80 columns, whatever users wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len

from helpers.fake_sweeps import Choice, sweep_of, write_results
from unit.conftest import Command, assert_refused

HOSTILE = (
    "plain",
    "[red]not markup[/red] :smile:",
    "\x1b[31m\x1b]0;title\x07",
    "\u202egnihton",
    "红色的圆圈在白色背景上" * 3,
    "word" * 60,
)


def score(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
    place = HOSTILE.index(choice["negative_prompt"])
    return {"quality": 1e7 * (seed - 20) + 1e5 * place * (1 + 0.1 * (seed % 3)), "seconds": 1.0}


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    axes = {"negative_prompt": HOSTILE, "decoder.num_inference_steps": ("5", "10")}
    folder = tmp_path / "outputs" / "made" / "one"
    write_results(sweep_of(axes, score, seeds=range(12), folder=folder))
    return folder


def test_settings_without_a_picture_yet_are_no_error(tmp_path: Path, command: Command) -> None:
    axes = {"negative_prompt": HOSTILE[:2], "decoder.num_inference_steps": ("5", "10")}
    folder = tmp_path / "outputs" / "made" / "two"
    write_results(sweep_of(axes, score, seeds=range(12), folder=folder, pending=[2, 3]))
    asked = ("--by", "negative_prompt", "--baseline", "plain")
    within = ("--within", "decoder.num_inference_steps")
    said = command("compare", str(folder), *asked, *within)
    assert said.status == 0, said.err
    assert "2 of 4 cells" in said.err


def test_it_fits_80_columns_and_is_only_text(hostile: Path, command: Command) -> None:
    said = command("compare", str(hostile))
    assert said.status == 0
    assert said.err == ""
    assert max(map(cell_len, said.out.splitlines()[:-1])) <= 80
    assert "\x1b" not in said.out
    assert "\x07" not in said.out
    assert "\u202e" not in said.out
    assert "[red]not" in said.out
    assert ":smile:" in said.out
    assert "better" in said.out
    assert "better" in (hostile / "comparison" / "comparison.md").read_text()


def test_numbers_are_never_broken_into_lines(hostile: Path, command: Command) -> None:
    said = command("compare", str(hostile), "--metrics", "quality")
    lines = said.out.splitlines()
    (baseline,) = (line for line in lines if line.startswith("plain, 5 "))
    assert baseline.split() == ["plain,", "5", "24", "-145000000", "baseline"]
    intervals = [line for line in lines if "[+" in line]
    assert len(intervals) == 10
    assert all("]" in line.partition("[+")[2] for line in intervals)


def test_notes_and_the_trade_off_are_told(hostile: Path, command: Command) -> None:
    brief = command("compare", str(hostile)).out
    assert "Bonferroni" not in brief
    assert "How the numbers are computed: --notes, and the files." in brief
    said = " ".join(command("compare", "--notes", str(hostile)).out.split())
    assert "How the numbers" not in said
    assert "Worth their seconds:" in said
    assert "Baseline: negative_prompt=plain decoder.num_inference_steps=5, since none" in said
    assert "simultaneous for 11 settings (Bonferroni)" in said
    assert "bench=true repeats" in said


def test_a_sweep_that_cannot_be_read_is_refused(hostile: Path, command: Command) -> None:
    (hostile / "sweep.json").write_text("{")
    assert_refused(command("compare", str(hostile)), "cannot be read")
    assert_refused(command("compare", str(hostile / "nowhere")), "no folder of a run or a sweep")
