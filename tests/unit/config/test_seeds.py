"""`seeds` as people write them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.config.hydra.single import compose_one
from runner.config.seeds import seeds_of
from runner.errors import StorageError
from unit.conftest import Command, assert_refused


@pytest.mark.parametrize(
    ("written", "seeds"),
    [
        ("3", (0, 1, 2)), ("[7,3]", (7, 3)), ("range(3)", (0, 1, 2)), ("range(2,4)", (2, 3)),
        ("range(0, 9, 4)", (0, 4, 8)), ("range(3,0,-1)", (3, 2, 1)), ("'3'", (0, 1, 2)),
        ("['7','3']", (7, 3)),
    ],
)  # fmt: skip
def test_each_way_of_writing_seeds(written: str, seeds: tuple[int, ...]) -> None:
    run = compose_one([f"seeds={written}"])
    assert run.seeds == seeds
    # Recorded as the list that it means: the same sweep as one of that list.
    assert run.composed["seeds"] == list(seeds)


def test_the_same_in_python_and_in_a_file(tmp_path: Path) -> None:
    for value in (4, "4", "range(0,4)", [0, 1, 2, 3]):
        assert seeds_of(value, tmp_path) == (0, 1, 2, 3)


def test_drawn_seeds_stay_and_grow(tmp_path: Path) -> None:
    four = seeds_of("random(4)", tmp_path)
    assert len(set(four)) == 4
    assert seeds_of("random(4)", tmp_path) == four
    six = seeds_of("random(6)", tmp_path)
    assert (six[:4], len(set(six))) == (four, 6)
    assert seeds_of("random(2)", tmp_path) == four[:2]
    assert json.loads((tmp_path / "seeds.json").read_text()) == {"drawn": list(six)}
    assert seeds_of("random(4)", tmp_path / "other") != four


@pytest.mark.parametrize("content", ["{", "{}", '{"drawn": ["1"]}', '{"drawn": [1, 1]}', "[-1]"])
def test_a_damaged_file_of_drawn_seeds_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "seeds.json").write_text(content)
    with pytest.raises(StorageError, match=r"seeds\.json"):
        seeds_of("random(1)", tmp_path)


def test_all_cells_of_a_sweep_have_the_seeds_that_were_drawn(
    command: Command, tmp_path: Path
) -> None:
    arguments = ("plan", "-m", "scheduler=ddim,ddpm", "seeds=random(3)")
    first, again = command(*arguments), command(*arguments)
    assert (first.status, first.out) == (0, again.out)
    assert first.out.startswith("2 cells, 6 images\n")
    assert "  prior            3 distinct of 6; 0 already stored\n" in first.out
    assert (tmp_path / "working" / "outputs" / "default" / "seeds.json").is_file()


def test_the_seeds_that_were_drawn_are_recorded_with_the_command(command: Command) -> None:
    assert command("plan", "seeds=random(2)").status == 0
    run = compose_one(["seeds='random(2)'", "height=64"])
    assert run.composed["seeds"] == list(run.seeds)
    assert run.overrides == (f"seeds=[{run.seeds[0]},{run.seeds[1]}]", "height=64")


def test_ranges_may_be_the_values_of_an_axis(command: Command) -> None:
    said = command("plan", "-m", "seeds=range(0,2),range(2,5)")
    assert said.out.startswith("2 cells, 5 images\n"), said


@pytest.mark.parametrize("written", ["4,8", "[1],2", "choice(4,8)", "shuffle(range(1,3))"])
def test_a_bare_number_among_several_is_refused(command: Command, written: str) -> None:
    said = command("plan", "-m", f"seeds={written}")
    assert_refused(said, f"seeds={written}: may be meant as seeds or as numbers of seeds")


def test_seeds_in_the_params_of_a_file_mean_the_same(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "own" / "experiment" / "mine.yaml"
    file.parent.mkdir(parents=True)
    params = "{seeds: 'range(0,3)', height: '64,128'}"
    file.write_text(
        f"# @package _global_\nhydra: {{mode: MULTIRUN, sweeper: {{params: {params}}}}}"
    )
    said = command("plan", "--config-dir", str(tmp_path / "own"), "experiment=mine")
    assert said.out.startswith("2 cells, 6 images\n"), said
