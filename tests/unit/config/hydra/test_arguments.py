"""Texts may be typed as they are, and what is chosen of a group is a name."""

from __future__ import annotations

import pytest

from runner.config.files import config_dir
from runner.config.hydra.arguments import prepare
from runner.config.hydra.single import compose_one
from unit.conftest import Command, assert_refused

GROUPS = sorted({file.parent.name for file in config_dir().glob("*/*.yaml")})


@pytest.mark.parametrize("group", GROUPS)
def test_no_option_of_a_group_is_null(command: Command, group: str) -> None:
    some = min(file.stem for file in (config_dir() / group).glob("*.yaml"))
    assert_refused(command("plan", f"{group}=null"), f"{group}=null", "no name", some)


@pytest.mark.parametrize(
    "arguments",
    [
        ["scheduler=5"], ["scheduler=[5]"], ["~scheduler=5"], ["--cfg", "job", "scheduler=5"],
        ["-m", "scheduler=5,ddim"], ["-m", "scheduler=range(5,6)"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_nor_a_number(command: Command, arguments: list[str]) -> None:
    said = command("plan", *arguments)
    assert_refused(said, "scheduler=5: is no name", "checkpoint, ddim")


@pytest.mark.parametrize(
    "text",
    [
        "красный круг", "一个红色的圆", "naïve café", "don't", "wow!", "a (red) circle", "f: g; h",
        "#1", "a & b", "a=b", "(a", "what?", 'a "b" c', "O'Neil's",
    ],
)  # fmt: skip
def test_a_text_needs_no_inner_quotes(text: str) -> None:
    run = compose_one([f"prompt={text}", f"negative_prompt={text} "])
    assert (run.prompts, run.negative_prompt) == ((text,), text)


@pytest.mark.parametrize(
    "argument",
    [
        "prompt=plain text", "prompt='in quotes'", 'prompt="in quotes"', "prompt=[один,'два']",
        "prompt=choice(один,два)", "prompt=a ${ключ}", "name=имя", "prompt=it's, or not",
        "prompt=a,é,",
    ],
)  # fmt: skip
def test_what_hydra_reads_or_may_mean_otherwise_stays(argument: str) -> None:
    assert prepare([argument]) == [argument]


def test_a_comma_separates_the_values_of_a_sweep(command: Command) -> None:
    assert prepare(["prompt=один, два"]) == ["prompt='один','два'"]
    refused = command("plan", "prompt=один, два")
    assert_refused(refused, "prompt=", "comma", "'prompt=\"", "-m")
