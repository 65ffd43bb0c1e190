"""Keys in which the cells of a sweep differ, by what was typed and by their configs."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from runner.config.values import one_of
from runner.recording.sweep_record import CellEntry
from runner.runs.sweep_axes import axis_keys, with_axes

LETTERS = "abcdefghijklmnopqrstuvwxyz"
LORA = {"path": "x.safetensors", "weight": 1.0, "role": None}


@pytest.mark.parametrize(
    ("key", "one", "other", "same"),
    [
        ("corrections", "'on'", "true", True),
        ("corrections", "no", "off", True),
        ("corrections", "1", "on", True),
        ("resume", "on", "off", False),
        ("graphs", "'on'", "on", True),
        ("graphs", "auto", "on", False),
        ("decoder.guidance_scale", "4", "4.0", True),
        ("decoder.guidance_scale", "1e1", "10", True),
        ("+decoder.eta", "1", "true", False),
        ("batch_size", "1", "true", False),
        ("prompt", "'a text'", '"a text"', True),
        ("prompt", "yes", "on", False),
        ("prompt", "4", "4.0", False),
        ("negative_prompt", "NULL", "null", True),
        ("negative_prompt", "null", "'null'", False),
        ("interpolate.items.0.text", "on", "true", False),
        ("lora.1.revision", "1e3", "1000", False),
        ("lora.0.weight", "1e3", "1000", True),
        ("prompt", "[a,b]", "['a', 'b']", True),
        ("prompt_template", "a {c} # 1", "a {c} # 2", False),
        ("scheduler", "ddim", "'ddim'", True),
        ("seeds", "[1,2]", "[1, 2]", True),
        ("lora", "[{path: a, weight: 1}]", "[{weight: 1.0, path: a}]", True),
        ("model.steps", "9" * 5000, "2026-99-99", False),
        (
            "axes",
            f"[&a [0,1]{''.join(f',&{b} [*{a},*{a}]' for a, b in pairwise(LETTERS))}]",
            "[]",
            False,
        ),
    ],
)
def test_values_are_the_same_by_what_their_key_makes_of_them(
    key: str, one: str, other: str, same: bool
) -> None:
    assert (one_of(key, one, [other]) is not None) is same


@pytest.mark.parametrize(
    ("typed", "config", "values"),
    [
        ("corrections=off", {"corrections": "on"}, ("'on'", "off")),
        ("quantize.denoiser=nf4", {}, ("'none'", "nf4")),
        ("compile.regional=true", {"compile": {"mode": None}}, ("false", "true")),
        ("channels_last=true", {}, ("false", "true")),
        ("model.variant=sft", {"model": {"version": "kandinsky5"}}, ("null", "sft")),
        ("lora.0.weight=0.5", {"lora": [LORA]}, ("1.0", "0.5")),
    ],
)
def test_cells_that_join_differ_from_those_whose_records_leave_the_key_out(
    typed: str, config: dict[str, Any], values: tuple[str, str]
) -> None:
    old = CellEntry(0, ("scheduler=ddim",), "0", "f")
    new = CellEntry(1, ("scheduler=ddim", typed), "1", "f")
    key = typed.partition("=")[0]
    keys = axis_keys([["scheduler"]], [old.overrides, new.overrides])
    (first, second), axes = with_axes([old, new], {0: {"name": "t", **config}}, keys)
    assert axes == {key: values}
    assert f"{key}={values[0]}" in first.overrides
    assert typed in second.overrides
