"""Mistakes in a user's own config files: the message names file or key, and the error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.errors import OverrideParseException

from runner.config.hydra.problems import config_problem
from runner.config.keys import schema_keys
from runner.config.schema import Config
from runner.config.words import no_such_key
from unit.conftest import Command, Said, assert_refused

HEADER = "# @package _global_\n"

DAMAGED = [
    ("promt: x", "experiment/mine", "promt", "no such key", "prompt"),
    ("decoder: {steps: 3}", "experiment/mine", "decoder.steps", "decoder.num_inference_steps"),
    (
        "decoder: {num_inference_steps: many}",
        "experiment/mine",
        "num_inference_steps=many: is no",
        "1 to 1000",
    ),
    ("seeding: both", "experiment/mine", "seeding", "per_stage, shared"),
    ("seeds: few", "seeds=few", "says no seeds", "random(count)"),
    ("prior: null", "experiment/mine", "prior", "cannot be null"),
    ("prior: 3", "experiment/mine", "3 is no section"),
    ("- a", "experiment/mine"),
    ("hydra: {nonsense: 1}", "experiment/mine", "hydra.nonsense"),
    ("3: x", "experiment/mine", "3", "no such key"),
    ("prompt: 3", "prompt=3", "not text"),
    ("prompt: [a, yes]", "prompt=True", "not text"),
    ("prompt: []", "prompt=[]", "at least one"),
    ("prompt: [a", "mine.yaml", "line 2"),
    ("prompt:\n\t- a", "mine.yaml", "line 3"),
    ("prompt: a\nprompt: b", "mine.yaml", "duplicate key prompt"),
    ("prompt: ${a", "prompt", "${a"),
    ("prompt: ${a.b}", "prompt=${a.b}", "no key a.b"),
    ("prompt: ${oc.env:NO_SUCH_VARIABLE}", "prompt=", "NO_SUCH_VARIABLE"),
    ("prompt: ${question}\nquestion: ${prompt}", "Recursive interpolation"),
    ("defaults: 3", "experiment/mine", "list"),
    ("defaults: [override /scheduler: pndm]", "scheduler=pndm", "ddim, ddpm"),
    ("defaults: [/scheduler: ddpm]", "scheduler is chosen already", "- override /scheduler: ddpm"),
    ("defaults: [override /schedulr: ddim]", "schedulr", "scheduler"),
    ("defaults: [override /weights: no/such/folder]", "weights=no/such/folder", "folder"),
]


@pytest.fixture
def plan_with(command: Command, tmp_path: Path) -> Callable[[bytes], Said]:
    def plan(content: bytes) -> Said:
        file = tmp_path / "own" / "experiment" / "mine.yaml"
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
        return command("plan", "--config-dir", str(tmp_path / "own"), "experiment=mine")

    return plan


@pytest.mark.parametrize("case", DAMAGED, ids=lambda case: case[0])
def test_mistake_in_an_experiment(
    plan_with: Callable[[bytes], Said], case: tuple[str, ...]
) -> None:
    content, *parts = case
    assert_refused(plan_with(f"{HEADER}{content}\n".encode()), *parts)


@pytest.mark.parametrize("content", [b"prompt: a\n", b"", b"\xef\xbb\xbf# @package _global_\n"])
def test_a_file_without_the_package_line(
    plan_with: Callable[[bytes], Said], content: bytes
) -> None:
    assert_refused(plan_with(content), "experiment/mine", "# @package _global_")


def test_a_file_that_is_not_utf8(plan_with: Callable[[bytes], Said]) -> None:
    said = plan_with(HEADER.encode() + b"prompt: caf\xe9\n")
    assert_refused(said, "not UTF-8", "prompt: caf")


def test_an_experiment_of_a_users_own_works(plan_with: Callable[[bytes], Said]) -> None:
    said = plan_with(
        HEADER.encode() + "defaults: [override /scheduler: ddpm]\nprompt: ein Kreis, grün".encode()
    )
    assert said.status == 0
    assert "scheduler ddpm" in said.out
    assert "ein Kreis, grün" in said.out


def test_an_option_of_a_users_own_works(command: Command, tmp_path: Path) -> None:
    (tmp_path / "own" / "precision").mkdir(parents=True)
    (tmp_path / "own" / "precision" / "mixed.yaml").write_text("prior: fp32\ndecoder: bf16\n")
    own = str(tmp_path / "own")
    assert command("plan", "--config-dir", own, "precision=mixed").status == 0
    said = command("plan", "--config-dir", own, "precision=mixd")
    assert_refused(said, "precision=mixd", "bf16, fp16, fp32, mixed")


def test_missing_config_dir(command: Command, tmp_path: Path) -> None:
    said = command("plan", "--config-dir", str(tmp_path / "none"))
    assert_refused(said, str(tmp_path / "none"))


def test_hydras_own_variable_shows_its_traceback(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(Exception, match="promt"):
        command("plan", "promt=3")


def test_schema_keys_are_dotted_paths() -> None:
    keys = set(schema_keys(Config))
    assert {"prior", "prior.num_inference_steps", "weights.decoder.repo", "prompt"} <= keys


def test_a_key_far_from_all_has_no_near_ones() -> None:
    assert no_such_key("xyzzy") == "no such key"
    assert "prompt" in no_such_key("promt")


def test_an_error_without_words_shows_its_kind() -> None:
    assert config_problem(ValueError()) == "ValueError"


def test_an_override_that_cannot_be_read_shows_its_key_only() -> None:
    text = config_problem(OverrideParseException("key=secret=", "extraneous input '='"))
    assert text.startswith("key: cannot be read: extraneous input")
    assert "secret" not in text


def test_several_values_without_a_sweep_are_told(command: Command) -> None:
    said = command("plan", "height=range(64,256,64)")
    assert said.status == 2
    assert "height=range(64,256,64): is several values, and this is one run" in said.err
    assert "one value, -m, a cell for each" in said.err
