"""Studies in `experiments/`: each asks a question, and has enough pictures for an answer."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from runner.analysis.comparison.pairing import ENOUGH_PROMPTS
from runner.analysis.comparison.statistics import can_decide
from runner.config.hydra import tree
from runner.config.prompts import prompts_of

EXPERIMENTS = tree.config_dir().parent / "experiments"


def sweeping(file: Path) -> bool:
    return "hydra" in OmegaConf.load(file)


STUDIES = [file for file in sorted(EXPERIMENTS.glob("*.yaml")) if sweeping(file)]


def test_there_are_studies() -> None:
    assert len(STUDIES) >= 10


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_it_has_enough_pairs_for_a_verdict(file: Path) -> None:
    config = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    assert isinstance(config, dict)
    assert config["question"].endswith("?")
    axes = [str(values).split(",") for values in config["hydra"]["sweeper"]["params"].values()]
    settings = len(list(itertools.product(*axes)))
    prompts = 1
    if "prompt_file" in config:
        prompts = len(prompts_of(None, str(EXPERIMENTS / "inputs" / "prompts.txt")))
    elif isinstance(config.get("prompt"), list):
        prompts = len(config["prompt"])
    blocks = prompts if prompts >= ENOUGH_PROMPTS else prompts * len(config["seeds"])
    assert can_decide(blocks, 0.05 / (settings - 1)), f"{blocks} for {settings} settings"
