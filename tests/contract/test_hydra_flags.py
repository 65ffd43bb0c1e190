"""Hydra's own command line keeps working, through both commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from runner import __version__
from runner.config.hydra import tree
from unit.conftest import Command, Said


def call(cwd: Path, *command: str, **variables: str) -> Said:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **variables},
        timeout=60,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def test_cfg_shows_the_composed_config(command: Command) -> None:
    said = command("plan", "--cfg", "job", "scheduler=ddpm", "prompt=a")
    shown = yaml.safe_load(said.out)
    assert said.status == 0
    assert (shown["scheduler"]["name"], shown["prompt"]) == ("ddpm", "a")
    assert {v for k, v in shown["scheduler"].items() if k != "name"} == {None}


def test_cfg_resolves(command: Command) -> None:
    said = command("--cfg", "job", "--resolve", "--package", "decoder")
    assert yaml.safe_load(said.out.partition("\n")[2])["num_inference_steps"] == 25


@pytest.mark.parametrize("what", ["all", "config", "defaults", "defaults-tree", "searchpath"])
def test_info(tmp_path: Path, what: str) -> None:
    # In a process of its own: what shows it is Hydra's logger, which keeps the first stdout.
    said = call(tmp_path, sys.executable, "-m", "runner", "--info", what)
    assert said.status == 0, said.err
    assert said.out.strip()
    assert "Traceback" not in said.err
    if what == "searchpath":
        assert "weights-folder" in said.out


def test_help_lists_groups_options_and_keys(command: Command) -> None:
    said = command("--help")
    assert said.status == 0
    assert "scheduler: checkpoint, ddim, ddpm" in said.out
    assert "guidance_scale" in said.out


def test_hydra_help(command: Command) -> None:
    said = command("--hydra-help")
    assert said.status == 0
    assert "--multirun" in said.out


def test_version(command: Command) -> None:
    """The program's own: Hydra's is that of a library."""
    assert command("--version").out == f"kandinsky-runner {__version__}\n"


def test_an_unknown_flag_is_refused(command: Command) -> None:
    said = command("plan", "--no-such-flag")
    assert said.status == 2
    assert "--no-such-flag" in said.err


COMMANDS = {
    "python -m runner": [sys.executable, "-m", "runner"],
    "kandinsky": [str(Path(sys.executable).with_name("kandinsky"))],
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("sched", {"scheduler=", "scheduler."}),
        ("scheduler=dd", {"scheduler=ddim", "scheduler=ddpm"}),
        ("decoder.num", {"decoder.num_inference_steps="}),
        ("experiment=first", {"experiment=first_light"}),
        ("weights=", {"weights=hub", "weights=mini"}),
        ("comp", {"compare", "compile="}),
        ("plan scheduler=dd", {"scheduler=ddim", "scheduler=ddpm"}),
        ("run ", {"scheduler=", "prompt="}),
    ],
)
def test_shell_completion(tmp_path: Path, name: str, typed: str, expected: set[str]) -> None:
    # As the script that `-sc install=bash` prints does it; of Python it knows no -m.
    line = f"kandinsky {typed}"
    said = call(
        tmp_path,
        *COMMANDS[name],
        "-sc",
        "query=bash",
        COMP_LINE=line,
        COMP_POINT=str(len(line)),
    )
    assert said.status == 0, said.err
    assert expected <= set(said.out.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_completion_script_is_printed(tmp_path: Path, name: str) -> None:
    said = call(tmp_path, *COMMANDS[name], "-sc", "install=bash")
    assert said.status == 0
    assert "COMP_LINE" in said.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", "height=64", "-m", "width=64,128"),
        ("plan", "-m", "height=64", "width=64,128"),
        ("plan", "height=64", "width=64,128", "--multirun"),
    ],
)
def test_flags_may_stand_among_overrides(command: Command, arguments: tuple[str, ...]) -> None:
    said = command(*arguments)
    assert said.status == 0, said.err
    assert "64 x 64" in said.out
    assert "128 x 64" in said.out


def test_groups_of_the_help_are_those_of_the_tree(command: Command) -> None:
    groups = {f.name for f in tree.config_dir().iterdir() if f.is_dir() and f.name != "hydra"}
    shown = {line.split(":")[0] for line in command("--help").out.splitlines()}
    assert groups <= shown


MULTIRUN = "hydra: {mode: MULTIRUN, sweeper: {params: {scheduler: 'ddim,ddpm'}}}\n"


@pytest.mark.parametrize("how", ["override", "search path", "config dir", "the tree itself"])
def test_a_config_may_say_itself_that_it_is_a_multirun(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    mine = tmp_path / "mine"
    (mine / "task").mkdir(parents=True)
    (mine / "task" / "both.yaml").write_text(f"# @package _global_\n{MULTIRUN}")
    given = {
        "override": ["hydra.mode=MULTIRUN", "scheduler=ddim,ddpm"],
        "search path": [f"hydra.searchpath=[file://{mine}]", "+task@_global_=both"],
        "config dir": ["--config-dir", str(mine), "+task@_global_=both"],
        "the tree itself": [],
    }
    if how == "the tree itself":
        copied = tmp_path / "conf"
        shutil.copytree(tree.config_dir(), copied)
        file = copied / "config.yaml"
        own = file.read_text().replace("mode: ${multirun_if:${axes}}", "mode: MULTIRUN")
        file.write_text(f"{own}  sweeper: {{params: {{scheduler: 'ddim,ddpm'}}}}\n")
        monkeypatch.setattr(tree, "config_dir", lambda: copied)
    said = command("plan", "prompt=a red circle", *given[how])
    assert said.status == 0, said.err
    assert said.out.startswith("2 cells"), said.out
