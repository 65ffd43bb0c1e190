"""`make run`: each task of the tour, with the weights that ship."""

from __future__ import annotations

from pathlib import Path

import pytest

from functional.made import Kandinsky
from runner.catalog.versions import CATALOG
from runner.config.hydra import tree
from runner.weights.find import mini_folder

TOUR = sorted((tree.config_dir() / "experiment" / "tour").glob("*.yaml"))


@pytest.mark.parametrize("experiment", [path.stem for path in TOUR])
def test_every_stop_runs_with_the_weights_that_ship(kandinsky: Kandinsky, experiment: str) -> None:
    # Not the copy of them: any folder's Kandinsky 3 draws 1024 x 1024 where nothing else is said.
    # Few steps: how it looks is judged elsewhere.
    made = kandinsky(f"experiment=tour/{experiment}", "weights=mini")
    assert made.manifest["status"] == "FINISHED"
    assert {image["width"] for image in made.manifest["images"]} == {128}
    assert len(made.files) >= 3


def test_the_tour_stops_at_every_task_and_version_of_the_small_family() -> None:
    texts = [path.read_text() for path in TOUR]
    shipped = [
        row
        for row in CATALOG
        if all(mini_folder(checkpoint) is not None for checkpoint in row.checkpoints.values())
    ]
    assert shipped
    for version in {row.version for row in shipped}:
        assert any(f"/model: {version.name}" in text for text in texts), version
    for task in {row.task for row in shipped}:
        named = f"/task: {task.name}\n"
        assert task.name == "text2img" or any(named in text for text in texts), task


@pytest.mark.parametrize("path", TOUR, ids=lambda path: path.stem)
def test_every_stop_begins_with_its_question_and_how_to_read_it(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert lines[1].startswith("# ")
    assert lines[1].endswith("?")
    assert any(line.startswith("# Read it: ") for line in lines)
