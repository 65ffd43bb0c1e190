"""RunConfig cannot be changed."""

from __future__ import annotations

import dataclasses

import pytest

from runner.config.resolve import resolve_record
from unit.conftest import Compose


def test_it_is_frozen(composed: Compose) -> None:
    run = composed()
    with pytest.raises(dataclasses.FrozenInstanceError):
        run.height = 64  # type: ignore[misc]


def test_two_equal_configs_are_equal(composed: Compose) -> None:
    assert composed("seeds=[3]") == composed("seeds=[3]")
    assert composed("seeds=[3]") != composed("seeds=[4]")


@pytest.mark.parametrize(("asked", "older"), [("on", {}), ("off", {"corrections": False})])
def test_a_record_says_on_or_off_and_is_read_back(
    composed: Compose, asked: str, older: dict[str, bool]
) -> None:
    run = composed(f"corrections={asked}")
    assert run.recorded["corrections"] == asked
    before = {key: value for key, value in run.recorded.items() if key != "corrections"}
    for record in (run.recorded, {**before, **older}):
        assert resolve_record(record).corrections is run.corrections
        assert resolve_record(record).composed == run.composed
