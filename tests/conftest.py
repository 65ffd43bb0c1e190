"""What every kind of test may use."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small random checkpoint per released repository; read it only."""
    # Here, not above: most tests need neither the checkpoints nor the seconds of these imports.
    from random_weights import build_all

    return build_all(tmp_path_factory.mktemp("random_weights"))
