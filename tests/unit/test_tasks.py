"""The nodes of one image, for every cell: their inputs, and what images share."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from helpers.cases import CELLS, NEEDS, SCHEDULER, SHAPES, TEXTS
from runner.catalog.tasks import TASKS
from runner.catalog.versions import VERSIONS, row_of
from runner.graph.node import Node
from runner.planning.nodes import NodeFactory
from runner.planning.plan import Plan
from runner.planning.planner import make_plan
from runner.planning.request import ImageRequest
from runner.planning.tasks import text2img
from unit.conftest import Compose

A = "inputs.image=a.png"
(ITEMS,) = NEEDS["interpolate"]
Planner = Callable[..., Plan]


@pytest.fixture
def plan(composed: Compose, tmp_path: Path, pictures: Callable[[Path], None]) -> Planner:
    """The plan of `version task` with the inputs it needs, weights of the hub not on disk."""
    pictures(tmp_path)

    def make(version: str, task: str, *overrides: str) -> Plan:
        inputs = NEEDS[task] if not any(o.startswith("inputs.") for o in overrides) else ()
        cell = (f"model={version}", f"task={task}", "weights=hub", "device=cpu")
        return make_plan(composed(*cell, *inputs, *overrides))

    return make


def shape(node: Node) -> str:
    """A graph as stage(input=stage(...), ...)."""
    parts = [f"{name}={shape(needed)}" for name, needed in sorted(node.inputs.items())]
    return f"{node.stage}({', '.join(parts)})"


def only(plan: Plan) -> Node:
    (node,) = plan.graph.targets
    return node


def stages(*plans: Plan) -> dict[str, int]:
    """How many of each stage all the plans need together."""
    graph = plans[0].graph
    for other in plans[1:]:
        graph = graph.merged(other.graph)
    found: dict[str, int] = {}
    for node in graph:
        found[node.stage] = found.get(node.stage, 0) + 1
    return found


@pytest.mark.parametrize(("version", "task"), CELLS)
def test_the_graph_of_each_cell(plan: Planner, version: str, task: str) -> None:
    found = plan(version, task, f"scheduler={SCHEDULER[version]}")
    assert shape(only(found)) == SHAPES[task].format(texts=TEXTS[version])
    for node in found.graph:
        if node.pipeline is None:
            continue
        role = {"depth": "depth", "decode": "decoder"}.get(node.stage)
        role = role or ("prior" if found.run.version.has_prior else "text")
        assert (
            node.pipeline.pipeline
            == row_of(found.run.version, found.run.task).checkpoints[role].pipeline
        )
        assert (
            node.pipeline.without
            == row_of(found.run.version, found.run.task).checkpoints[role].without
        )
        assert (node.pipeline.scheduler is not None) == (role == "decoder")


@pytest.mark.parametrize(("version", "task"), CELLS)
def test_what_the_decoder_is_told(plan: Planner, version: str, task: str) -> None:
    given = ["prompt=a cat", "negative_prompt=blue", "strength=0.5", "decoder.guidance_scale=3"]
    given.append("decoder.num_inference_steps=7")
    row = VERSIONS[version]
    decode = only(plan(version, task, *given))
    told = {
        "seed": 0, "seeding": "per_stage", "height": row.native_size, "width": row.native_size,
        "num_inference_steps": 7, "guidance_scale": 3.0,
    }  # fmt: skip
    if row.decoder_reads_prompt:
        told |= {"prompt": "a cat", "negative_prompt": "blue"}
    if TASKS[task].uses_strength:
        told |= {"strength": 0.5}
    assert dict(decode.params) == told


def test_text2img_is_a_prior_and_a_decoder(composed: Compose) -> None:
    run = composed("negative_prompt=blue", "decoder.guidance_scale=2", "prior.guidance_scale=3")
    nodes = NodeFactory(run, make_plan(run).weights, {}, {"torch": "1"}, "cpu")
    decode = text2img(nodes, ImageRequest(0, "a circle", 7, 64, 128))
    prior = decode.inputs["prior"]
    assert dict(prior.params) == {
        "prompt": "a circle",
        "negative_prompt": None,
        "away_from": "blue",
        "seed": 7,
        "num_inference_steps": run.prior.num_inference_steps,
        "guidance_scale": 3.0,
    }
    assert (decode.params["height"], decode.params["width"]) == (64, 128)
    assert prior.inputs == {}
    assert prior.libraries == decode.libraries == {"torch": "1"}
    assert prior.pipeline is not None
    assert decode.pipeline is not None
    assert (prior.pipeline.scheduler, prior.pipeline.dtype) == (None, "float32")
    assert decode.pipeline.scheduler is not None
    assert decode.pipeline.scheduler.name == "ddim"


def test_the_index_of_an_image_is_no_part_of_its_keys(composed: Compose) -> None:
    run = composed()
    nodes = NodeFactory(run, make_plan(run).weights, {}, {}, "cpu")
    first = ImageRequest(0, "a circle", 7, 64, 64)
    assert text2img(nodes, first).key == text2img(nodes, replace(first, index=5)).key


def test_sweeping_the_decoder_shares_the_prior(plan: Planner) -> None:
    plans = [
        plan("kandinsky2_2", "text2img", f"decoder.guidance_scale={scale}") for scale in (1, 4)
    ]
    assert stages(*plans) == {"prior": 1, "decode": 2}


@pytest.mark.parametrize("seeding", ["per_stage", "shared"])
@pytest.mark.parametrize("version", ["kandinsky2_1", "kandinsky2_2"])
def test_sweeping_the_weights_of_a_mix_shares_its_parts(
    plan: Planner, version: str, seeding: str
) -> None:
    plans = [
        plan(version, "interpolate", f"seeding={seeding}", "negative_prompt=blue", items)
        for items in (ITEMS, ITEMS.replace("0.25", "0.3").replace("0.5", "0.4"))
    ]
    assert stages(*plans) == {
        "prior": 3, "read_image": 1, "embed_image": 1, "interpolate": 2, "decode": 2,
    }  # fmt: skip


def test_parts_of_a_mix_and_its_negative(plan: Planner) -> None:
    mix = only(plan("kandinsky2_2", "interpolate", "negative_prompt=blue")).inputs["prior"]
    assert list(mix.inputs) == ["item0", "item1", "item2", "negative"]
    assert mix.params["weights"] == [0.25, 0.25, 0.5]
    texts = {name: node.params.get("prompt") for name, node in mix.inputs.items()}
    assert texts == {"item0": "cat", "item1": None, "item2": "dog", "negative": "blue"}
    assert all(
        node.params["negative_prompt"] is None
        for name, node in mix.inputs.items()
        if name != "item1"
    )
    # Each prior draws from the seed: none waits for another.
    assert all("generator" not in node.inputs for node in mix.inputs.values())


def test_one_generator_goes_through_the_texts_of_a_mix(plan: Planner) -> None:
    overrides = ("negative_prompt=blue", "seeding=shared")
    decode = only(plan("kandinsky2_2", "interpolate", *overrides))
    mix, negative = decode.inputs["prior"], decode.inputs["negative"]
    first, _, second = mix.inputs.values()
    assert "generator" not in first.inputs
    assert second.inputs["generator"] == first
    # The decoder goes on after the texts, with or without a negative prompt.
    assert "negative" not in mix.inputs
    assert "generator" not in negative.inputs


def test_the_negative_prompt_of_controlnet_img2img_is_a_prior_of_its_own(plan: Planner) -> None:
    strengths = ("prior.strength=0.6", "prior.negative_strength=0.7")
    for seeding in ("per_stage", "shared"):
        decode = only(
            plan("kandinsky2_2", "controlnet_img2img", "negative_prompt=blue", *strengths,
                 f"seeding={seeding}")
        )  # fmt: skip
        prior, negative = decode.inputs["prior"], decode.inputs["negative"]
        assert (prior.params["prompt"], prior.params["strength"]) == (
            "a red circle on a white background", 0.6,
        )  # fmt: skip
        assert (negative.params["prompt"], negative.params["strength"]) == ("blue", 0.7)
        assert prior.inputs["image"] is negative.inputs["image"] or (
            prior.inputs["image"] == negative.inputs["image"]
        )
        assert "generator" not in prior.inputs
        assert "generator" not in negative.inputs


def test_a_hint_that_is_given_is_read_and_not_estimated(plan: Planner) -> None:
    hint = "inputs.hint=b.png"
    assert shape(only(plan("kandinsky2_2", "controlnet", hint))) == (
        "decode(hint=read_image(), prior=prior())"
    )
    decode = only(plan("kandinsky2_2", "controlnet_img2img", A, hint))
    assert decode.inputs["hint"].stage == decode.inputs["image"].stage == "read_image"
    assert decode.inputs["hint"] != decode.inputs["image"]


SEEDS = "seeds=[0,1,2]"


@pytest.mark.parametrize(
    ("version", "task", "expected"),
    [
        ("kandinsky3", "text2img", {"encode_text": 1, "decode": 3}),
        ("kandinsky3", "img2img", {"encode_text": 1, "read_image": 1, "decode": 3}),
        ("kandinsky2_2", "img2img", {"prior": 3, "read_image": 1, "decode": 3}),
        ("kandinsky2_1", "inpaint", {"prior": 3, "read_image": 1, "read_mask": 1, "decode": 3}),
        ("kandinsky2_2", "controlnet", {"prior": 3, "read_image": 1, "depth": 1, "decode": 3}),
        (
            "kandinsky2_2", "interpolate",
            {"prior": 6, "read_image": 1, "embed_image": 1, "interpolate": 3, "decode": 3},
        ),
    ],
)  # fmt: skip
def test_images_of_other_seeds_share_what_has_no_seed(
    plan: Planner, version: str, task: str, expected: dict[str, int]
) -> None:
    found = plan(version, task, SEEDS)
    assert len(found.images) == 3
    assert stages(found) == expected


def test_two_prompts_of_kandinsky_3_are_encoded_once_each(plan: Planner) -> None:
    found = plan("kandinsky3", "text2img", "prompt=[a,b]", "seeds=[0,1]")
    assert stages(found) == {"encode_text": 2, "decode": 4}


@pytest.mark.parametrize("task", ["img2img", "inpaint", "controlnet", "controlnet_img2img"])
def test_pictures_count_by_their_content(plan: Planner, tmp_path: Path, task: str) -> None:
    beside = ("inputs.mask=mask.png",) if task == "inpaint" else ()

    def key(name: str) -> str:
        return only(plan("kandinsky2_2", task, f"inputs.image={name}", *beside)).key

    (tmp_path / "deep").mkdir()
    shutil.copy(tmp_path / "a.png", tmp_path / "deep" / "c.png")
    assert key("a.png") == key("copy of a.png") == key(str(tmp_path / "deep" / "c.png"))
    before = key("a.png")
    assert key("b.png") != before
    Image.new("RGB", (128, 128), (254, 0, 0)).save(tmp_path / "a.png")
    assert key("a.png") != before


def test_a_node_knows_its_files_and_its_key_does_not(plan: Planner, tmp_path: Path) -> None:
    found = plan("kandinsky2_2", "inpaint")
    by_stage = {node.stage: node for node in found.graph}
    image, mask = by_stage["read_image"], by_stage["read_mask"]
    assert dict(image.files) == {"image": tmp_path / "a.png"}
    assert dict(mask.files) == {"mask": tmp_path / "mask.png"}
    assert image.params["sha256"] == found.pictures["inputs.image"].sha256
    assert mask.params["original_size"] == [128, 128]
    assert replace(image, files={}).key == image.key
    boxed = plan("kandinsky2_2", "inpaint", A, "inputs.mask_box=[1,2,3,4]")
    (box,) = (node for node in boxed.graph if node.stage == "read_mask")
    assert (box.params["box"], box.params["sha256"], dict(box.files)) == ([1, 2, 3, 4], None, {})


def test_a_part_of_a_mix_is_read_as_it_is(plan: Planner) -> None:
    """Whatever the image's size: CLIP brings the picture to its own."""
    found = [plan("kandinsky2_2", "interpolate", f"height={size}") for size in (64, 128)]
    assert stages(*found)["read_image"] == stages(*found)["embed_image"] == 1
    resized = [plan("kandinsky2_2", "img2img", f"height={size}") for size in (64, 128)]
    assert stages(*resized)["read_image"] == 2
