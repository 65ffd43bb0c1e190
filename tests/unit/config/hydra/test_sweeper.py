"""A multirun runs all its jobs, and what Hydra writes of it holds no credentials."""

from __future__ import annotations

from pathlib import Path

import pytest

from unit.conftest import Command, assert_refused


def written(tmp_path: Path) -> str:
    return (tmp_path / "working" / "outputs" / ".hydra-multirun" / "multirun.yaml").read_text()


@pytest.mark.parametrize(
    "override",
    [
        "tracking.uri=http://user:pa55word@host",
        "tracking.uri='http://user:pa55\\'word@host'",
        "tracking.uri=http://user:pa55word@host,http://user:pa55word@other",
    ],
)
def test_no_credentials_are_written(command: Command, tmp_path: Path, override: str) -> None:
    said = command("plan", "-m", override, "height=64,128")
    assert said.status == 0
    assert "pa55" not in written(tmp_path)
    assert "height=64,128" in written(tmp_path)


def test_nor_where_a_job_cannot_be_composed(command: Command, tmp_path: Path) -> None:
    said = command("plan", "-m", "tracking.uri=http://user:pa55word@host", "scheduler=ddim,none")
    assert_refused(said, "scheduler=none")
    assert "pa55" not in written(tmp_path)


def test_all_wrong_cells_are_told_and_none_is_begun(command: Command, tmp_path: Path) -> None:
    said = command("-m", "height=64,65,128", "scheduler=ddim,none,none2")
    assert said.status == 2
    assert "7 of 9 cells cannot be run, so none was begun" in said.err
    assert "cell 3 (height=65 scheduler=ddim):\n    height=65: " in said.err
    assert "cells 1 (height=64 scheduler=none), 4 (height=65 scheduler=none)" in said.err
    assert "scheduler=none2: no such option" in said.err
    assert said.err.count("error: ") == 1
    assert {path.name for path in (tmp_path / "working" / "outputs").iterdir()} <= {
        ".hydra-multirun", ".cache",
    }  # fmt: skip


def test_the_plan_of_a_sweep_counts_each_distinct_stage_once(command: Command) -> None:
    said = command("plan", "-m", "decoder.guidance_scale=2,4", "scheduler=ddim,ddpm", "seeds=[1,2]")
    assert said.status == 0, said.err
    assert said.out.startswith("4 cells, 8 images\n")
    assert "  decoder.guidance_scale       2, 4\n" in said.out
    assert "  3    decoder.guidance_scale=4 scheduler=ddpm\n" in said.out
    assert said.out.partition("stages\n")[2].splitlines() == [
        "  prior            2 distinct of 8; 0 already stored",
        "  decode           8 distinct of 8; 0 already stored",
        "time",
        "  unknown: no stage of these kinds was run here before",
    ]


@pytest.mark.parametrize(("cache", "distinct"), [("use", 1), ("off", 2), ("refresh", 2)])
def test_ways_of_running_share_what_is_taken_from_the_store(
    command: Command, cache: str, distinct: int
) -> None:
    said = command("plan", "-m", "threads=1,2", f"cache={cache}")
    assert said.out.partition("stages\n")[2].splitlines()[:2] == [
        f"  prior            {distinct} distinct of 2; 0 already stored",
        f"  decode           {distinct} distinct of 2; 0 already stored",
    ]


def test_batches_of_a_sweep_are_planned_one_after_another(command: Command) -> None:
    said = command("plan", "-m", "seeds=[1],[2],[3]", "hydra.sweeper.max_batch_size=2")
    assert said.status == 0, said.err
    assert [line for line in said.out.splitlines() if " cell" in line and "image" in line][::2] == [
        "2 cells, 2 images",
        "1 cell, 1 image",
    ]


@pytest.mark.parametrize(
    ("pattern", "chosen"),
    [
        ("scheduler=glob(dd*)", ["ddim", "ddpm"]),
        ("scheduler=glob([l*,dp*])", ["dpmpp_2m", "lcm"]),
        ("scheduler=glob(*,exclude=[c*,d*,f*])", ["lcm"]),
        ("experiment=glob(guide/scheduler*)", ["guide/scheduler_ddpm"]),
        ("experiment=glob([first*,guide/text2img_3])", ["first_light", "guide/text2img_3"]),
        # As Hydra has it: an option in a folder needs a pattern that says so.
        ("experiment=glob(first*)", ["first_light"]),
    ],
)
def test_globs_reach_into_folders_of_options(
    command: Command, pattern: str, chosen: list[str], random_weights: Path
) -> None:
    steps = ("prior.num_inference_steps=5", "decoder.num_inference_steps=5")
    others = ("seeds=[1],[2]", f"weights={random_weights}", "precision=fp32", *steps)
    said = command("plan", "-m", pattern, *others)
    group = pattern.partition("=")[0]
    listed = command("plan", "-m", f"{group}={','.join(chosen)}", *others)
    assert said.status == listed.status == 0, said.err
    assert said.out.startswith(f"{2 * len(chosen)} cells")
    assert said.out == listed.out


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [("scheduler=glob(q*)", "ddim, ddpm"), ("experiment=glob(tuor/*)", "guide/compile")],
)
def test_a_glob_that_matches_nothing_is_refused(
    command: Command, pattern: str, allowed: str
) -> None:
    assert_refused(command("plan", "-m", pattern), pattern, "matches nothing", allowed)
