"""Keys, order, merging and pictures of graphs."""

from __future__ import annotations

import dataclasses
import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.graph.graph import Graph
from runner.graph.node import CompileSpec, LoraSpec, Node, PipelineSpec, SchedulerSpec

SCHEDULER = SchedulerSpec("ddim")
PRIOR = PipelineSpec("P", "weights-a", "float32", "sdpa", None, None)
DECODER = PipelineSpec("D", "weights-b", "float32", "sdpa", None, SCHEDULER)


def node(stage: str = "prior", pipeline: PipelineSpec | None = PRIOR, **params: Any) -> Node:
    return Node(stage, 1, params, pipeline=pipeline, libraries={"torch": "1"})


def decode(prior: Node, **params: Any) -> Node:
    return replace(node("decode", DECODER, **params), inputs={"prior": prior})


NODE = Node(
    stage="decode",
    stage_version=1,
    params={"seed": 1, "scale": 4.0},
    inputs={"prior": node(seed=1)},
    pipeline=DECODER,
    libraries={"torch": "1", "diffusers": "2"},
    label="a label",
)

NODE_CHANGES: dict[str, list[dict[str, Any]]] = {
    "stage": [{"stage": "prior"}],
    "stage_version": [{"stage_version": 2}],
    "params": [
        {"params": {"seed": 2, "scale": 4.0}},
        {"params": {"seed": 1, "scale": 4.5}},
        {"params": {"seed": 1, "scale": 4.0, "more": None}},
        {"params": {"seed": "1", "scale": 4.0}},
        {"params": {"seed": 1}},
    ],
    "inputs": [
        {"inputs": {"prior": node(seed=2)}},
        {"inputs": {"image": node(seed=1)}},
        {"inputs": {}},
    ],
    "pipeline": [{"pipeline": None}],
    "libraries": [{"libraries": {"torch": "2", "diffusers": "2"}}, {"libraries": {"torch": "1"}}],
}

PIPELINE_CHANGES: dict[str, Any] = {
    "pipeline": "E",
    "weights": "weights-c",
    "dtype": "float16",
    "attention": "plain",
    "slice_size": 1,
    "scheduler": SchedulerSpec("ddpm"),
    "without": ("text_encoder",),
    "compile": CompileSpec("default", fullgraph=False, channels_last=False),
    "device": "cuda",
    "quantized": (("unet", "fp8"),),
    "loras": (LoraSpec("file", 0.5),),
}

COMPILE_CHANGES: dict[str, Any] = {
    "mode": None, "fullgraph": True, "channels_last": True, "regional": True,
}  # fmt: skip

SCHEDULER_CHANGES: dict[str, Any] = {"name": "ddpm", "options": (("eta", 1.0),)}


@pytest.mark.parametrize("field", NODE_CHANGES)
def test_each_identity_field_changes_the_key(field: str) -> None:
    keys = {replace(NODE, **change).key for change in NODE_CHANGES[field]}
    assert NODE.key not in keys
    assert len(keys) == len(NODE_CHANGES[field])


def test_all_fields_of_a_node_but_label_and_files_are_tested() -> None:
    others = {"label", "files", "denoises"}
    assert {f.name for f in dataclasses.fields(Node)} == {*NODE_CHANGES} | others


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(PipelineSpec)])
def test_each_field_of_a_pipeline_changes_the_key(field: str) -> None:
    changed = replace(DECODER, **{field: PIPELINE_CHANGES[field]})
    assert replace(NODE, pipeline=changed).key != NODE.key


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(SchedulerSpec)])
def test_each_field_of_a_scheduler_changes_the_key(field: str) -> None:
    changed = replace(DECODER, scheduler=replace(SCHEDULER, **{field: SCHEDULER_CHANGES[field]}))
    assert replace(NODE, pipeline=changed).key != NODE.key


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(CompileSpec)])
def test_each_field_of_compilation_changes_the_key(field: str) -> None:
    compiled = replace(DECODER, compile=CompileSpec("default", False, False))
    assert compiled.compile is not None
    changed = replace(compiled.compile, **{field: COMPILE_CHANGES[field]})
    keys = {replace(NODE, pipeline=p).key for p in (compiled, replace(compiled, compile=changed))}
    assert len(keys) == 2


def test_label_files_and_the_order_of_entries_do_not_change_the_key() -> None:
    assert replace(NODE, label="another").key == NODE.key
    assert replace(NODE, files={"image": Path("a.png")}).key == NODE.key
    assert replace(NODE, params={"scale": 4.0, "seed": 1}).key == NODE.key
    assert replace(NODE, libraries={"diffusers": "2", "torch": "1"}).key == NODE.key


def test_nodes_of_one_key_are_equal() -> None:
    assert replace(NODE, label="another") == NODE
    assert len({NODE, replace(NODE, label="another"), replace(NODE, stage_version=2)}) == 2


def test_a_node_does_not_change_with_the_dict_it_was_made_from() -> None:
    params: dict[str, Any] = {"seed": 1}
    made = Node("prior", 1, params)
    key = made.key
    params["seed"] = 2
    assert dict(made.params) == {"seed": 1}
    assert Node("prior", 1, made.params).key == key
    with pytest.raises(TypeError):
        made.params["seed"] = 3  # type: ignore[index]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}])
def test_only_plain_values_have_a_key(value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        _ = node(value=value).key


def test_prompts_of_any_script_have_different_keys() -> None:
    assert len({node(prompt=p).key for p in ("é", "e\u0301", "圆", "円", "")}) == 5


def test_integer_takes_whole_numbers_only() -> None:
    assert node(steps=3).integer("steps") == 3
    with pytest.raises(AssertionError):
        node(steps=3.0).integer("steps")


def sweep() -> Graph:
    """Two prompts and two guidance scales: two priors, four decoders."""
    priors = [node(prompt=p) for p in "ab"]
    return Graph(decode(prior, scale=s) for prior in priors for s in (1, 4))


def test_a_graph_holds_its_targets_and_all_they_need_once() -> None:
    graph = sweep()
    assert len(graph) == 6
    assert len(graph.targets) == 4
    for target in graph.targets:
        assert target.key in graph
        assert graph[target.key] == target
        assert target.inputs["prior"].key in graph
    assert "none" not in graph


def test_equal_targets_are_one() -> None:
    assert len(Graph([NODE, replace(NODE, label="another")]).targets) == 1


def test_merging_shares_what_both_need() -> None:
    prior = node(prompt="a")
    one, two = (
        Graph([decode(prior, scale=1)]),
        Graph([decode(prior, scale=4), decode(prior, scale=1)]),
    )
    merged = one.merged(two)
    assert len(merged) == 3
    assert {n.key for n in merged} == {n.key for n in one} | {n.key for n in two}
    assert (len(one), len(two)) == (2, 3)


def test_order_has_inputs_first_and_each_pipelines_nodes_together() -> None:
    graph = sweep()
    order = graph.in_order()
    assert sorted(n.key for n in order) == sorted(n.key for n in graph)
    place = {n.key: i for i, n in enumerate(order)}
    for n in order:
        assert all(place[needed.key] < place[n.key] for needed in n.inputs.values())
    assert [n.stage for n in order] == ["prior"] * 2 + ["decode"] * 4


def test_order_is_that_of_the_targets_within_a_pipeline() -> None:
    targets = [decode(node(prompt=p)) for p in "cab"]
    order = Graph(targets).in_order()
    assert [n.params["prompt"] for n in order[:3]] == ["c", "a", "b"]
    assert order[3:] == targets


def test_pipelines_stay_together_where_chains_have_different_lengths() -> None:
    short = decode(node(prompt="a"))
    other = replace(DECODER, dtype="float16")
    long = replace(
        decode(short, more=1), pipeline=other, inputs={"prior": decode(node(prompt="b"))}
    )
    specs = [n.pipeline for n in Graph([long, short]).in_order()]
    changes = sum(a != b for a, b in itertools.pairwise(specs))
    assert changes == len(set(specs)) - 1


def test_order_of_a_graph_without_nodes() -> None:
    assert Graph([]).in_order() == []


def test_mermaid_has_each_node_and_each_edge() -> None:
    graph = sweep()
    lines = graph.as_mermaid().splitlines()
    assert lines[0] == "flowchart LR"
    assert sum("[" in line for line in lines) == len(graph)
    for target in graph.targets:
        needed = target.inputs["prior"]
        assert f"  {needed.key[:8]} -->|prior| {target.key[:8]}" in lines


def test_mermaid_text_cannot_break_out_of_its_quotes() -> None:
    text = Graph([replace(NODE, label='a "b"\nc')]).as_mermaid()
    assert all(line.count('"') in (0, 2) for line in text.splitlines())


def test_records_are_json_in_the_order_of_running() -> None:
    graph = Graph([NODE, decode(node(prompt="b"), sizes=[1, 2])])
    records = graph.as_records()
    assert json.loads(json.dumps(records)) == records
    assert [record["key"] for record in records] == [n.key for n in graph.in_order()]
    by_key = {record["key"]: record for record in records}
    record = by_key[NODE.key]
    assert record["inputs"] == {"prior": NODE.inputs["prior"].key}
    assert record["params"] == {"seed": 1, "scale": 4.0}
    assert record["pipeline"] == json.loads(json.dumps(DECODER.identity))


def test_what_a_pipeline_does_not_use_is_not_told() -> None:
    told = {one.name for one in dataclasses.fields(PipelineSpec)}
    assert DECODER.identity.keys() == told - {"quantized", "loras"}
    whole = replace(DECODER, quantized=(("unet", "fp8"),), loras=(LoraSpec("file", 0.5),))
    assert whole.identity.keys() == told
    assert whole.identity["loras"] == ({"weights": "file", "weight": 0.5},)
    with_lora = replace(NODE, pipeline=replace(DECODER, loras=whole.loras))
    assert replace(with_lora, denoises=False).key == NODE.key != with_lora.key


def test_ancestors_have_the_names_of_the_inputs() -> None:
    text, picture = node(prompt="a"), node("read_image", None)
    depth = replace(node("depth"), inputs={"image": picture})
    target = replace(node("decode"), inputs={"prior": text, "image": picture, "hint": depth})
    assert target.ancestors() == {"prior": text, "image": picture, "hint": depth}
    assert text.ancestors() == {}
    assert depth.ancestors() == {"image": picture}


def test_ancestors_of_one_name_are_numbered_and_none_is_lost() -> None:
    pictures = [node("read_image", None, number=number) for number in range(3)]
    embedded = [replace(node("embed_image"), inputs={"image": p}) for p in pictures]
    mix = replace(node("interpolate", None), inputs=dict(zip("abc", embedded, strict=True)))
    target = replace(node("decode"), inputs={"prior": mix})
    found = target.ancestors()
    assert found == {
        "prior": mix,
        "a": embedded[0],
        "image": pictures[0],
        "b": embedded[1],
        "image.2": pictures[1],
        "c": embedded[2],
        "image.3": pictures[2],
    }
    assert len(found) == len(Graph([target])) - 1


def test_a_shared_ancestor_is_there_once() -> None:
    shared = node(prompt="a")
    first = replace(node("prior", prompt="b"), inputs={"generator": shared})
    second = replace(node("prior", prompt="c"), inputs={"generator": first})
    parts = {"item0": shared, "item1": first, "negative": second}
    target = replace(node("interpolate", None), inputs=parts)
    assert target.ancestors() == parts
