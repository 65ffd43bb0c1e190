"""The config's reference: complete, correct, fast, and the same on the page and in the terminal."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from runner.config.hydra import tree
from runner.config.keys import schema_keys
from runner.config.reference import Key, Option, groups, keys
from runner.config.resolve import resolve
from runner.config.run_config import RunConfig
from runner.config.schema import Config
from runner.errors import ConfigError
from runner.planning.planner import make_plan
from unit.conftest import Command, assert_refused


def name_of(value: object) -> str | None:
    """A key in the name of its test."""
    return value.name if isinstance(value, Key) else ""


DOCS = Path(__file__).resolve().parents[2] / "docs"
KEYS = list(keys())
OPTIONS = [option for options in groups().values() for option in options]

PIXELS = "a multiple of 64"
OWN = [key for key in KEYS if not key.explanation.startswith("Default of ")]
"""All but those that another key takes its value from, and whose range is that key's."""


def stated(pattern: str) -> list[tuple[Key, list[float]]]:
    """Keys with numbers in what they take, and these."""
    found = [(key, re.search(pattern, key.takes)) for key in OWN]
    return [(key, [float(n) for n in match.groups()]) for key, match in found if match]


RANGES = stated(r"([\d.]+) to ([\d.]+)")
MINIMA = stated(r"from ([\d.]+)")
SHARES = stated(r"above (0), up to (1)")

NEEDS = {
    "scheduler.clip_sample_range": ("scheduler.clip_sample=true",),
    "scheduler.dynamic_thresholding_ratio": ("scheduler.thresholding=true",),
    "scheduler.sample_max_value": ("scheduler.thresholding=true",),
    "scheduler.original_inference_steps": ("decoder.num_inference_steps=1",),
}
"""What else must be set where a key is."""
PATHS_NEED = {
    "weights.path": ("weights.source=folder",),
    "interpolate.items[n].image": ("task=interpolate",),
    "lora[n].path": (),
}
NO_PATHS = {
    "weights", "weights.source", "task.prompt", "scheduler.eta", "name",
    "metrics.<name>.function", "metrics.<name>.arguments", "lora", "lora[n].file",
}  # fmt: skip
"""Keys that say path, folder or file, and are none. In metrics they are read as such where used."""


@cache
def with_options(*overrides: str) -> DictConfig:
    """A composed config: composing takes long, and setting a key of it does not."""
    tree.register()
    with initialize_config_dir(str(tree.config_dir()), version_base="1.3"):
        return compose(tree.CONFIG_NAME, overrides=list(overrides))


def resolved(key: Key, value: object, *overrides: str) -> RunConfig:
    """A config with one key set. Raises ConfigError where it is refused."""
    config = copy.deepcopy(with_options(*overrides))
    OmegaConf.update(config, key.name, value)
    return resolve(config)


def accepted(key: Key, value: float) -> bool:
    """Whether a config, or its plan, takes a number; a refusal must name the key."""
    whole = "whole number" in key.takes or key.takes.startswith(PIXELS)
    number = int(value) if whole else value
    options = [f"{key.group}={key.options[0]}"] if key.options else []
    try:
        run = resolved(
            key, [number] if "list" in key.takes else number, *options, *NEEDS.get(key.name, ())
        )
        if key.takes.startswith(PIXELS):
            make_plan(run)
    except ConfigError as error:
        if error.key == key.name:
            return False
        raise
    return True


def test_the_page_is_what_the_command_prints(command: Command) -> None:
    said = command("keys", "--markdown")
    assert said.status == 0
    assert (DOCS / "configuration.md").read_text(encoding="utf-8") == said.out


@pytest.mark.parametrize("key", KEYS, ids=name_of)
def test_each_key_is_explained(key: Key) -> None:
    assert re.fullmatch(r"[A-Z`].+\.", key.explanation), key.explanation
    assert "|" not in key.takes + key.default


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: f"{option.group}={option.name}")
def test_each_option_is_explained(option: Option) -> None:
    assert re.fullmatch(r".+\.", option.explanation), option.explanation


def test_all_keys_are_there() -> None:
    own = [key.name for key in KEYS if "[n]" not in key.name and "<name>" not in key.name]
    assert own == list(schema_keys(Config))


@pytest.mark.parametrize(("key", "ends"), RANGES, ids=name_of)
def test_a_range_holds(key: Key, ends: list[float]) -> None:
    low, high = ends
    step = 64 if key.takes.startswith(PIXELS) else 1 if "whole" in key.takes else 0.001
    assert accepted(key, low)
    assert not accepted(key, low - step)
    if high < 2**53:  # above, a float cannot tell it from the next number
        assert accepted(key, high)
        assert not accepted(key, high + step)


@pytest.mark.parametrize(("key", "ends"), MINIMA, ids=name_of)
def test_a_minimum_holds(key: Key, ends: list[float]) -> None:
    assert accepted(key, ends[0])
    assert not accepted(key, ends[0] - 1)


@pytest.mark.parametrize(("key", "ends"), SHARES, ids=name_of)
def test_a_share_holds(key: Key, ends: list[float]) -> None:
    low, high = ends
    assert accepted(key, low + 0.05)
    assert accepted(key, high)
    assert not accepted(key, low)
    assert not accepted(key, high + 0.001)


# A file of axes is read by what makes cells of it: tests/unit/config/test_record_files.py.
@pytest.mark.parametrize("key", [k for k in KEYS if k.path and k.name != "axes"], ids=name_of)
def test_a_path_may_begin_with_the_home(
    key: Key, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    if key.name != "output_dir":  # a folder, which need not exist
        (tmp_path / "x.txt").write_text("a red circle")
    name, _, inside = key.name.partition("[n].")
    value = [{inside: "~/x.txt"}] if inside else "~/x.txt"
    if key.name.startswith("interpolate"):
        value = [{"text": "a"}, *value]
    config = copy.deepcopy(with_options(*PATHS_NEED.get(key.name, ())))
    OmegaConf.update(config, name, value)
    run = resolve(config)
    shown = repr(replace(run, composed={}))
    assert "~" not in shown
    assert str(tmp_path / "x.txt") in shown or run.prompts == ("a red circle",)


def test_each_key_that_is_a_path_is_declared_so() -> None:
    alike = [
        key
        for key in KEYS
        if re.search(r"\bpath\b|[Ff]older|[Ff]ile\b", key.takes + key.explanation)
    ]
    assert {key.name for key in alike if not key.path} == NO_PATHS


def test_there_are_numbers_to_check() -> None:
    assert len(RANGES) > 10
    assert len(MINIMA) > 3
    assert len(SHARES) == 3


@pytest.mark.parametrize(
    "key", [key for key in KEYS if key.group == "scheduler" and key.options], ids=name_of
)
def test_a_key_of_some_schedulers_is_refused_by_the_others(key: Key) -> None:
    first = key.takes.partition(",")[0]
    value = {"true or false": True, "a number": 1, "a whole number": 1}.get(first, first)
    for option in groups()["scheduler"]:
        if option.name not in key.options:
            with pytest.raises(ConfigError, match=rf"^{key.name}=.*: means nothing with"):
                resolved(key, value, f"scheduler={option.name}")


def test_a_word_shows_its_part(command: Command) -> None:
    said = command("keys", "scheduler")
    assert said.status == 0
    heads = [line for line in said.out.splitlines() if not line.startswith(" ")]
    assert [head.split()[0] for head in heads] == [
        key.name for key in KEYS if key.group == "scheduler"
    ]
    assert "scheduler=lcm: " in said.out
    assert "offload" not in said.out


def test_a_part_of_a_name_finds_all_that_have_it(command: Command) -> None:
    heads = [line for line in command("keys", "num_inf").out.splitlines() if line[0] != " "]
    assert [head.split()[0] for head in heads] == [
        "prior.num_inference_steps", "decoder.num_inference_steps",
    ]  # fmt: skip


def test_all_keys_are_shown_with_their_defaults(command: Command) -> None:
    lines = command("keys").out.splitlines()
    assert "decoder.num_inference_steps  [as weights.steps.decoder]" in lines
    assert "seeds  [[0]]" in lines
    assert {key.name for key in KEYS} <= {line.split()[0] for line in lines}


def test_a_word_in_no_key_is_refused(command: Command) -> None:
    assert_refused(command("keys", "schedular"), "keys=schedular", "scheduler")


def test_it_imports_neither_torch_nor_hydra() -> None:
    program = (
        "import sys; from runner.cli import main; main(['keys']);"
        "sys.exit(bool({'torch', 'hydra', 'mlflow', 'diffusers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
