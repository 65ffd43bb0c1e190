"""The names by which MLflow's image charts find pictures, and the names of runs."""

from __future__ import annotations

import re

import pytest

from runner.runs.names import cell_name, run_name, sweep_name
from runner.tracking.pictures import chart_files, moment_of, picture_keys

LEGAL = re.compile(r"^[a-zA-Z0-9_\-./ ]+$")
"""The check of a key in `MlflowClient.log_image`."""


def key(prompt: str, seed: int = 0) -> str:
    (found,) = picture_keys([(prompt, seed)])
    return found


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "a red circle",
        "a cat, 4k: best",
        "красный круг",
        "日本の猫",
        "a/../../b",
        "%+~#",
        "x" * 900,
    ],
)
def test_a_key_is_legal_and_short(prompt: str) -> None:
    found = key(prompt, 2**63)
    assert LEGAL.match(found)
    assert len(found) < 90
    assert found.count("/") <= 1
    assert found.endswith(f"seed {2**63}")


def test_a_key_is_of_prompt_and_seed_alone() -> None:
    pictures = [("a red circle", 0), ("a red circle", 1), ("a red, circle", 0), ("Red", 0)]
    keys = picture_keys(pictures)
    assert keys[:2] == ["a red circle/seed 0", "a red circle/seed 1"]
    assert len({*keys}) == len(pictures)
    assert picture_keys(reversed(pictures)) == keys[::-1]
    assert key("a" * 60) != key("a" * 61)


def test_the_same_picture_twice_has_two_keys() -> None:
    assert picture_keys([("a", 0), ("a", 0), ("a", 0)]) == [
        "a/seed 0", "a/seed 0 no 2", "a/seed 0 no 3",
    ]  # fmt: skip


def parsed(name: str) -> tuple[str, int, int, bool]:
    """Key, step, time and whether it is the small one, as MLflow's pages read a name."""
    stem = name.rpartition(".")[0]
    key, step, number, timestamp, time, _ = stem.split("+")[:6]
    assert (step, timestamp) == ("step", "timestamp")
    return key.replace("~", "/"), int(number), int(time), stem.endswith("compressed")


@pytest.mark.parametrize(("side", "kind"), [(256, "png"), (257, "webp")])
def test_names_are_read_as_they_were_meant(side: int, kind: str) -> None:
    files = chart_files("a red circle/seed 3", 1234, 8, side)
    assert parsed(files.full) == ("a red circle/seed 3", 0, 1234, False)
    assert parsed(files.small) == ("a red circle/seed 3", 0, 1234, True)
    assert files.full.endswith(".png")
    assert files.small.endswith(f".{kind}")
    assert files == chart_files("a red circle/seed 3", 1234, 8, side)
    assert "%" not in files.full  # the pages would take it for the separator


def test_the_moment_is_that_of_the_id() -> None:
    first, later = (moment_of(f"20260101T00000{n}-abcdef01-0003") for n in (0, 2))
    assert later - first == 2000
    assert (moment_of("another"), moment_of("99999999T999999-a")) == (0, 0)


@pytest.mark.parametrize(
    ("overrides", "axes", "expected"),
    [
        (
            ["scheduler=ddim", "decoder.guidance_scale=4", "name=x"],
            ["scheduler", "decoder.guidance_scale"],
            "ddim guidance=4",
        ),
        (["weights=/a/b/mine"], ["weights"], "mine"),
        (
            ["prior.num_inference_steps=5", "decoder.num_inference_steps=9"],
            ["prior.num_inference_steps", "decoder.num_inference_steps"],
            "prior.steps=5 decoder.steps=9",
        ),
        (["prompt='a\n red circle'"], ["prompt"], "prompt=a red circle"),
        ([f"prompt={'a' * 90}"], ["prompt"], f"prompt={'a' * 40}…"),
        (["+metrics=lpips", "height=64"], ["+metrics", "height"], "lpips height=64"),
        (["height=64"], [], ""),
    ],
)
def test_a_cell_is_named_by_what_differs(
    overrides: list[str], axes: list[str], expected: str
) -> None:
    assert cell_name(overrides, axes) == expected


def test_sweeps_and_runs_are_named_by_what_was_asked() -> None:
    axes = ["scheduler", "decoder.guidance_scale"]
    assert sweep_name("study", axes) == "study: scheduler x guidance"
    assert sweep_name("study", []) == "study sweep"
    asked = ["scheduler=ddim", "output_dir=/tmp/x", "++progress=json", "+tracking.uri=http://a"]
    assert run_name("study", asked, "20260101T000000-abcdef01") == "study ddim"
    assert run_name("study", [], "20260101T000000-abcdef01") == "study-abcdef01"
