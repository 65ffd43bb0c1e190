"""Offload without an accelerator: choice of mode, refusals, and diffusers' hooks."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from functional.cells import VERSIONS, drawn, opened, opened_by_layer, planned, small
from runner.catalog.offload import OFFLOAD
from runner.cli import main
from runner.errors import ConfigError
from runner.pipelines import offload
from runner.pipelines.offload import OffloadChoice, expected_offloaded, offloaded, place
from runner.pipelines.pipelines import Pipelines

MODULES = {
    ("kandinsky2_0", "encode_two_texts"): ["text_encoder", "text_encoder_2"],
    ("kandinsky2_0", "decode"): ["text_proj", "unet", "vae"],
    ("kandinsky2_1", "prior"): ["image_encoder", "prior", "text_encoder"],
    ("kandinsky2_1", "decode"): ["movq", "text_encoder", "unet"],
    ("kandinsky2_2", "prior"): ["image_encoder", "prior", "text_encoder"],
    ("kandinsky2_2", "decode"): ["movq", "unet"],
    ("kandinsky3", "encode_text"): ["text_encoder"],
    ("kandinsky3", "decode"): ["movq", "unet"],
    ("kandinsky5", "encode_qwen"): ["text_encoder", "text_encoder_2"],
    ("kandinsky5", "decode"): ["transformer", "vae"],
}

Live = Callable[[str, str], Any]


@pytest.fixture
def live(random_weights: Path, tmp_path: Path) -> Live:
    """(version, stage) -> a pipeline, freshly loaded."""

    def load(version: str, stage: str) -> Any:
        plan = planned(random_weights, tmp_path, version)
        (spec,) = {node.pipeline for node in plan.graph if node.stage == stage}
        assert spec is not None
        return opened(plan).get(spec)

    return load


class Grouped(Pipelines):
    """diffusers' group offloading, on a CPU: its hooks are the same, only the copies are not."""

    def get(self, spec: Any) -> Any:
        fresh = spec not in self._live
        pipeline = super().get(spec)
        if fresh:
            place(pipeline, "cpu", OFFLOAD["group"])
        return pipeline


class Leaving(Pipelines):
    """Notes, whenever a pipeline is loaded, which modules of those before it are still there."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.modules: list[weakref.ref[torch.nn.Module]] = []
        self.left: list[int] = []

    def get(self, spec: Any) -> Any:
        if spec not in self._live:
            self.left.append(sum(ref() is not None for ref in self.modules))
        pipeline = super().get(spec)
        parts = pipeline.components.values()
        self.modules += [weakref.ref(p) for p in parts if isinstance(p, torch.nn.Module)]
        return pipeline


NONE = OffloadChoice(OFFLOAD["none"], OFFLOAD["none"], "")


@pytest.mark.parametrize("version", VERSIONS)
def test_the_first_pipeline_is_gone_before_the_second_comes(
    random_weights: Path, tmp_path: Path, version: str
) -> None:
    """Kandinsky 3's text encoder is larger than its UNet."""
    plan = planned(random_weights, tmp_path, version, "seeds=[3,4]")
    pipelines = Leaving(plan.weights.checkpoints.values(), "cpu", NONE)
    drawn(plan, pipelines)
    assert pipelines.left == [0, 0]
    assert len(pipelines.modules) > 2
    assert all(ref() is None for ref in pipelines.modules)


def test_running_out_while_weights_are_placed_frees_what_was_placed(
    random_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(random_weights, tmp_path, "kandinsky2_2")
    (spec,) = {node.pipeline for node in plan.graph if node.stage == "prior"}
    assert spec is not None
    choice = OffloadChoice(OFFLOAD["auto"], OFFLOAD["none"], "fits")
    pipelines = Pipelines(plan.weights.checkpoints.values(), "cpu", choice)
    freed: list[str] = []

    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("runner.pipelines.pipelines.place", full)
    monkeypatch.setattr("runner.pipelines.pipelines.free_memory", freed.append)
    with pytest.raises(torch.OutOfMemoryError):
        pipelines.get(spec)
    said = pipelines.relieve()
    assert said == "out of memory with offload=none: going on with model"
    assert choice.mode == OFFLOAD["model"]
    assert freed == ["cpu"]


@pytest.mark.slow
def test_auto_on_a_cpu_is_none_and_says_why(random_weights: Path, tmp_path: Path) -> None:
    overrides = ["offload=auto", "tracking=mlflow"]
    assert main(small(random_weights, tmp_path, "kandinsky2_2", *overrides)) == 0
    (file,) = tmp_path.rglob("pipelines.json")
    loaded = json.loads(file.read_text())
    assert len(loaded) == 2
    for one in loaded:
        assert one["offload"] == {
            "mode": "none", "reason": "on the CPU there is nothing to offload from",
            "prefetched": False,
        }  # fmt: skip
        assert one["offloaded"] == []


@pytest.mark.parametrize("mode", ["model", "group", "group_stream", "sequential"])
def test_modes_that_need_an_accelerator_are_refused_without_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: str
) -> None:
    given = [f"output_dir={tmp_path}", "tracking=none", "device=cpu", f"offload={mode}"]
    assert main(given) == 2
    said = capsys.readouterr().err
    assert f"offload={mode}" in said
    assert "needs an accelerator" in said
    assert not any(tmp_path.rglob("*.png"))


def test_every_version_refuses_them(random_weights: Path, tmp_path: Path) -> None:
    for version in VERSIONS:
        with pytest.raises(ConfigError, match="needs an accelerator"):
            planned(random_weights, tmp_path, version, "offload=model")


@pytest.mark.parametrize(("version", "stage"), MODULES)
def test_what_a_mode_has_to_cover(live: Live, version: str, stage: str) -> None:
    pipeline, names = live(version, stage), MODULES[version, stage]
    assert expected_offloaded(pipeline, OFFLOAD["none"]) == []
    assert offloaded(pipeline) == []
    assert expected_offloaded(pipeline, OFFLOAD["model"]) == names
    assert expected_offloaded(pipeline, OFFLOAD["sequential"]) == names
    grouped = [name for name in names if name != "movq"]
    assert expected_offloaded(pipeline, OFFLOAD["group"]) == grouped
    place(pipeline, "cpu", OFFLOAD["group"])
    assert offloaded(pipeline) == grouped


@pytest.mark.parametrize(("version", "stage"), MODULES)
def test_model_offload_leaves_no_module_out(live: Live, version: str, stage: str) -> None:
    """diffusers leaves the prior out, unless told not to."""
    pipeline = live(version, stage)
    place(pipeline, "cpu", OFFLOAD["model"])
    assert offloaded(pipeline) == MODULES[version, stage]


CAST = ("quantize.text=fp8", "quantize.prior=fp8", "quantize.denoiser=fp8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "quantized"), [*((one, ()) for one in VERSIONS), ("kandinsky2_2", CAST)]
)
def test_group_offload_draws_the_same(
    random_weights: Path, tmp_path: Path, version: str, quantized: tuple[str, ...]
) -> None:
    plan = planned(random_weights, tmp_path, version, "cache=off", "seeds=[3,4]", *quantized)
    usual = drawn(plan, opened(plan))
    grouped = drawn(plan, Grouped(plan.weights.checkpoints.values(), "cpu", NONE))
    # Each seed has a prior of its own, and a text is encoded once, or two are, each by itself.
    told = 2 if plan.run.version.has_prior or plan.run.version.texts_apart else 1
    assert len(usual.results) == len(grouped.results) == told + 2
    for one, other in zip(usual.results, grouped.results, strict=True):
        assert one.node == other.node
        if isinstance(one.value, dict):
            assert isinstance(other.value, dict)
            assert one.value.keys() == other.value.keys()
            assert all(torch.equal(tensor, other.value[key]) for key, tensor in one.value.items())
        else:
            assert isinstance(one.value, Image.Image)
            assert isinstance(other.value, Image.Image)
            assert one.value.tobytes() == other.value.tobytes()


@pytest.mark.slow
def test_cast_weights_may_come_layer_by_layer(random_weights: Path, tmp_path: Path) -> None:
    """accelerate's hooks of `sequential`, from memory to memory, as in test_kandinsky5."""
    plan = planned(random_weights, tmp_path, "kandinsky5", "cache=off", "precision=bf16", *CAST)
    usual = drawn(plan, opened(plan)).pixels
    pipelines = opened_by_layer(plan)
    assert np.array_equal(drawn(plan, pipelines).pixels, usual)


def test_kept_statistics_are_those_of_the_prior(live: Live) -> None:
    pipeline = live("kandinsky2_2", "prior")
    prior = pipeline.prior
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():  # other than the neutral 0 and 1
        prior.clip_mean.copy_(torch.randn(prior.clip_mean.shape, generator=draw))
        prior.clip_std.copy_(torch.rand(prior.clip_std.shape, generator=draw) + 0.5)

    def embeddings() -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        out = pipeline("a red circle", num_inference_steps=3, generator=generator)
        return [out.image_embeds, out.negative_image_embeds]

    usual = embeddings()
    offload._keep_statistics(prior)
    with torch.no_grad():  # as when they wait elsewhere: not to be read any more
        prior.clip_mean.fill_(float("nan"))
        prior.clip_std.fill_(float("nan"))
    assert all(torch.equal(*pair) for pair in zip(usual, embeddings(), strict=True))
    assert usual[0].isfinite().all()
