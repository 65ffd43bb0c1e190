"""Fixtures for all kinds of tests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
"""Threads of torch that wait for each other leave the core to whoever computes: as they spin by
default, tests with two threads take three times as long beside another worker's. To be said before
torch is imported, also to the processes that tests start.
"""


def pytest_configure(config: pytest.Config) -> None:
    """`device=auto` is the CPU wherever accelerators are not what is tested: `make test` asserts
    the same on a machine that has some.
    """
    if "gpu" not in config.option.markexpr.replace("not gpu", ""):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests first: short ones fill the gaps at the end, when a worker has no long one left."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small random checkpoint per released repository; read it only."""
    # Here, not above: most tests need neither the checkpoints nor the seconds of these imports.
    from random_weights import build_all

    return build_all(tmp_path_factory.mktemp("random_weights"))


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the small family: the shipped one may be trained anew meanwhile."""
    from runner.weights.find import MINI_DIR

    folder = tmp_path_factory.mktemp("family") / "weights"
    shutil.copytree(MINI_DIR, folder)
    return folder
