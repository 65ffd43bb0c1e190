"""What the small family can draw, and what of it is held out."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, product

from runner.mini.vocabulary import BACKGROUNDS, COLOURS, HELD_OUT, SHAPES, all_combinations


def test_one_of_each_shape_on_each_background_is_held_out_and_colours_are_as_frequent() -> None:
    assert Counter((c.shape, c.background) for c in HELD_OUT) == Counter(
        product(SHAPES, BACKGROUNDS)
    )
    frequent = Counter(c.colour for c in HELD_OUT)
    assert frequent.keys() == COLOURS.keys()
    assert set(frequent.values()) == {3, 4}


def test_each_pair_of_what_is_held_out_is_seen_elsewhere() -> None:
    every = set(all_combinations())
    for places in combinations(range(3), 2):
        pairs = {tuple(c[place] for place in places) for c in every}
        assert pairs == {tuple(c[place] for place in places) for c in every - HELD_OUT}
