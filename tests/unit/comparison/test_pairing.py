"""Which pictures are compared with which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from helpers.fake_sweeps import Choice, sweep_of
from runner.analysis.comparison.comparing import compare
from runner.analysis.comparison.pairing import (
    Setting,
    compared_axes,
    differences,
    numbers,
    settings_of,
)
from runner.analysis.results import SweepResult
from runner.errors import ConfigError

AXES = {"scheduler": ("ddim", "ddpm"), "steps": ("5", "10")}


def quality(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
    """Each picture's own number, so that a wrong pair is a wrong difference."""
    own = {"a red circle": 100, "a blue square": 200}.get(prompt, 300) + 10 * seed
    gain = {"ddpm": 0.5}.get(choice.get("scheduler", ""), 0.0)
    return {"quality": own + 1000 * int(choice.get("steps", "0")) + gain}


def settings(results: SweepResult, *by: str) -> dict[tuple[str, ...], Setting]:
    found = settings_of(results, by)
    return {tuple(setting.choice.values()): setting for setting in found}


def test_each_cell_is_a_setting_where_nothing_else_is_asked() -> None:
    results = sweep_of({**AXES, "seeds": ("[0]", "[1]")}, quality)
    assert compared_axes(results, None) == ("scheduler", "steps")


def test_pictures_of_one_prompt_and_seed_are_a_pair() -> None:
    found = settings(sweep_of(AXES, quality), "scheduler", "steps")
    assert list(found) == [("ddim", "5"), ("ddim", "10"), ("ddpm", "5"), ("ddpm", "10")]
    sample = differences(found["ddpm", "10"], found["ddim", "5"], "quality")
    assert sample.values == (5000.5,) * 8
    assert sample.prompts == ("a red circle",) * 4 + ("a blue square",) * 4
    assert sample.seeds == (0, 1, 2, 3) * 2


def test_by_one_axis_pairs_within_each_value_of_the_other() -> None:
    found = settings(sweep_of(AXES, quality), "scheduler")
    assert len(numbers(found["ddpm",], "quality").values) == 16
    assert differences(found["ddpm",], found["ddim",], "quality").values == (0.5,) * 16


def test_pictures_that_one_of_them_lacks_are_no_pair() -> None:
    def some(choice: Choice, prompt: str, seed: int) -> dict[str, float] | None:
        if choice == {"scheduler": "ddim", "steps": "5"} and seed == 2:
            return None  # no such picture
        if choice["scheduler"] == "ddpm" and seed == 3:
            return {"other": 1.0}  # there, but not measured
        return quality(choice, prompt, seed)

    found = settings(sweep_of(AXES, some), "scheduler", "steps")
    assert len(numbers(found["ddpm", "5"], "quality").values) == 6
    sample = differences(found["ddpm", "5"], found["ddim", "5"], "quality")
    assert sample.seeds == (0, 1, 0, 1)
    assert sample.values == (0.5,) * 4


def test_settings_without_a_common_picture_have_no_pair() -> None:
    def own(choice: Choice, prompt: str, seed: int) -> dict[str, float] | None:
        mine = (prompt == "a red circle") == (choice["scheduler"] == "ddim")
        return quality(choice, prompt, seed) if mine else None

    found = settings(sweep_of(AXES, own), "scheduler")
    assert differences(found["ddpm",], found["ddim",], "quality").values == ()


def test_prompts_are_paired_by_their_places() -> None:
    axes = {"prompt": ("a red circle", "красный круг"), "steps": ("5", "10")}
    found = settings(sweep_of(axes, quality), "prompt")
    sample = differences(found["красный круг",], found["a red circle",], "quality")
    assert sample.values == (200,) * 8
    assert set(sample.prompts) == {"a red circle"}


def test_prompts_are_paired_by_their_places_where_a_cell_has_grown() -> None:
    """Its new pictures have the next free numbers; the manifest is in order of prompts, seeds."""
    prompts = {"circle": ("a circle", "b circle"), "square": ("a square", "b square")}

    def cell(name: str, files: Sequence[int]) -> SweepResult:
        def score(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
            return {"quality": 100.0 * ord(prompt[0]) + 10 * seed + (name == "square")}

        made = sweep_of({"by": (name,)}, score, prompts=prompts[name], seeds=(0, 1))
        (only,) = made.cells
        assert only.manifest is not None
        images = [
            replace(image, file=f"{number:04d}_x.png")
            for number, image in zip(files, only.manifest.images, strict=True)
        ]
        config = {**only.config, "seeds": [0, 1]}
        grown = replace(only.manifest, images=images, config=config)
        return replace(made, cells=(replace(only, manifest=grown),))

    # Begun with seed 0 alone: 0000 and 0001 are the prompts, 0002 and 0003 those of seed 1.
    grown, whole = cell("circle", (0, 2, 1, 3)), cell("square", (0, 1, 2, 3))
    both = replace(grown, axes={"by": ("circle", "square")}, cells=(*grown.cells, *whole.cells))
    by_prompt = replace(
        both,
        axes={"prompt": ("circle", "square")},
        cells=tuple(replace(c, choice={"prompt": c.choice["by"]}) for c in both.cells),
    )
    one, other = settings(by_prompt, "prompt").values()
    assert set(differences(other, one, "quality").values) == {1.0}


def test_a_prompt_that_comes_twice_is_one_picture() -> None:
    results = sweep_of(AXES, quality, prompts=("a red circle", "a red circle"))
    found = settings(results, "scheduler", "steps")
    assert len(numbers(found["ddim", "5"], "quality").values) == 4


def test_cells_that_lack_an_axis_are_a_setting_of_their_own() -> None:
    results = sweep_of(AXES, quality)
    last = replace(results.cells[3], choice={"scheduler": "ddpm"})
    found = settings_of(replace(results, cells=(*results.cells[:3], last)), ["scheduler", "steps"])
    assert [dict(setting.choice) for setting in found][3] == {"scheduler": "ddpm"}


def test_numbers_that_are_none_are_counted_and_left_out() -> None:
    def some(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
        return {"quality": float("nan") if seed == 0 else 1.0}

    found = settings(sweep_of(AXES, some), "scheduler", "steps")
    assert numbers(found["ddim", "5"], "quality").values == (1.0,) * 6
    assert found["ddim", "5"].left_out == {"quality": 2}


@pytest.mark.parametrize(
    ("axes", "by", "said"),
    [
        (AXES, ["scheduler", "guidance"], "by=guidance: is no axis of this sweep"),
        (AXES, [], "names no axis"),
        ({"prompt": ("a", "b")}, None, "varies nothing but prompts and seeds"),
    ],
)
def test_axes_that_are_none_are_refused(
    axes: dict[str, tuple[str, ...]], by: Sequence[str] | None, said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        compared_axes(sweep_of(axes, quality), by)
    assert all(axis in str(refused.value) for axis in axes)


def test_settings_without_a_pair_are_told_with_what_keeps_them_apart() -> None:
    whole = sweep_of({"scheduler": ("ddpm", "ddim"), "scheduler.eta": ("null", "0")}, quality)
    # Only ddim has an eta.
    cells = [c for c in whole.cells if (c.choice["scheduler"] == "ddim") == (
        c.choice["scheduler.eta"] == "0")]  # fmt: skip
    some = replace(whole, cells=tuple(cells))
    told = [note for note in compare(some, by=["scheduler"]).notes if "no pair" in note]
    assert told == [
        "scheduler=ddim has no pair with the baseline: no cell of it has the same scheduler.eta. "
        "To compare them all the same: --by scheduler scheduler.eta."
    ]
    for results, by in ((whole, ["scheduler"]), (some, ["scheduler", "scheduler.eta"])):
        assert not [note for note in compare(results, by=by).notes if "no pair" in note]


def test_other_pictures_of_one_setting_are_refused() -> None:
    results = sweep_of(AXES, quality)
    twin = replace(results.cells[0], number=4)
    assert len(settings_of(replace(results, cells=(*results.cells, twin)), list(AXES))) == 4
    assert twin.manifest is not None
    images = [replace(image, sha256="another") for image in twin.manifest.images]
    other = replace(twin, manifest=replace(twin.manifest, images=images))
    with pytest.raises(ConfigError, match="cells=0 and 4: have the same values of all axes"):
        settings_of(replace(results, cells=(*results.cells, other)), ["scheduler"])
