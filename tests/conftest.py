"""What every kind of test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """`device=auto` is the CPU wherever accelerators are not what is tested: `make test` asserts
    the same on a machine that has some.
    """
    if "gpu" not in config.option.markexpr.replace("not gpu", ""):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small random checkpoint per released repository; read it only."""
    # Here, not above: most tests need neither the checkpoints nor the seconds of these imports.
    from random_weights import build_all

    return build_all(tmp_path_factory.mktemp("random_weights"))
