"""Working directories whose processes end with the test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.tracking.database import make_database
from runner.tracking.spool import Target
from tracking.processes import Workplace


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without runs. MLflow takes a second of a core to make one; `test_writers`, the
    golden record and whole commands elsewhere have the writer make theirs.
    """
    file = tmp_path_factory.mktemp("empty") / "mlflow.db"
    make_database(Target(f"sqlite:///{file}", str(file.parent / "mlartifacts")))
    return file


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, weights: Path, empty_store: Path
) -> Iterator[Workplace]:
    """A workplace for all tests of a module."""
    place = Workplace(tmp_path_factory.mktemp("shared"), weights, empty_store)
    yield place
    place.stop_all()


@pytest.fixture
def place(tmp_path: Path, weights: Path, empty_store: Path) -> Iterator[Workplace]:
    """A workplace of one test."""
    place = Workplace(tmp_path, weights, empty_store)
    yield place
    place.stop_all()


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Path:
    """A store with results of the default prompt, seeds 0 and 1: such a run needs no torch."""
    place = Workplace(tmp_path_factory.mktemp("stored"), weights)
    status, output = place.run("tracking=none", "seeds=[0,1]")
    assert status == 0, output
    return place.outputs / ".cache"


@pytest.fixture
def warm(place: Workplace, stored: Path) -> Workplace:
    """A workplace where `seeds=[0,1]` is stored already, and nothing else is there."""
    shutil.copytree(stored, place.outputs / ".cache")
    return place


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """Where a spool made by hand goes: a fresh sqlite store."""
    return Target(
        uri=f"sqlite:///{tmp_path / 'mlflow.db'}",
        artifact_root=str(tmp_path / "mlartifacts"),
    )
