"""RunConfig cannot be changed."""

from __future__ import annotations

import dataclasses

import pytest

from unit.conftest import Compose


def test_it_is_frozen(composed: Compose) -> None:
    run = composed()
    with pytest.raises(dataclasses.FrozenInstanceError):
        run.height = 64  # type: ignore[misc]


def test_two_equal_configs_are_equal(composed: Compose) -> None:
    assert composed("seeds=[3]") == composed("seeds=[3]")
    assert composed("seeds=[3]") != composed("seeds=[4]")
