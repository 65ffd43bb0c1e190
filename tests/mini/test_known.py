"""The vocabulary of trained weights, and unknown words of a prompt."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runner.mini.known import Known, read_known
from runner.mini.vocabulary import Combination
from runner.weights.find import MINI_DIR


@pytest.mark.parametrize(
    ("prompt", "unknown"),
    [
        ("", []),
        ("A red circle, on a GREY background.", []),
        ("a half-circle above a ring", []),
        ("A Zebra, a red zebra on MARS-2!", ["zebra", "mars", "2"]),
        ("красный круг слева от синего квадрата", []),
        ("красный кот", ["кот"]),
        ("白色背景上的红色圆形", []),
        ("白色背景上的红色猫咪和狗", ["猫咪", "狗"]),
        ("一幅画，白色背景上有一个小的红色半圆在左上角", []),
        ("一个红色圆环在蓝色正方形的左边", []),
        # Characters of known words, and no known word.
        ("白色背景上有一个红色圆", ["圆"]),
        ("红色的圆形", ["的"]),
        ("红圆形", ["红"]),
    ],
)
def test_unknown_words_are_in_order_lower_cased_and_listed_once(
    prompt: str, unknown: list[str]
) -> None:
    assert read_known(MINI_DIR).unknown_words(prompt) == unknown


def test_what_is_written_beside_weights_is_read_again(tmp_path: Path) -> None:
    known = Known(
        words=frozenset({"red", "жёлтый"}),
        chinese=frozenset({"红色"}),
        languages=("en", "ru", "zh"),
        most_objects=2,
        held_out=(Combination("circle", "red", "white"),),
    )
    known.write(tmp_path)
    assert read_known(tmp_path) == known


def test_the_shipped_weights_say_what_they_know() -> None:
    known = read_known(MINI_DIR)
    assert known.unknown_words("a red circle on a white background") == []
    assert known.unknown_words("a red zebra") == ["zebra"]
    assert known.held_out


def test_asking_for_unknown_words_imports_neither_torch_nor_numpy() -> None:
    code = (
        "import sys; from runner.mini.known import read_known; from runner.weights.find import "
        "MINI_DIR; assert read_known(MINI_DIR).unknown_words('a cat') == ['cat'];"
        "print(sorted({'torch', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
