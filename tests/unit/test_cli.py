"""Verbs, and words that are not verbs."""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from runner.cli import VERBS
from unit.conftest import Command, assert_refused


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_its_help(command: Command, verb: str) -> None:
    said = command(verb, "--help")
    assert said.status == 0
    assert "kandinsky" in said.out
    assert said.err == ""


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_its_module(verb: str) -> None:
    assert callable(importlib.import_module(f"runner.verbs.{verb}").main)


def test_help_names_all_verbs(command: Command) -> None:
    said = command("--help")
    assert said.status == 0
    for verb in VERBS:
        assert re.search(rf"^kandinsky \[?{verb}\b", said.out, re.MULTILINE), verb


@pytest.mark.parametrize("word", ["plann", "make-images", "help"])
def test_an_unknown_verb_is_refused(command: Command, word: str) -> None:
    said = command(word)
    assert said.status == 2
    assert said.err.startswith(f"error: {word}: no such verb")
    for verb in VERBS:
        assert verb in said.err


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "again"])
def test_each_verb_refuses_a_flag_that_it_does_not_have(command: Command, verb: str) -> None:
    """`again` hands on what it does not know to `run`."""
    needed = {"convert": ("a", "b"), "reproduce": ("a",)}
    said = command(verb, *needed.get(verb, ()), "--hlep")
    assert_refused(said, "flag=--hlep: no such flag (near: --help", "allowed: ")
    assert said.err.count("\n") == 2


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ("grid --size big", ("size=big: is no whole number", "allowed: a whole number: of each")),
        ("grid --size", ("flag=--size: needs a value", "allowed: --size PX: of each picture")),
        ("grid --colums scheduler", ("no such flag (near: --columns",)),
        ("grid --col scheduler", ("flag=--col: no such flag (near: --cols",)),
        ("compare --confidence high", ("confidence=high: is no number", "(0.95)")),
        ("compare --within", ("flag=--within: needs a value", "axes that make a stratum")),
        ("view --open=yes", ("flag=--open: takes no value",)),
        ("ui --port 99999", ("port=99999: is no port", "0 to 65535")),
        ("export --layout genevl", ("layout=genevl: is not known (near: geneval)", "t2i_comp")),
        ("reproduce", ("argument=run: is missing", "the id of a run")),
        ("export . 'y z'", ("argument=y z: is one too many", "kandinsky export")),
        ("doctor everything", ("argument=everything: is one too many", "kandinsky doctor")),
        ("cache --trim much", ("trim=much: is no number",)),
        ("cache --trm 1", ("flag=--trm: no such flag (near: --trim)",)),
        ("cache --trim nan", ("trim=nan: is no size", "0 GB or more")),
        ("sweeps marge a b", ("output_dir=marge: is no folder (near: merge)", "delete, rename")),
        ("sweeps delete a --yse", ("flag=--yse: no such flag (near: --yes)",)),
        ("sweeps delete a b", ("argument=b: is one too many", "kandinsky sweeps delete [")),
        ("sweeps merge a", ("argument=other: is missing", "gone afterwards")),
        ("workers stop all", ("ID=all: is no whole number",)),
        ("plan --graph=a.mmd --graph b.mmd", ("flag=--graph: is there twice", "one --graph FILE")),
        ("plan --grph x.svg", ("no such flag (near: --graph)",)),
        ("download --newst", ("no such flag (near: --newest)",)),
        ("--cfg jop", ("cfg=jop: is not known (near: job)", "job, hydra, all")),
        ("--config-dir nowhere", ("--config-dir=", "nowhere: there is no such folder")),
        ("-m --mutirun", ("flag=--mutirun: no such flag (near: --multirun",)),
    ],
)
def test_what_is_wrong_with_an_argument_is_one_message(
    command: Command, arguments: str, parts: tuple[str, ...]
) -> None:
    Path("outputs").mkdir()
    Path("outputs", "mlflow.db").touch()  # as if something had run
    Path("outputs", "sweep.json").write_text("{}")
    said = command(*shlex.split(arguments))
    assert_refused(said, *parts)
    assert "usage:" not in said.err


@pytest.mark.parametrize("verb", ["sweeps", "cache", "sync"])
def test_a_folder_that_is_not_there_is_refused(command: Command, verb: str) -> None:
    said = command(verb, "no-such-folder")
    assert said.status == 2
    assert "output_dir=no-such-folder: is no folder" in said.err
    assert command(verb).status == 0, "where nothing was run yet there is none"


def test_an_output_folder_that_cannot_be_made_is_refused(command: Command) -> None:
    said = command("run", "output_dir=/proc/nowhere", "tracking=none")
    assert_refused(said, "output_dir=/proc/nowhere: cannot be made", "you may write to")


def test_the_process_ends_with_the_status(tmp_path: Path) -> None:
    for arguments, status in ((["plan"], 0), (["plan", "promt=1"], 2), (["plann"], 2)):
        done = subprocess.run(
            [sys.executable, "-m", "runner", *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == status
        assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
