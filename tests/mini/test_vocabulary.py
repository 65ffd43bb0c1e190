"""The words of the small family."""

from __future__ import annotations

import subprocess
import sys
from itertools import combinations, product
from random import Random

from runner.mini.scenes import caption, sample_scene
from runner.mini.vocabulary import (
    BACKGROUNDS,
    COLOURS,
    HELD_OUT,
    SHAPES,
    WORDS,
    Combination,
    unknown_words,
)


def test_every_caption_uses_known_words_only() -> None:
    rng = Random(0)
    for _ in range(2000):
        text, _ = caption(rng, sample_scene(rng).combination)
        assert unknown_words(text) == []


def test_every_word_occurs_in_some_caption() -> None:
    rng = Random(1)
    seen: set[str] = set()
    for _ in range(5000):
        seen.update(caption(rng, sample_scene(rng).combination)[0].split())
    assert seen == WORDS


def test_unknown_words_are_in_order_lower_cased_and_listed_once() -> None:
    assert unknown_words("A Zebra, a red zebra on MARS-2!") == ["zebra", "mars", "2"]


def test_capitals_and_punctuation_do_not_make_a_word_unknown() -> None:
    assert unknown_words("A red circle, on a GREY background.") == []


def test_no_prompt_has_no_unknown_words() -> None:
    assert unknown_words("") == []


def test_held_out_combinations_exist_and_each_pair_of_them_is_seen_elsewhere() -> None:
    every = {Combination(*c) for c in product(SHAPES, COLOURS, BACKGROUNDS)}
    assert every > HELD_OUT
    seen = every - HELD_OUT
    for places in combinations(range(3), 2):
        pairs = {tuple(c[place] for place in places) for c in every}
        assert pairs == {tuple(c[place] for place in places) for c in seen}


def test_asking_for_unknown_words_imports_neither_torch_nor_numpy() -> None:
    code = (
        "import sys; from runner.mini.vocabulary import unknown_words; unknown_words('a cat');"
        "print(sorted({'torch', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
