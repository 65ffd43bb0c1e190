"""What compiling costs and from how many images it pays, by what was measured here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from runner.config.choices import CacheMode
from runner.engine.estimates import Estimator
from runner.engine.first_calls import first_calls, note_first_call, paying
from runner.engine.store import Store
from runner.graph.node import CompileSpec, Node, PipelineSpec
from runner.runs.plan_compile import paying_text
from runner.system.kept_code import open_code

COMPILED = CompileSpec("default", fullgraph=True, channels_last=False)
SPEC = PipelineSpec("P", "weights", "float32", "sdpa", None, None, compile=COMPILED)


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of compiled code."""
    monkeypatch.setenv("KANDINSKY_CACHE", str(tmp_path / "cache"))
    return open_code({"torch": "1"})[0]


def node(stage: str = "prior", seed: int = 0, spec: PipelineSpec = SPEC) -> Node:
    params = {"seed": seed, "num_inference_steps": 10, "guidance_scale": 4.0}
    return Node(stage, 1, params, pipeline=spec)


def drawn(store: Path, spec: PipelineSpec, *seconds: float) -> None:
    """Both stages ran so often, each for so long."""
    for seed, took in enumerate(seconds):
        for stage in ("prior", "embed_image"):
            result = {"image_embeds": torch.zeros(1)}
            Store(store, CacheMode.use).put(node(stage, seed, spec), result, took)


def told(store: Path, spec: PipelineSpec = SPEC) -> str:
    nodes = [node("prior", 9, spec), node("embed_image", 9, spec)]
    return paying_text(paying(nodes, Estimator(store), first_calls()))


def test_it_is_told_as_far_as_it_is_known(code: Path, tmp_path: Path) -> None:
    store = tmp_path / "results"
    assert told(store).startswith("what its first call costs is not known yet")
    note_first_call(code, node("prior"), 30.0, compiled=True)
    assert told(store).startswith("what its first call costs is not known yet")  # of both stages
    note_first_call(code, node("embed_image"), 10.0, compiled=True)
    assert told(store) == (
        "the first image takes about 40.0 s; later ones were not measured here yet"
    )
    drawn(store, SPEC, 30.0)  # the call that compiled
    assert told(store).endswith("later ones were not measured here yet")
    drawn(store, SPEC, 30.0, 0.5)
    assert told(store).endswith("nothing like it was drawn here without")
    drawn(store, replace(SPEC, compile=None), 1.5, 1.6)
    # 40 s and then 1 s each, or 3 s each: the 20th is the first that is not behind.
    assert told(store) == (
        "the first image takes about 40.0 s, later ones 1.0 s, without it 3.0 s: it pays from "
        "20 images in one run"
    )
    for stage in ("prior", "embed_image"):
        note_first_call(code, node(stage), 2.5, compiled=False)
    assert told(store) == (
        "the first image takes about 5.0 s, the code is there from earlier runs, later ones "
        "1.0 s, without it 3.0 s: it pays from 2 images in one run"
    )


def test_what_is_slower_compiled_does_not_pay(code: Path, tmp_path: Path) -> None:
    last = replace(SPEC, compile=replace(COMPILED, channels_last=True))
    for stage in ("prior", "embed_image"):
        note_first_call(code, node(stage, spec=last), 9.0, compiled=True)
    drawn(tmp_path, last, 9.0, 2.0)
    drawn(tmp_path, replace(last, compile=CompileSpec(None, False, True)), 1.0)
    assert told(tmp_path, last).endswith("later ones 4.0 s, without it 2.0 s: it does not pay")


def test_a_damaged_record_is_no_error(code: Path) -> None:
    note_first_call(code, node(), 1.0, compiled=True)
    with (code / "first-calls.jsonl").open("a") as file:
        file.write('{"work": 1\n[]\n')
    note_first_call(code, node(), 2.0, compiled=False)
    assert [call.seconds for call in first_calls()] == [1.0, 2.0]
