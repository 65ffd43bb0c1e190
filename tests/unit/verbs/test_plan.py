"""The text of `kandinsky plan`."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from runner.config.choices import CacheMode
from runner.engine.store import Store
from runner.planning.planner import cache_dir, make_plan
from runner.runs.plan_text import plan_text
from unit.conftest import Command, Compose


def test_it_shows_what_will_be_done(command: Command) -> None:
    said = command("plan", "experiment=first_light", "scheduler=ddpm", "height=64")
    assert said.status == 0
    for part in (
        "first_light: Kandinsky 2.2 text2img, 128 x 64, 4 images (4 prompts x 1 seed)",
        "scheduler ddpm",
        "mini: ",
        "8 stages: 4 prior, 4 decode; 0 already stored",
    ):
        assert part in said.out


def test_it_shows_what_is_stored(composed: Compose) -> None:
    plan = make_plan(composed())
    assert "(stored)" not in plan_text(plan)
    (target,) = plan.graph.targets
    store = Store(cache_dir(plan.run) / "results", CacheMode.use)
    store.put(target, Image.new("RGB", (8, 8)), 1.0)
    assert plan_text(plan).count("(stored)") == 1
    assert "; 1 already stored" in plan_text(plan)


def test_it_leaves_nothing_behind(command: Command, tmp_path: Path) -> None:
    assert command("plan").status == 0
    assert list((tmp_path / "working").iterdir()) == []


def test_the_graph_of_a_sweep_is_drawn_into_a_file(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "graph.mmd"
    said = command("plan", "-m", "scheduler=ddim,ddpm", "--graph", str(file), "seeds=[0,1]")
    assert said.status == 0, said.err
    lines = file.read_text().splitlines()
    assert lines[0] == "flowchart LR"
    assert sum('["prior' in line for line in lines) == 2  # shared by both schedulers
    assert sum('["decode' in line for line in lines) == 4
    assert sum("-->" in line for line in lines) == 4


def test_the_graph_is_drawn_as_a_picture(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "graph.svg"
    prompt = 'prompt="a <b> & $c$ 圆"'
    said = command("plan", "-m", "scheduler=ddim,ddpm", prompt, "--graph", str(file), "seeds=[0,1]")
    assert said.status == 0, said.err
    ids = [element.get("id", "") for element in ElementTree.parse(file).iter()]
    assert sum(name.startswith("text_") for name in ids) == 2 + 4
    assert sum(name.startswith("line2d_") for name in ids) == 4


@pytest.mark.parametrize("name", ["graph.pdf", "", "nowhere/at/all.mmd"])
def test_a_graph_that_cannot_be_written_is_one_message(command: Command, name: str) -> None:
    said = command("plan", "--graph", *([name] if name else []))
    assert said.status == 2
    assert said.err.count("error: --graph=") == 1


def test_sizes_are_decimal_as_on_the_hub(command: Command) -> None:
    said = command("plan")
    assert "kandinsky-2-2-prior, 6.2 MB\n" in said.out
    assert "iB" not in command("doctor").out + said.out


def test_a_default_run_of_kandinsky_3_warns_of_nothing(command: Command) -> None:
    known = ("model=kandinsky3", "prompt=a red circle on a white background")
    assert "warning" not in command("plan", *known).out
    assert "goes to diffusers as 4" in command("plan", *known, "decoder.guidance_scale=5").out


def test_who_chose_the_scheduler_is_said(command: Command) -> None:
    assert "checkpoint (ddim, which suits the weights)" in command("plan").out
    said = command("plan", "weights.scheduler=ddpm").out
    assert "checkpoint (ddpm, as weights.scheduler says)" in said


def test_a_config_that_the_checkpoint_has_for_a_scheduler_is_told(command: Command) -> None:
    random = ("weights=random", "weights.size=tiny", "model=kandinsky2_1", "scheduler=ddpm")
    told = "as ddpm_scheduler/ of the checkpoint has it, beside scheduler/: "
    said = command("plan", *random).out
    assert told in said
    for part in ("thresholding=true instead of false", "variance_type=learned_range"):
        assert part in said
    assert told not in command("plan", *random[:3], "scheduler=ddim").out
