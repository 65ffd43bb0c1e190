"""Similar nodes run in one call: which go together, and the result of each."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from runner.config.choices import CacheMode
from runner.engine.batching import batch_of, group_of
from runner.engine.execute import execute
from runner.engine.outcome import Outcome
from runner.engine.store import Store
from runner.engine.workers import in_process
from runner.graph.graph import Graph
from runner.graph.node import Node, PipelineSpec
from runner.graph.stage_table import BATCHED, STAGES, ResultKind, Stage
from unit.engine_bench import SPEC, Deep, Recorder, Source

CALLS: list[list[int]] = []


def picture(seed: int) -> Image.Image:
    return Image.new("RGB", (4, 4), (seed, 0, 0))


def draw(node: Node, inputs: Mapping[str, Any], pipeline: Any, on_step: Any) -> Image.Image:
    CALLS.append([node.integer("seed")])
    if node.integer("seed") == 13:
        raise ValueError("unlucky")
    return picture(node.integer("seed"))


def draw_many(node: Node, inputs: Mapping[str, Any], pipeline: Any, on_step: Any) -> Any:
    members: Any = node.params["members"]
    seeds = [member["seed"] for member in members]
    CALLS.append(seeds)
    on_step(1, 1)
    if 13 in seeds:
        raise ValueError("unlucky")
    return [picture(seed) for seed in seeds]


@pytest.fixture(autouse=True)
def _stages(monkeypatch: pytest.MonkeyPatch) -> None:
    CALLS.clear()
    for run, kind in ((draw, ResultKind.image), (draw_many, ResultKind.images)):
        module = ModuleType(f"stand_in_{run.__name__}")
        module.run = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(STAGES, run.__name__, Stage(run.__name__, 1, module.__name__, kind))
    monkeypatch.setitem(BATCHED, "draw", "draw_many")


def drawn(seed: int, *, batched: bool = True, spec: PipelineSpec = SPEC, size: int = 4) -> Node:
    params: dict[str, Any] = {"seed": seed, "size": size}
    if batched:
        params["batched"] = True
    return Node("draw", 1, params, {}, spec, label=f"seed {seed}")


class Ran:
    """A graph, run."""

    def __init__(self, folder: Path, nodes: list[Node], size: int) -> None:
        self.recorder = Recorder()
        store = Store(folder, CacheMode.use)
        self.outcome: Outcome = execute(
            Graph(nodes), in_process(Source), store, [self.recorder], batch_size=size
        )

    def told(self, what: str) -> list[str]:
        return [event[1] for event in self.recorder.told if event[0] == what]


def test_nodes_of_a_group_are_run_together_and_taken_apart(tmp_path: Path) -> None:
    nodes = [drawn(seed) for seed in range(1, 6)]
    ran = Ran(tmp_path, nodes, 3)
    assert CALLS == [[1, 2, 3], [4, 5]]
    assert ran.outcome.finished == {node.key for node in nodes}
    assert ran.told("started") == ran.told("finished") == [node.label for node in nodes]
    for node in nodes:
        value = ran.recorder.results[node.label].value
        assert isinstance(value, Image.Image)
        assert value.getpixel((0, 0)) == (node.params["seed"], 0, 0)
    seconds = {ran.recorder.results[node.label].ran.seconds for node in nodes[:3]}
    assert len(seconds) == 1  # each pays the same share


def test_none_waits_for_a_worker_in_a_batch_that_may_still_grow(tmp_path: Path) -> None:
    stored, first = drawn(8, batched=False), drawn(1, batched=False)
    Ran(tmp_path, [stored], 1)
    CALLS.clear()
    made_from = {2: first, 3: stored, 4: stored}
    targets = [replace(drawn(seed), inputs={"image": one}) for seed, one in made_from.items()]
    store = Store(tmp_path, CacheMode.use)
    execute(Graph(targets), lambda _, told: Deep(told), store, [], batch_size=3)
    assert CALLS[0] == [1]
    assert sorted(map(sorted, CALLS[1:])) == [[2, 3, 4]]


def test_what_is_stored_is_left_out_of_a_batch(tmp_path: Path) -> None:
    Ran(tmp_path, [drawn(2)], 1)
    CALLS.clear()
    ran = Ran(tmp_path, [drawn(seed) for seed in (1, 2, 3)], 3)
    assert CALLS == [[1, 3]]
    assert ran.told("reused") == ["seed 2"]


def test_one_that_fails_costs_the_others_nothing(tmp_path: Path) -> None:
    ran = Ran(tmp_path, [drawn(seed) for seed in (1, 13, 3)], 3)
    assert CALLS == [[1, 13, 3], [1], [13], [3]]
    assert sorted(ran.told("finished")) == ["seed 1", "seed 3"]
    assert ran.told("failed") == ["seed 13"]


def test_only_alike_nodes_go_together(tmp_path: Path) -> None:
    other = PipelineSpec("Another", "weights", "float32", "sdpa", None, None)
    nodes = [
        drawn(1), drawn(2, size=8), drawn(3, spec=other), drawn(4, batched=False), drawn(5),
    ]  # fmt: skip
    Ran(tmp_path, nodes, 8)
    assert sorted(CALLS) == [[1, 5], [2], [3], [4]]


@pytest.mark.parametrize("size", [1, 2])
def test_a_batch_of_one_is_the_node_itself(tmp_path: Path, size: int) -> None:
    Ran(tmp_path, [drawn(1)], size)
    assert CALLS == [[1]]


def test_the_node_of_a_batch_has_its_members_inputs() -> None:
    embedded = [Node("prior", 1, {"number": number}) for number in (1, 2)]
    members = [
        Node("draw", 1, {"seed": seed, "size": 4, "batched": True}, {"prior": prior}, SPEC)
        for seed, prior in zip((7, 8), embedded, strict=True)
    ]
    assert group_of(members[0]) == group_of(members[1]) is not None
    node = batch_of(members).node
    assert dict(node.inputs) == {"0.prior": embedded[0], "1.prior": embedded[1]}
    assert node.params["members"] == [{"seed": 7}, {"seed": 8}]
    assert node.params["size"] == 4
