"""Packages that only some cells use."""

from __future__ import annotations

import pytest

from runner.catalog.quantization import METHODS


def needs(method: str) -> None:
    """Skip the test where a package of a method of quantisation is not installed."""
    for package in METHODS[method].packages:
        pytest.importorskip(package)
