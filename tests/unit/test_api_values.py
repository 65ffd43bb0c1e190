"""The Python API: a value means itself, and whatever is wrong ends in an error of the runner."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from helpers.fuzzing import SAME
from helpers.made_sweeps import Made, write_sweep
from runner import Sweep, plan, sweep
from runner.config.keys import schema_keys
from runner.config.run_config import RunConfig
from runner.config.schema import Config
from runner.errors import RunnerError
from runner.planning.plan import Plan

LISTS = 6
"""Lists of six texts."""
CALLS = 60
"""Calls with one or two keys of any value."""
UNSHRUNK = settings(SAME, phases=[Phase.generate])

PIECES = ["\\", "\\\\", "${", "${oc.env:HOME}", "$", "{", "}", "'", '"', ",", "=", "[", "]", "~/",
          "1", "null", "true", " ", "\n", "\t", "ü", "#", "(", ":", "日", "a"]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=8).map(lambda parts: "x" + "".join(parts))


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def planned(*overrides: str, **keys: Any) -> RunConfig:
    """The config of one run's plan."""
    found = plan(*overrides, **keys)
    assert isinstance(found, Plan)
    return found.run


@settings(UNSHRUNK, max_examples=LISTS)
@given(st.lists(TEXTS, min_size=6, max_size=6))
def test_a_text_is_that_text(texts: list[str]) -> None:
    found = planned(prompt=texts, negative_prompt=texts[0], question=texts[1])
    assert found.prompts == tuple(texts)
    assert (found.negative_prompt, found.question) == (texts[0], texts[1])


def test_numbers_and_lists_of_numpy_are_those_of_python() -> None:
    found = planned(
        seeds=range(3),
        height=np.int64(64),
        width=np.uint8(64),
        strength=np.float32(0.5),
        resume=np.bool_(False),
        decoder={"guidance_scale": Fraction(3, 2), "num_inference_steps": np.array(3)},
    )
    assert (found.seeds, found.height, found.width) == ((0, 1, 2), 64, 64)
    assert (found.strength, found.resume) == (0.5, False)
    assert (found.decoder.guidance_scale, found.decoder.num_inference_steps) == (1.5, 3)
    many = list(range(500, 0, -1))
    assert planned(seeds=np.array(many)).seeds == tuple(many)
    assert planned(f"seeds={many}").seeds == tuple(many)


endless: list[Any] = []
endless.append(endless)
ENDLESS: dict[str, Any] = {}
ENDLESS["a"] = ENDLESS
ODD = [
    None, True, False, 0, -1, 3, 2.5, float("nan"), float("inf"), 10**30, 10**5000, 1e300, 2j, "",
    "x", "1", "a=b", "${x}", "\\${x}", "a\0b", "\ud800", "~", b"x", {1, 2}, range(2), range(10**12),
    np.int64(3), np.float32(np.nan), np.bool_(True), np.arange(2), np.zeros((2, 2)), np.str_("x"),
    np.array(["a", None], dtype=object), (), [], {}, [None], [[]], [1, "a"], {"a": 1}, {1: 2},
    {"a b": 1}, [{"text": "a"}], [{1: 2}], endless, ENDLESS, Path("x"), object(), len, Config,
]  # fmt: skip
VALUES = st.sampled_from(ODD) | TEXTS | st.integers() | st.floats()
NAMES = st.sampled_from([*schema_keys(Config), "promt", "a b", "", "~scheduler", "+x", "hydra"])


def test_anything_else_ends_in_an_error_of_the_runner() -> None:
    outcomes: list[bool] = []

    @settings(UNSHRUNK, max_examples=CALLS)
    @given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=2))
    def each(keys: dict[str, Any]) -> None:
        try:
            plan(**keys)
        except RunnerError as error:
            assert str(error).strip()  # noqa: PT017 - whatever is raised besides fails the test
            outcomes.append(False)
        else:
            outcomes.append(True)

    each()
    assert set(outcomes) == {True, False}


@pytest.mark.parametrize("wrong", ["seeds", "seeds=(1", "x=interval(0,1)", "~", "", 3, None, b"x"])
def test_a_wrong_override_is_an_error_of_the_runner(wrong: Any) -> None:
    for call in (plan, sweep):
        with pytest.raises(RunnerError):
            call(wrong)


def test_a_notebook_says_a_prompt_that_is_an_axis_once(tmp_path: Path) -> None:
    axes = {"prompt": ("a red circle", "a cross")}
    made = Sweep.read(write_sweep(tmp_path / "one", Made(axes, prompts=("a red circle",))))
    # As one row's label; below the two pictures of the other row, which differ, and as their names.
    assert made._repr_html_().count("a red circle") == 1 + 2 * 2
