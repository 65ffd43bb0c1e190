"""Which cells and pictures `--where` takes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from helpers.fake_sweeps import Choice, sweep_of
from runner.analysis.comparison.comparing import compare
from runner.analysis.results import SweepResult
from runner.analysis.selecting import select
from runner.errors import ConfigError

PROMPTS = tuple(f"prompt {number}" for number in range(4))
AXES = {"model": ("a", "b"), "guidance": ("1", "4"), "scheduler": ("ddim", "ddpm")}


def gaining(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
    return {"quality": 10.0 * seed + (choice["scheduler"] == "ddpm")}


@pytest.fixture(scope="module")
def results() -> SweepResult:
    return sweep_of(AXES, gaining, prompts=PROMPTS, seeds=(0, 1))


def test_cells_are_taken_by_their_values(results: SweepResult) -> None:
    taken = select(results, ["model=a", "guidance=1"])
    assert [cell.number for cell in taken.cells] == [0, 1]
    assert taken.axes == {"scheduler": ["ddim", "ddpm"]}
    both = select(results, ["model=a", "model=b"])
    assert both.cells == results.cells


def test_pictures_are_taken_by_prompt_and_seed(results: SweepResult) -> None:
    some = select(results, ["model=a", f"prompt={PROMPTS[0]}", "seed=0"])
    assert {(i.prompt, i.seed) for i in some.images()} == {(PROMPTS[0], 0)}
    assert len(some.cells) == 4
    compared = compare(some, by=["scheduler"], baseline=["ddim"])
    assert {row.n for row in compared.metrics["quality"].rows} == {2}
    both = select(results, [f"prompt={PROMPTS[0]}", f"prompt={PROMPTS[1]}"])
    assert {image.prompt for image in both.images()} == set(PROMPTS[:2])


def test_a_prompt_may_be_a_pattern_and_brackets_are_brackets() -> None:
    prompts = ("a [red] circle?", "a red circle!", "a blue square")
    axes = {"scheduler": ("ddim", "ddpm"), "model": ("a",)}
    sweep = sweep_of(axes, gaining, prompts=prompts, seeds=(0,))

    def taken(text: str) -> set[str]:
        return {image.prompt for image in select(sweep, [f"prompt={text}"]).images()}

    assert taken("*circle*") == set(prompts[:2])
    assert taken("a [red] *") == {prompts[0]}
    assert taken("a [red] circle?") == {prompts[0]}
    with pytest.raises(ConfigError, match=r"(?s)is of no picture.*prompt=a blue square"):
        taken("a re? circle!")


def test_a_pattern_beside_a_value_of_an_axis_means_either() -> None:
    axes = {"scheduler": ("ddim", "ddpm"), "model": ("a",), "prompt": ("a circle", "a square", "x")}
    sweep = sweep_of(axes, gaining, seeds=(0,))
    taken = select(sweep, ["prompt=a circle", "prompt=*sq*"])
    assert {image.prompt for image in taken.images()} == {"a circle", "a square"}


def test_a_number_of_a_whole_cell_is_not_that_of_some_of_its_pictures() -> None:
    sweep = sweep_of(
        {"scheduler": ("ddim", "ddpm"), "model": ("a",)}, gaining, prompts=PROMPTS[:2], seeds=(0,),
        better={"quality": "higher", "fid": "lower"}, whole=lambda choice: {"fid": 3.0},
    )  # fmt: skip
    assert "fid" in select(sweep, ["seed=0"]).better
    assert "fid" not in select(sweep, [f"prompt={PROMPTS[0]}"]).better


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (
            ["modl=a"],
            "names no axis of this sweep (near: model)\n  allowed: model=..., guidance=...",
        ),
        (["model=c"], "is in no cell of this sweep\n  allowed: model=a, model=b"),
        (["model"], "is in no cell of this sweep\n  allowed: model=a, model=b"),
    ],
)
def test_wrong_values_are_refused(results: SweepResult, where: Sequence[str], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        select(results, where)
    assert said in str(refused.value)
