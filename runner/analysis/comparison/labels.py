"""Labels of settings for tables and plots; users' texts are made safe and short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

NO_VALUE = "–"
"""Shown where a cell lacks an axis, as in a sweep that is no product of its axes."""


def one_line(text: str) -> str:
    """Text without control characters, line ends and changes of writing direction."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def shorten(text: str, most: int) -> str:
    """Cut a text to a number of characters: a longer one keeps its beginning and its end."""
    if len(text) <= most:
        return text
    head = (most - 1) * 2 // 3
    return f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"


def axis_names(by: Sequence[str]) -> list[str]:
    """Keys cut to their last part where that is unique: num_inference_steps."""
    short = [axis.lstrip("+").rpartition(".")[2] for axis in by]
    return [
        one_line(name if short.count(name) == 1 else axis)
        for name, axis in zip(short, by, strict=True)
    ]


def values_of(choice: Mapping[str, str], by: Sequence[str]) -> list[str]:
    """A setting's values in the order of the axes."""
    return [one_line(choice[axis]) if axis in choice else NO_VALUE for axis in by]


def format_choice(choice: Mapping[str, str]) -> str:
    """A setting as typed on a command line: scheduler=ddim decoder.num_inference_steps=10."""
    return " ".join(one_line(f"{axis}={value}") for axis, value in choice.items())


def percent(confidence: float) -> str:
    """95 %."""
    return f"{100 * confidence:g} %"
