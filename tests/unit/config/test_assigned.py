"""Overrides as keys and values."""

from __future__ import annotations

import pytest

from runner.config.overrides import assigned, quote_home
from unit.conftest import Command


def test_keys_and_values_are_texts() -> None:
    found = assigned(["a=1", "b.c=x=y", "+d=", "~e"])
    assert found == {"a": "1", "b.c": "x=y", "+d": "", "~e": ""}


@pytest.mark.parametrize(
    ("typed", "quoted"),
    [
        ("prompt_file=~/a.txt", "prompt_file='~/a.txt'"),
        ("weights=~/a,~me/b", "weights='~/a','~me/b'"),
        ("items=[{text: '=~/a'}, {image: ~/b.png}]", "items=[{text: '=~/a'}, {image: '~/b.png'}]"),
        ("~compile", "~compile"),
        ("prompt='a ~/b'", "prompt='a ~/b'"),
    ],
)
def test_the_home_needs_no_quotes(typed: str, quoted: str) -> None:
    assert quote_home(typed) == quoted


def test_a_sweep_may_delete_a_group(command: Command) -> None:
    planned = command("plan", "-m", "~compile", "scheduler=ddim,ddpm")
    assert planned.status == 0, planned.err
    assert "2 cells" in planned.out
