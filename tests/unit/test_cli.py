"""Verbs, and words that are not verbs."""

from __future__ import annotations

import importlib
import re
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


@pytest.mark.parametrize("verb", ["keys", "models", "doctor", "sync"])
def test_verbs_without_a_config_refuse_what_they_do_not_know(command: Command, verb: str) -> None:
    said = command(verb, "--no-such-option")
    assert said.status == 2
    assert "--no-such-option" in said.err


@pytest.mark.parametrize("verb", ["sweeps", "cache", "sync"])
def test_a_folder_that_is_not_there_is_refused(command: Command, verb: str) -> None:
    said = command(verb, "no-such-folder")
    assert said.status == 2
    assert "no-such-folder is no folder" in said.err
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
