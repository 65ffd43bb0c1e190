"""One module serves cells with and without LoRAs: each is as if alone, and nothing is left."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from functional.asked import Pixels
from functional.cells import Watched, drawn, opened, planned
from helpers.tape import TapeRecorder
from random_weights.loras import entry, lora_of, written
from runner.catalog.offload import OFFLOAD
from runner.config.run_config import Lora
from runner.graph.node import CompileSpec, LoraSpec, PipelineSpec
from runner.pipelines.graphs import replay, replaying_of
from runner.pipelines.kept import KeptPipelines
from runner.pipelines.load import load
from runner.pipelines.loras import read_back, remove_loras, set_loras
from runner.pipelines.offload import OffloadChoice
from runner.pipelines.pipelines import Pipelines
from runner.planning.plan import Plan
from runner.weights.found import FoundLora
from runner.weights.hashes import FileHashes, hash_memory
from runner.weights.loras import find_lora
from runner.weights.safetensors_header import read_header
from runner.workers.setup import open_kept, setup_of

CELLS = (("decoder", 1.0), ("decoder", 0.25), ("other", 1.0), None)
NONE = OffloadChoice(OFFLOAD["none"], OFFLOAD["none"], "")


@dataclass(frozen=True)
class Cell:
    """A cell, and its picture where it was drawn by pipelines of its own."""

    plan: Plan
    pixels: Pixels

    @property
    def spec(self) -> PipelineSpec:
        """The decoder's."""
        (spec,) = {node.pipeline for node in self.plan.graph if node.stage == "decode"}
        assert spec is not None
        return spec


@pytest.fixture(scope="module")
def cells(
    random_weights: Path, lora_files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> list[Cell]:
    """One for each of CELLS."""
    found = []
    for cell in CELLS:
        lora = [] if cell is None else [entry(lora_files[cell[0]], cell[1])]
        plan = planned(
            random_weights, tmp_path_factory.mktemp("cells"), "kandinsky2_2", "cache=off",
            f"lora=[{','.join(lora)}]",
        )  # fmt: skip
        found.append(Cell(plan, drawn(plan, opened(plan)).pixels))
    assert len({cell.pixels.tobytes() for cell in found}) == len(CELLS)
    return found


def together(cells: list[Cell], kind: type[Pipelines], choice: OffloadChoice = NONE) -> Any:
    """Pipelines for all of them, which stay loaded."""
    found = setup_of([cell.plan for cell in cells]).checkpoints
    pipelines = kind(found, "cpu", choice)
    pipelines.evict_except = lambda specs: None  # type: ignore[method-assign]
    return pipelines


def state(module: Any) -> Any:
    """All of a module that peft could leave something in."""
    return (
        [(name, type(part)) for name, part in module.named_modules()],
        [(n, p.requires_grad, p.detach().numpy().tobytes()) for n, p in module.named_parameters()],
        sorted(vars(module)),
        [part.training for part in module.modules()],
    )


def test_back_and_forth(cells: list[Cell]) -> None:
    """The module at last is as it was at first: bits, classes, gradients, attributes."""
    pipelines = together(cells, Watched)
    unet = pipelines.get(cells[3].spec).unet
    before = state(unet)
    for n in (0, 3, 1, 2, 0, 3):
        assert np.array_equal(drawn(cells[n].plan, pipelines).pixels, cells[n].pixels)
        assert pipelines.given["decoder"].unet is unet
        assert (state(unet) == before) == (n == 3)


class Taped(Pipelines):
    """The denoisers' calls are recorded and replayed, as CUDA graphs are on a GPU."""

    def get(self, spec: Any) -> Any:
        found = super().get(spec)
        module = getattr(found, "unet", None)
        if module is not None and replaying_of(module) is None:
            replay(module, TapeRecorder(), required=True)
        return found


def test_recordings_of_other_weights_are_dropped(cells: list[Cell]) -> None:
    taped = together(cells, Taped)
    for n in (3, 0, 1, 3):
        assert np.array_equal(drawn(cells[n].plan, taped).pixels, cells[n].pixels)


def test_a_worker_that_stays_switches_too(cells: list[Cell], lora_files: dict[str, Path]) -> None:
    """Each command has pipelines of its own, which take over the last one's."""
    layers = len(read_header(lora_files["decoder"]).shapes) // 2
    kept: KeptPipelines | None = None
    modules = set()
    for n in (0, 3, 2, 0):
        kept = open_kept(setup_of([cells[n].plan]), kept)
        made = drawn(cells[n].plan, kept)
        assert np.array_equal(made.pixels, cells[n].pixels)
        held = made.loaded[-1].readback.get("loras", {})
        assert [one["layers"] for one in held.get("unet", [])] == ([] if n == 3 else [layers])
        modules.add(id(kept.get(cells[n].spec).unet))
    assert len(modules) == 1


@pytest.mark.parametrize("mode", ["group", "sequential", "model"])
def test_hooks_on_layers_are_placed_after_the_lora(
    mode: str, cells: list[Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the module is loaded anew for each set of LoRAs. diffusers' hooks are for accelerators: on
    a CPU only `group` can be called.
    """
    if mode != "group":
        monkeypatch.setattr("runner.pipelines.pipelines.place", lambda *_: None)
        monkeypatch.setattr("runner.pipelines.pipelines.check", lambda *_: None)
    pipelines = together(cells, Pipelines, OffloadChoice(OFFLOAD[mode], OFFLOAD[mode], ""))
    modules = [pipelines.get(cells[n].spec).unet for n in (0, 3, 0)]
    assert (modules[0] is modules[1]) == (mode == "model")
    if mode == "group":
        assert np.array_equal(drawn(cells[0].plan, pipelines).pixels, cells[0].pixels)


def test_a_prior_with_a_lora_embeds_pictures_too(
    random_weights: Path, lora_files: dict[str, Path], tmp_path: Path, monkeypatch: Any
) -> None:
    """So it is loaded once where LoRAs cannot be exchanged, though the embedding has no LoRA in its
    key."""
    Image.new("RGB", (64, 64), "blue").save(tmp_path / "a.png")
    items = f"interpolate.items=[{{text: a}},{{image: '{tmp_path / 'a.png'}'}}]"
    given = (random_weights, tmp_path, "kandinsky2_2", "cache=off", "task=interpolate", items)
    bare, plan = (
        planned(*given, f"lora=[{lora}]") for lora in ("", entry(lora_files["prior"], 1.0, "prior"))
    )
    keys = [{n.stage: n.key for n in one.graph} for one in (bare, plan)]
    assert keys[0]["embed_image"] == keys[1]["embed_image"]
    assert keys[0]["prior"] != keys[1]["prior"]
    loaded = []

    def counted(spec: PipelineSpec, *given: Any, **named: Any) -> Any:
        loaded.append(spec.pipeline)
        return load(spec, *given, **named)

    monkeypatch.setattr("runner.pipelines.pipelines.load", counted)
    group = OffloadChoice(OFFLOAD["group"], OFFLOAD["group"], "")
    drawn(plan, Pipelines(setup_of([plan]).checkpoints, "cpu", group))
    assert sorted(loaded) == ["KandinskyV22Pipeline", "KandinskyV22PriorPipeline"]


def test_a_compiled_module_is_loaded_anew(cells: list[Cell]) -> None:
    pipelines = together(cells, Pipelines)
    compiled = [
        replace(cells[n].spec, compile=CompileSpec("default", False, False)) for n in (0, 1)
    ]
    module = pipelines.get(compiled[0]).unet
    assert pipelines.get(compiled[0]).unet is module
    assert pipelines.get(compiled[1]).unet is not module


@pytest.fixture(scope="module")
def unet(random_weights: Path) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel.from_pretrained(random_weights / "kandinsky-2-2-decoder" / "unet")


def found_of(rank: int, random_weights: Path, folder: Path) -> FoundLora:
    module = random_weights / "kandinsky-2-2-decoder" / "unet"
    file = written(folder / "own.safetensors", lora_of(module, ("to_q",), rank=rank))
    lora = Lora(str(file), 1.0, "decoder")
    return find_lora(lora, "lora[0].path", (), FileHashes(hash_memory())).found


@pytest.mark.parametrize("rank", [1, 6, 10, 20])
def test_any_weight_is_read_back_to_the_last_bit(
    rank: int, unet: Any, random_weights: Path, tmp_path: Path
) -> None:
    """peft keeps weight * alpha / rank, which rounds."""
    found = found_of(rank, random_weights, tmp_path)
    files = {found.sha256: found}
    draw = Random(rank).random
    for weight in (0.49543508709194095, *(draw() for _ in range(30))):
        specs = (LoraSpec(found.sha256, weight),)
        assert set_loras(unet, specs, files)
        assert not set_loras(unet, specs, files)
        assert read_back(unet, specs)[0]["weights"] == [weight]
    remove_loras(unet)


def test_memory_that_does_not_suffice_is_told_as_such(
    unet: Any, random_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that offload=auto is stepped down."""

    def out_of_memory(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    found = found_of(1, random_weights, tmp_path)
    monkeypatch.setattr(unet, "load_lora_adapter", out_of_memory)
    with pytest.raises(torch.OutOfMemoryError):
        set_loras(unet, (LoraSpec(found.sha256, 1.0),), {found.sha256: found})


def test_layers_that_are_added_later_are_laid_out_as_the_others(
    random_weights: Path, lora_files: dict[str, Path], tmp_path: Path
) -> None:
    """With channels_last, each cell is as if its module was loaded for it alone."""

    def layout(module: Any) -> Any:
        return [(name, one.stride()) for name, one in module.named_parameters()]

    plans = [
        planned(random_weights, tmp_path, "kandinsky2_2", "cache=off", "channels_last=true", lora)
        for lora in ("lora=[]", f"lora=[{entry(lora_files['decoder'])}]")
    ]
    alone = [opened(plan) for plan in plans]
    wanted = [drawn(plan, own).pixels for plan, own in zip(plans, alone, strict=True)]
    layouts = [layout(own.given["decoder"].unet) for own in alone]
    pipelines = Watched(setup_of(plans).checkpoints, "cpu", NONE, keep_all=True)
    modules = set()
    for n in (0, 1, 0):
        assert np.array_equal(drawn(plans[n], pipelines).pixels, wanted[n])
        unet = pipelines.given["decoder"].unet
        assert layout(unet) == layouts[n]
        modules.add(id(unet))
    assert len(modules) == 1


@pytest.mark.parametrize("how", ["channels_last=true", "attention=sliced", "batch_size=2"])
def test_other_ways_to_compute_take_loras(
    how: str, random_weights: Path, lora_files: dict[str, Path], tmp_path: Path
) -> None:
    """Within a rounding of the last bit, also after a cell with another weight."""
    plans = [
        planned(random_weights, tmp_path, "kandinsky2_2", "cache=off", "seeds=[0,1]",
                f"lora=[{entry(lora_files['decoder'], weight)}]", *more)
        for weight, more in ((0.5, (how,)), (1.0, (how,)), (1.0, ()))
    ]  # fmt: skip
    pipelines = opened(plans[0], keep_all=True)
    made = [drawn(plan, pipelines).pictures for plan in plans]
    for own, usual in zip(made[1], made[2], strict=True):
        assert np.abs(own - usual).max() <= 2
    assert not np.array_equal(made[0][0], made[1][0])
