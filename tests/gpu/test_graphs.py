"""Denoisers as CUDA graphs. Run them with: pytest -m gpu tests/gpu/test_graphs.py"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import torch
from PIL import Image

from functional.cells import Drawn, Watched, drawn, opened, planned, small
from helpers.manifests import read_manifest
from helpers.pixels import pixels
from runner.catalog.versions import VERSIONS
from runner.cli import main
from runner.errors import StageError
from runner.pipelines.cuda_graphs import CudaRecorder, PoolMemory
from runner.pipelines.graphs import MOST, replay, replaying_of
from runner.workers import choose

pytestmark = pytest.mark.gpu

SEEDS = "seeds=[3,4]"
PICTURE = "inputs.image=picture.png"
MASK = "inputs.mask_box=[0,0,32,64]"

CELLS: dict[str, tuple[str, tuple[str, ...]]] = {
    **{f"{version} text2img": (version, (SEEDS,)) for version in VERSIONS},
    **{f"{version} in fp16": (version, (SEEDS, "precision=fp16")) for version in VERSIONS},
    "2.2 wide": ("kandinsky2_2", (SEEDS, "width=128")),
    "2.2 dpmpp_2m": ("kandinsky2_2", (SEEDS, "scheduler=dpmpp_2m")),
    "2.2 lcm": ("kandinsky2_2", (SEEDS, "scheduler=lcm")),
    "2.2 unguided": ("kandinsky2_2", (SEEDS, "decoder.guidance_scale=1")),
    "2.2 in batches": ("kandinsky2_2", ("seeds=[3,4,5]", "batch_size=2")),
    "2.2 sliced": ("kandinsky2_2", (SEEDS, "attention=sliced")),
    "2.2 plain": ("kandinsky2_2", (SEEDS, "attention=plain")),
    "2.2 channels last": (
        "kandinsky2_2", (SEEDS, "precision=fp16", "channels_last=auto"),
    ),
    "2.2 img2img": ("kandinsky2_2", ("task=img2img", PICTURE, "strength=0.9")),
    "2.2 inpaint": ("kandinsky2_2", ("task=inpaint", PICTURE, MASK)),
    "2.2 controlnet": ("kandinsky2_2", ("task=controlnet", "inputs.hint=picture.png")),
    "2.2 controlnet_img2img": (
        "kandinsky2_2",
        ("task=controlnet_img2img", PICTURE, "inputs.hint=picture.png", "strength=0.9"),
    ),
    "2.1 inpaint": ("kandinsky2_1", ("task=inpaint", PICTURE, MASK)),
    "2.0 inpaint": ("kandinsky2_0", ("task=inpaint", PICTURE, MASK)),
    "5 edit": ("kandinsky5", ("task=edit", PICTURE)),
    "3 img2img": ("kandinsky3", ("task=img2img", PICTURE, "strength=0.9")),
    "3 with a longer negative prompt": (
        "kandinsky3", (SEEDS, "negative_prompt='a red circle on blue and a square beside it'"),
    ),
}  # fmt: skip


def cell(weights: Path, folder: Path, version: str, *overrides: str) -> tuple[Drawn, Watched]:
    """A small cell on the GPU. Its pipelines are kept."""
    plan = planned(weights, folder, version, "device=cuda", "cache=off", *overrides)
    pipelines = opened(plan, keep_all=True)
    return drawn(plan, pipelines), pipelines


@pytest.mark.parametrize("name", CELLS)
def test_pixels_are_those_without_graphs(
    name: str, random_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.effect_mandelbrot((64, 64), (-2, -1.5, 1, 1.5), 50).convert("RGB").save("picture.png")
    version, overrides = CELLS[name]
    usual, _ = cell(random_weights, tmp_path / "usual", version, "graphs=off", *overrides)
    made, _ = cell(random_weights, tmp_path / "graphs", version, "graphs=on", *overrides)
    assert len(made.pictures) == len(usual.pictures) > 0
    for one, other in zip(made.pictures, usual.pictures, strict=True):
        assert np.array_equal(one, other)
        assert one.std() > 5
    # The embeddings, too, before they become pixels.
    for result, without in zip(made.results, usual.results, strict=True):
        if isinstance(result.value, dict):
            assert isinstance(without.value, dict)
            assert all(torch.equal(value, without.value[n]) for n, value in result.value.items())
    held = [result.ran.graphs for result in made.results if result.ran.graphs is not None]
    assert sum(one.kept > 0 and one.failure is None for one in held) > 0
    assert all(result.ran.graphs is None for result in usual.results)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_run_is_logged_with_its_graphs(
    random_weights: Path, tmp_path: Path, version: str
) -> None:
    given = small(random_weights, tmp_path, version, "device=cuda", "tracking=mlflow", SEEDS)
    assert main([*given, "cache=off"]) == 0
    (file,) = (tmp_path / "mlartifacts").rglob("pipelines.json")
    loaded = {tuple(one["dtype"]): one["graphs"] for one in json.loads(file.read_text())}
    for names, graphs in loaded.items():
        denoises = bool({"unet", "prior", "transformer"} & set(names))
        assert graphs["used"] == denoises
        assert graphs["reason"] == ("on CUDA" if denoises else "nothing is called at each step")
    manifest = read_manifest(tmp_path / "latest")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    data = client.get_run(manifest["mlflow_run_id"]).data
    # Kandinsky 5 calls its transformer with either text, each at its own length.
    shapes = "2 CUDA graphs" if version == "kandinsky5" else "1 CUDA graph"
    assert f"decode: {shapes} captured, {shapes[0]} kept, " in data.tags["runner.graphs"]
    assert data.metrics["graphs_mb_decode"] > 0
    assert data.metrics["peak_device_mb_decode"] > data.metrics["graphs_mb_decode"]


def test_graphs_leave_with_their_pipeline(random_weights: Path, tmp_path: Path) -> None:
    _, pipelines = cell(random_weights, tmp_path, "kandinsky2_2", "graphs=on", "width=256")
    module = pipelines.given["decoder"].unet
    replaying = replaying_of(module)
    assert replaying is not None
    assert len(replaying) == 1
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved()
    all_held = pipelines._graph_memory.held
    assert isinstance(replaying.recorder, CudaRecorder)
    held = replaying.recorder.held
    assert held > 0
    replaying.drop()
    torch.cuda.empty_cache()
    assert before - torch.cuda.memory_reserved() >= held
    assert pipelines._graph_memory.held == all_held - held


def test_graphs_of_many_sizes_are_bounded() -> None:
    layer = torch.nn.Linear(64, 64).cuda().eval()
    usual = torch.nn.Linear(64, 64).cuda().eval()
    usual.load_state_dict(layer.state_dict())
    memory = PoolMemory()
    kept = replay(layer, CudaRecorder(torch.device("cuda:0"), memory), required=True)
    with torch.no_grad():
        for _ in range(2):  # in another order than that of their captures, and captured anew
            for rows in (*range(1, MOST + 3), 1):
                given = torch.randn(rows, 64, device="cuda")
                assert torch.equal(layer(given), usual(given))
                assert len(kept) <= MOST
        timestep = torch.tensor(3.0)  # on the CPU, as some schedulers have it
        scaled = _Scaled().cuda().eval()
        replay(scaled, CudaRecorder(torch.device("cuda:0"), memory), required=True)
        for _ in range(3):
            timestep += 1
            given = torch.randn(2, 64, device="cuda")
            assert torch.equal(scaled(given, timestep), scaled.weight * given * timestep.cuda())
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    kept.drop()


class _Scaled(torch.nn.Module):
    """Moves its timestep to the device itself, as diffusers' denoisers do."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(64))

    def forward(self, sample: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        return self.weight * sample * timestep[None].to(sample.device)


class _Waiting(torch.nn.Module):
    """Waits for the device, which no graph can."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(64))

    def forward(self, sample: torch.Tensor) -> torch.Tensor:
        return self.weight * sample * sample.sum().item()


def test_what_cannot_be_captured_goes_on_without() -> None:
    given = torch.randn(2, 64, device="cuda")
    for required in (False, True):
        module, memory = _Waiting().cuda().eval(), PoolMemory()
        kept = replay(module, CudaRecorder(torch.device("cuda:0"), memory), required=required)
        with torch.no_grad():
            if required:
                with pytest.raises(StageError, match="graphs=on: _Waiting cannot be captured"):
                    module(given)
                continue
            for _ in range(2):
                assert torch.equal(module(given), given * given.sum().item())
        assert kept.failure is not None
        assert memory.held == 0
        # The failure leaves nothing behind: memory is freed, random numbers are drawn, and other
        # modules are captured after it.
        torch.cuda.empty_cache()
        assert torch.randn(2, device="cuda").isfinite().all()
        assert torch.cuda.current_stream() == torch.cuda.default_stream()
        other = torch.nn.Linear(64, 64).cuda().eval()
        expected = other(given)
        good = replay(other, CudaRecorder(torch.device("cuda:0"), memory), required=True)
        with torch.no_grad():
            assert all(torch.equal(other(given), expected) for _ in range(3))
        assert good.recordings == 1


def test_out_of_memory_while_capturing_goes_on_without_graphs(
    random_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, _ = cell(random_weights, tmp_path / "usual", "kandinsky2_2", "graphs=off")
    capture = CudaRecorder._capture

    def crowded(self: CudaRecorder, graph: Any, function: Any, inputs: Any) -> Any:
        def too_much(*given: Any) -> Any:
            torch.empty(2**50, dtype=torch.uint8, device="cuda")  # raises OutOfMemoryError
            return function(*given)

        return capture(self, graph, too_much, inputs)

    monkeypatch.setattr(CudaRecorder, "_capture", crowded)
    # A worker of its own would capture as it is.
    monkeypatch.setattr(choose, "needs_own_process", lambda device: False)
    given = small(random_weights, tmp_path / "auto", "kandinsky2_2", "device=cuda")
    assert main([*given, "cache=off", "tracking=mlflow", "graphs=auto"]) == 0
    manifest = read_manifest(tmp_path / "auto" / "latest")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'auto' / 'mlflow.db'}")
    tags = client.get_run(manifest["mlflow_run_id"]).data.tags
    assert "out of memory with CUDA graphs" in tags["runner.memory_relieved"]
    with Image.open(tmp_path / "auto" / "latest" / manifest["images"][0]["file"]) as image:
        assert np.array_equal(pixels(image), usual.pictures[0])


@pytest.mark.parametrize("mode", ["model", "group", "sequential"])
def test_offload_leaves_graphs_out(random_weights: Path, tmp_path: Path, mode: str) -> None:
    made, _ = cell(random_weights, tmp_path, "kandinsky2_2", f"offload={mode}")
    for loaded in made.loaded:
        assert loaded.readback["graphs"] == {
            "used": False, "reason": f"offload={mode} moves weights",
        }  # fmt: skip
