"""Texts that no file could hold: from YAML, from environment variables, from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from unit.conftest import Command, assert_refused

YAML = {
    "latin-1": ('prompt: "caf\xe9"'.encode("latin-1"), "mine.yaml is not UTF-8 text"),
    "utf-16": ("prompt: a".encode("utf-16"), "mine.yaml is not UTF-8 text"),
    "a NUL": (rb'question: "a\0b"', "question=a\\x00b: holds a NUL character"),
    "half a letter": (rb'question: "a\ud800b"', "question=a\\ud800b: is no UTF-8 text"),
    "in a list": (rb'prompt: [a, "b\0"]', "prompt[1]=b\\x00: holds a NUL character"),
}


@pytest.mark.parametrize("kind", YAML)
def test_a_config_file_that_is_no_text_is_named(command: Command, kind: str) -> None:
    content, problem = YAML[kind]
    file = Path("conf/experiment/mine.yaml")
    file.parent.mkdir(parents=True)
    file.write_bytes(b"# @package _global_\n" + content)
    assert_refused(command("plan", "--config-dir", "conf", "experiment=mine"), problem)


def test_an_environment_variable_that_is_no_text_names_its_key(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE", "caf\udce9")
    said = command("plan", "question=${oc.env:MINE}")
    assert_refused(said, "question=caf\\udce9: is no UTF-8 text")
