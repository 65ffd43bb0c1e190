"""Every file of the config tree works: each option composes, each experiment plans."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from helpers import cases
from runner.config.choices import WeightsSource
from runner.config.hydra import tree
from runner.planning import checks
from runner.planning.planner import make_plan
from runner.system import machine
from runner.weights.find import MINI_DIR
from unit.conftest import Command, Compose

CONF = tree.config_dir()
GROUPS = sorted(folder for folder in CONF.iterdir() if folder.is_dir() and folder.name != "hydra")
EXPERIMENT = CONF / "experiment"


def options_of(group: Path) -> list[str]:
    """What may be chosen of a group, as it is written on the command line."""
    files = sorted(group.rglob("*.yaml"))
    return [file.relative_to(group).with_suffix("").as_posix() for file in files]


OPTIONS = [f"{group.name}={option}" for group in GROUPS for option in options_of(group)]
EXPERIMENTS = options_of(EXPERIMENT)
STUDIES = [
    name
    for name in EXPERIMENTS
    if "mode: MULTIRUN" in (EXPERIMENT / f"{name}.yaml").read_text(encoding="utf-8")
]
"""Sweeps by themselves."""
SINGLE = [name for name in EXPERIMENTS if name not in STUDIES]

K5 = ("model=kandinsky5", "weights=hub")
NEEDS = {
    **{
        f"metrics={name}": ("task=img2img", "inputs.image=a.png", f"metrics.{name}.against=image")
        for name in ("clip_similarity", "psnr", "ssim", "pixel_difference")
    },
    **{
        f"metrics={name}": (f"metrics.{name}.arguments.real=pictures", "seeds=[0,1]")
        for name in ("clip_fid", "cmmd")
    },
    **{
        f"metrics={name}": (
            f"metrics.{name}.arguments.real=pictures",
            f"metrics.{name}.arguments.network=network.pt",
            "seeds=[0,1]",
        )
        for name in ("fid", "kid")
    },
    "metrics=ms_ssim": (
        "task=img2img", "inputs.image=a.png", "metrics.ms_ssim.against=image", "height=256",
        "width=256",
    ),
    **{
        f"metrics={name}": ("weights=hub",)
        for name in ("pick_score", "hps_v2", "hps_v2_1", "image_reward", "aesthetic_score")
    },
    **{f"task={task}": needed for task, needed in cases.NEEDS.items()},
    "model=kandinsky5": ("weights=hub",),
    "task=edit": (*K5, *cases.NEEDS["edit"]),
    **{f"scheduler={name}": K5 for name in ("flow_euler", "flow_dpmpp_2m", "flow_unipc")},
    **{f"attention={name}": (*K5, "precision=bf16") for name in ("flash", "sage")},
}  # fmt: skip
"""What an option cannot do without."""


@pytest.fixture(autouse=True)
def _everything_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pictures: Callable[[Path], None]
) -> None:
    """A machine with an accelerator and all packages, and a few pictures."""
    monkeypatch.setattr(machine, "guess_device", lambda: "cuda")
    monkeypatch.setattr(checks, "is_installed", lambda module: True)
    pictures(tmp_path)
    (tmp_path / "pictures").mkdir()
    pictures(tmp_path / "pictures")
    with zipfile.ZipFile(tmp_path / "network.pt", "w") as network:
        network.writestr("network/code/__torch__.py", "")


def test_there_are_options_and_experiments() -> None:
    assert len(OPTIONS) > len(GROUPS) > 1
    assert EXPERIMENTS
    assert set(NEEDS) <= set(OPTIONS)


NOT_INSTALLED = ("metrics=lpips", "metrics=dists")
"""Need packages that are no dependency."""


@pytest.mark.parametrize(
    "option",
    [o for o in OPTIONS if not o.startswith("experiment=") and o not in NOT_INSTALLED],
)
def test_each_option_of_each_group_composes_resolves_and_plans(
    composed: Compose, option: str
) -> None:
    group, _, chosen = option.partition("=")
    run = composed(option, *NEEDS.get(option, ()))
    # Most options set a value of their own name; a metric is a key of its own.
    assert chosen.replace("-", "_") in {
        *run.composed[group],
        *map(str, run.composed[group].values()),
    }
    assert len(make_plan(run).images) == len(run.seeds)


@pytest.mark.parametrize(
    ("chosen", "scheduler"),
    [((), "ddpm"), (("scheduler=lcm", "decoder.num_inference_steps=8"), "lcm")],
)
def test_a_model_may_choose_the_scheduler_where_the_user_does_not(
    command: Command, tmp_path: Path, chosen: tuple[str, ...], scheduler: str
) -> None:
    own = tmp_path / "own" / "model"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text(
        "defaults:\n  - kandinsky2_2\n  - override /scheduler@_global_.scheduler: ddpm\n"
    )
    planned = command("plan", f"--config-dir={own.parent}", "model=mine", *chosen)
    assert planned.status == 0, planned.err
    assert f"scheduler {scheduler}" in planned.out


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_each_experiment_begins_with_its_question(name: str) -> None:
    lines = (EXPERIMENT / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# @package _global_"
    comments = []
    for line in lines[1:]:
        if not line.startswith("# "):
            break
        comments.append(line.removeprefix("# "))
    assert "?" in " ".join(comments), f"{name} does not begin with a question"


@pytest.mark.parametrize("name", SINGLE)
def test_each_experiment_plans_under_its_own_name(composed: Compose, name: str) -> None:
    run = composed(f"experiment={name}")
    assert run.question
    assert run.question.endswith("?")
    found = make_plan(run)
    assert len(found.images) == len(run.prompts) * len(run.seeds)
    assert len(found.graph) >= 2


@pytest.mark.parametrize("name", SINGLE)
def test_each_experiment_plans_with_weights_on_disk(
    composed: Compose, name: str, random_weights: Path
) -> None:
    found = make_plan(composed(f"experiment={name}", f"weights={random_weights}"))
    for role, weights in found.weights.checkpoints.items():
        assert weights.source is WeightsSource.folder, role
        assert weights.checked is not None, role
        assert weights.checked.path.parent in (random_weights, MINI_DIR), role


@pytest.mark.parametrize("weights", ["mini", "hub"])
@pytest.mark.parametrize("name", STUDIES)
def test_each_study_plans_as_a_sweep_with_any_weights(
    command: Command, name: str, weights: str
) -> None:
    planned = command("plan", f"experiment={name}", f"weights={weights}", "output_dir=out")
    assert planned.status == 0, planned.err
    cells, images = map(int, re.findall(r"\d+", planned.out.splitlines()[0]))
    assert images >= cells >= 2
    assert "measure" in planned.out


@pytest.mark.parametrize("name", STUDIES)
def test_each_study_ends_in_its_page(name: str) -> None:
    study = yaml.safe_load((EXPERIMENT / f"{name}.yaml").read_text(encoding="utf-8"))
    assert study["report"] is True
    assert study["question"].endswith("?")
    assert study["baseline"]


def test_there_are_studies() -> None:
    assert len(STUDIES) >= 10
