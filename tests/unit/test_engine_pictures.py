"""Observers get an image's input pictures with it, whatever is stored."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from runner.config.choices import CacheMode
from runner.engine.execute import execute
from runner.engine.results import decode
from runner.engine.store import Store
from runner.engine.workers import in_process
from runner.graph.graph import Graph
from runner.graph.node import Node
from runner.graph.stage_table import STAGES, ResultKind, Stage
from unit.engine_bench import SPEC, Recorder, Source


def draw(node: Node, inputs: Mapping[str, Any], pipeline: Any, on_step: Any) -> Image.Image:
    return Image.new("RGB", (4, 4), (node.integer("red"), 0, 0))


@pytest.fixture(autouse=True)
def _stages(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("stand_in_draw")
    module.run = draw  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(STAGES, "draw", Stage("draw", 1, module.__name__, ResultKind.image))


def drawn(red: int, **inputs: Node) -> Node:
    return Node("draw", 1, {"red": red}, inputs, SPEC, label=f"red {red}")


IMAGE = drawn(10)
HINT = drawn(20, image=IMAGE)


def told(store: Store, *targets: Node) -> dict[str, dict[str, int]]:
    """Label -> name -> red, of the pictures told with each."""
    recorder = Recorder()
    assert execute(Graph(targets), in_process(Source), store, [recorder]).succeeded
    found: dict[str, dict[str, int]] = {}
    for label, result in recorder.results.items():
        found[label] = {}
        for name, made in result.pictures.items():
            picture = decode(made)
            assert isinstance(picture, Image.Image)
            found[label][name] = picture.getpixel((0, 0))[0]  # type: ignore[index]
    return found


@pytest.mark.parametrize("mode", CacheMode)
def test_they_come_with_each_target(tmp_path: Path, mode: CacheMode) -> None:
    store = Store(tmp_path, mode)
    first, second = drawn(1, hint=HINT), drawn(2, hint=HINT, image=IMAGE)
    expected = {"hint": 20, "image": 10}
    found = told(store, first, second)
    assert found["red 1"] == found["red 2"] == expected
    assert found["red 10"] == found["red 20"] == {}
    # Again, when nothing of it has to be made.
    assert told(Store(tmp_path, mode), first)["red 1"] == expected


def test_where_the_store_has_lost_them_nothing_is_made_for_their_sake(tmp_path: Path) -> None:
    target = drawn(1, hint=HINT)
    told(Store(tmp_path, CacheMode.use), target)
    for node in (IMAGE, HINT):
        (entry,) = tmp_path.rglob(node.key)
        for file in entry.iterdir():
            file.unlink()
    assert told(Store(tmp_path, CacheMode.use), target) == {"red 1": {}}


@pytest.mark.parametrize("mode", [CacheMode.use, CacheMode.off])
def test_they_leave_memory_with_their_last_target(tmp_path: Path, mode: CacheMode) -> None:
    store = Store(tmp_path, mode)
    for _ in range(2):
        told(store, drawn(1, hint=HINT), drawn(2, image=IMAGE))
        assert vars(store)["_memory"] == {}
