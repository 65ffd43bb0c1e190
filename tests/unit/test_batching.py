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
from runner.engine.batch_sizes import BatchSizes
from runner.engine.batching import Batching, batch_of, group_of
from runner.engine.execute import execute
from runner.engine.observer import Ran as Done
from runner.engine.outcome import Outcome
from runner.engine.store import Store
from runner.engine.workers import in_process
from runner.graph.graph import Graph
from runner.graph.node import Node, PipelineSpec
from runner.graph.stage_table import BATCHED, STAGES, Batched, ResultKind, Stage
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
    monkeypatch.setitem(BATCHED, "draw", Batched("draw_many", ("seed",), ("prior",)))


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
            Graph(nodes), in_process(Source), store, [self.recorder], batch_sizes=BatchSizes(size)
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
    targets = [replace(drawn(seed), inputs={"prior": one}) for seed, one in made_from.items()]
    store = Store(tmp_path, CacheMode.use)
    execute(Graph(targets), lambda _, told: Deep(told), store, [], batch_sizes=BatchSizes(3))
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


class Device(Source):
    """A device that holds so many pictures at once, each of 10 bytes beside 100 of weights."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def memory(self) -> tuple[int, int] | None:
        return 100, self.room

    def peak_memory_bytes(self) -> int | None:
        return 100 + 10 * len(CALLS[-1]) if CALLS else None


def calls_on(
    room: int, folder: Path, pictures: int, most: int | None = None, reckoned: int = 3
) -> list[int]:
    nodes = [drawn(seed) for seed in range(20, 20 + pictures)]
    sizes = BatchSizes(most, lambda _: reckoned)
    recorder = Recorder()
    opened = in_process(lambda: Device(room))
    execute(Graph(nodes), opened, Store(folder, CacheMode.use), [recorder], batch_sizes=sizes)
    assert sorted(seed for call in CALLS for seed in call) == list(range(20, 20 + pictures))
    assert len(recorder.results) == pictures
    return [len(call) for call in CALLS]


def test_a_batch_grows_to_what_the_device_holds_as_measured(tmp_path: Path) -> None:
    # 85% of 300 bytes leave room for 15 pictures; the other 17 are two alike calls.
    assert calls_on(300, tmp_path, 20) == [3, 9, 8]


def test_a_batch_shrinks_to_what_the_device_holds_as_measured(tmp_path: Path) -> None:
    assert calls_on(165, tmp_path, 14, reckoned=8) == [7, 4, 3]


def test_one_that_grows_begins_anywhere(tmp_path: Path) -> None:
    assert calls_on(300, tmp_path, 9, reckoned=1) == [1, 8]


@pytest.mark.parametrize("most", [None, 8])
def test_out_of_memory_halves_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int | None
) -> None:
    class OutOfMemoryError(RuntimeError):
        """As torch names it."""

    tried = []

    def draw_few(node: Node, inputs: Mapping[str, Any], pipeline: Any, on_step: Any) -> Any:
        members: Any = node.params["members"]
        tried.append(len(members))
        if len(members) > 3:
            raise OutOfMemoryError("CUDA out of memory")
        return draw_many(node, inputs, pipeline, on_step)

    monkeypatch.setattr(sys.modules["stand_in_draw_many"], "run", draw_few)
    calls = calls_on(10_000, tmp_path, 10, most, reckoned=5)
    assert max(calls) <= 3
    assert sum(size > 3 for size in tried) <= 2, "no size is tried again that did not fit"


def test_a_size_that_makes_nothing_faster_is_not_kept() -> None:
    sizes = BatchSizes(None, lambda _: 2)
    node = drawn(1)
    assert sizes.size(node) == 2
    sizes.learn(node, 2, engine_ran(2.0))
    assert sizes.size(node) == 10  # 85% of 235 bytes, 10 for each
    sizes.learn(node, 10, engine_ran(10.1))
    assert sizes.size(node) == 2


def engine_ran(seconds: float) -> Done:
    count = round(seconds)
    return Done(None, seconds, peak_memory_bytes=100 + 10 * count, memory=(100, 236))  # type: ignore[arg-type]


def test_one_that_fills_the_memory_leaves_something_for_every_worker() -> None:
    nodes = [drawn(seed) for seed in range(10)]
    batching = Batching(BatchSizes(None, lambda _: 64))
    assert len(batching.fill(nodes[0], nodes[1:], lambda _: True)) == 10
    batching.workers = 4
    assert len(batching.fill(nodes[0], nodes[1:], lambda _: True)) == 3
    asked = Batching(BatchSizes(8))
    asked.workers = 4
    assert len(asked.fill(nodes[0], nodes[1:], lambda _: True)) == 8, "as it was asked for"
