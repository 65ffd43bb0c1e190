"""`axes`: which combinations are meant, and what is refused."""

from __future__ import annotations

import pytest

from runner.config.axes import settings_of
from runner.errors import ConfigError


def test_an_entry_is_a_product_in_which_the_last_key_changes_fastest() -> None:
    entry = {"scheduler": ["ddim", "ddpm"], "height,width": [[64, 128], [128, 64]], "resize": "fit"}
    assert [tuple(one.values()) for one in settings_of(entry)] == [
        ("ddim", 64, 128, "fit"), ("ddim", 128, 64, "fit"),
        ("ddpm", 64, 128, "fit"), ("ddpm", 128, 64, "fit"),
    ]  # fmt: skip


def test_several_entries_are_their_union() -> None:
    text = "[{scheduler: [ddpm, ddim]}, {scheduler: ddim, scheduler: {eta: [0, 1e-1]}}]"
    with pytest.raises(ConfigError, match="duplicate key"):
        settings_of(text)
    text = "[{scheduler: [ddpm, ddim]}, {scheduler: ddim}, {scheduler: ddim, decoder: {a: [1, 2]}}]"
    assert settings_of(text) == [
        {"scheduler": "ddpm"}, {"scheduler": "ddim"},
        {"scheduler": "ddim", "decoder.a": 1}, {"scheduler": "ddim", "decoder.a": 2},
    ]  # fmt: skip


def test_numbers_and_truth_values_are_not_the_same_setting() -> None:
    assert len(settings_of({"x": [1, True, 1.0, "1", 1]})) == 4


def test_a_list_among_the_values_is_one_value() -> None:
    assert settings_of({"seeds": [[0, 1], [2]]}) == [{"seeds": [0, 1]}, {"seeds": [2]}]
    assert settings_of({"seeds": "random(3)"}) == [{"seeds": "random(3)"}]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("[]", "says no cell"),
        ("3", "is no mapping"),
        ("{scheduler: []}", "has no value"),
        ("{scheduler: [a", "cannot be read as YAML"),
        ("{height: 64, 'height,width': [[1, 2]]}", "axes=height: is named twice"),
        ("{'height,width': [64, 128]}", "height,width=64: is no list of 2 values"),
        ("{'height,width': [[64, 128, 1]]}", "is no list of 2 values"),
        ("{hydra.mode: [RUN]}", "is the same for all cells"),
        ("{axes: [1]}", "is the same for all cells"),
        ("{tracking.uri: ['http://user:pa55@host']}", "axes=tracking.uri: is set beside axes"),
        ("{'a b': [1]}", "is no name of a key"),
        ("{height:64}", "a space after the colon"),
    ],
)
def test_what_is_no_axes_is_refused(value: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("[", r"\[")):
        settings_of(value)
