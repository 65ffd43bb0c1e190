"""The order in which groups of cells are run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from runner.runs.groups import group_by_profile


def cells(*ways: str) -> list[Any]:
    return [
        SimpleNamespace(number=number, plan=SimpleNamespace(profile=way))
        for number, way in enumerate(ways)
    ]


def order(found: list[list[Any]]) -> list[list[int]]:
    return [[cell.number for cell in group] for group in found]


def test_cells_that_are_run_alike_are_together_in_order_of_sight() -> None:
    assert order(group_by_profile(cells("a", "b", "a"), {})) == [[0, 2], [1]]
    assert order(group_by_profile(cells("a", "b", "a"), {2: 0})) == [[0, 2], [1]]


def test_whoever_borrows_comes_after_those_whose_pictures_they_are() -> None:
    assert order(group_by_profile(cells("b", "a"), {0: 1})) == [[1], [0]]
    # Two groups hold baselines, and one of them borrows.
    assert order(group_by_profile(cells("a", "a", "b", "a"), {1: 0, 3: 2})) == [[0, 1], [2], [3]]
    chain = order(group_by_profile(cells("c", "b", "a"), {0: 1, 1: 2}))
    assert chain == [[2], [1], [0]]


def test_a_baseline_that_is_done_needs_no_place() -> None:
    assert order(group_by_profile(cells("a", "b"), {0: 7})) == [[0], [1]]


def test_two_that_are_compared_with_each_other_come_to_an_end() -> None:
    assert order(group_by_profile(cells("a", "b"), {0: 1, 1: 0})) == [[0], [1]]
