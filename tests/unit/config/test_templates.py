"""Prompts from templates, and words of prompts replaced."""

from __future__ import annotations

import pytest

from runner.config.axes import settings_of
from runner.config.hydra.single import compose_one
from runner.config.templates import prompts_of_template, replaced
from runner.errors import ConfigError
from unit.conftest import Command, assert_refused


@pytest.mark.parametrize(
    ("template", "prompts"),
    [
        ("a {red|blue} {circle|square}",
         ["a red circle", "a red square", "a blue circle", "a blue square"]),
        ("a red|blue circle", ["a red|blue circle"]),
        ("{|very }red", ["red", "very red"]),
        ("{{dark |}red|blue} circle", ["dark red circle", "red circle", "blue circle"]),
        (r"\{a\|b\} {c\|d|e} \n \\", [r"{a|b} c|d \n \ ".strip(), r"{a|b} e \n \ ".strip()]),
        (["{a|b}", "{b|c}"], ["a", "b", "c"]),
    ],
)  # fmt: skip
def test_what_a_template_means(template: object, prompts: list[str]) -> None:
    assert list(prompts_of_template(template)) == prompts


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{a|b", "has a { without its }"), ("a|b}", "has a } without its {"), (3, "is no text"),
        ("{a|b}" * 18, "is 262,144 prompts"),
    ],
)  # fmt: skip
def test_a_template_that_cannot_be_read_is_refused(template: object, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        prompts_of_template(template)
    assert said in str(caught.value)


def test_a_template_is_many_prompts_of_one_cell_or_many_cells(command: Command) -> None:
    run = compose_one(["prompt_template={red|blue} circle, on white"])
    assert run.prompts == ("red circle, on white", "blue circle, on white")
    assert run.composed["prompt_template"] == "{red|blue} circle, on white"
    assert settings_of({"prompt_template": "{red|blue} circle"}) == [
        {"prompt": "red circle"}, {"prompt": "blue circle"}
    ]  # fmt: skip
    refused = command("plan", "prompt_template={a|b}", "prompt=a red circle")
    assert_refused(refused, "prompt=a red circle: prompt_template={a|b} is set too")
    # Braces in a prompt mean nothing.
    assert compose_one(["prompt='{red|blue} circle'"]).prompts == ("{red|blue} circle",)


def test_words_are_replaced_at_the_same_time() -> None:
    prompts = ["a red circle", "a blue circle"]
    assert replaced(prompts, {"red": "blue", "blue": "red"}) == ("a blue circle", "a red circle")
    assert replaced(prompts, ["a blue", "one"]) == ("a red circle", "one circle")
    assert replaced(prompts, [["red", "a.b"], ["red circle", r"\1"]]) == (r"a \1", "a blue circle")
    words = {"red": "blue", "circle": ["square", "cross"]}
    assert settings_of({"prompt_replace": words}) == [
        {"prompt_replace": [["red", "blue"], ["circle", "square"]]},
        {"prompt_replace": [["red", "blue"], ["circle", "cross"]]},
    ]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{squares: circle}", "'squares' is in no prompt"), ("[a]", "'a' is no pair of texts"),
        ("[a,3]", "['a', 3] is no pair"), ("3", "says no texts"), ("[]", "says no texts"),
    ],
)  # fmt: skip
def test_a_replacement_that_cannot_be_is_refused(value: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose_one(["prompt=a red circle", f"prompt_replace={value}"])
    assert said in str(caught.value)


def test_replacing_as_an_axis(command: Command) -> None:
    words = "axes={prompt_replace: {red circle: ['blue, square', it's a cross]}}"
    said = command("plan", words, "prompt=[a red circle,one red circle]")
    assert said.out.startswith("2 cells, 4 images\n"), said
    assert "prompt_replace=['red circle','it\\'s a cross']\n" in said.out
