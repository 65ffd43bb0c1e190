"""Tests that need an accelerator. Run them with: pytest -m gpu tests/gpu"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import numpy as np
import pytest
import torch
from PIL import Image

from gpu.tolerances import OTHER_KERNELS, SAME_KERNELS
from helpers.loading import checked
from helpers.manifests import read_manifest
from helpers.pixels import furthest
from runner.catalog.offload import OFFLOAD
from runner.catalog.versions import VERSIONS
from runner.cli import main
from runner.pipelines.load import load
from runner.workers import choose

pytestmark = pytest.mark.gpu

MODES = tuple(name for name in OFFLOAD if name != "none")
PARTS = tuple((name, role) for name, one in VERSIONS.items() for role in one.tasks["text2img"])


@dataclass(frozen=True)
class Logged:
    """A run's first picture, what its decoder read back as, and its MLflow run."""

    pixels: np.ndarray[Any, np.dtype[np.int16]]
    decoder: dict[str, Any]
    metrics: dict[str, float]
    tags: dict[str, str]


def run(weights: Path, folder: Path, version: str, *overrides: str) -> Logged:
    """A small cell on the random checkpoints, logged to a store of its own."""
    steps = ["prior.num_inference_steps=3"] if VERSIONS[version].has_prior else []
    steps += ["any_size=true"] if VERSIONS[version].sizes else []
    given = [
        f"model={version}", f"weights={weights}", f"output_dir={folder}", "height=64", "width=64",
        "decoder.num_inference_steps=3", "seeds=[3]", "prompt=a red circle", "cache=off",
        "progress=quiet", "device=cuda", *steps, *overrides,
    ]  # fmt: skip
    assert main(given) == 0
    manifest = read_manifest(folder / "latest")
    (file,) = (folder / "mlartifacts").rglob("pipelines.json")
    loaded = json.loads(file.read_text())
    client = mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    data = client.get_run(manifest["mlflow_run_id"]).data
    with Image.open(folder / "latest" / manifest["images"][0]["file"]) as image:
        pixels = np.asarray(image, dtype=np.int16)
    # Loaded more than once after running out of memory: the last one drew the picture.
    decoder = [one for one in loaded if VERSIONS[version].denoiser in one["dtype"]][-1]
    return Logged(pixels, decoder, data.metrics, data.tags)


def furthest_of(one: Logged, other: Logged) -> int:
    return furthest(one.pixels, other.pixels)


@pytest.fixture(scope="module")
def whole(random_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Logged]:
    """Each version on the GPU, nothing offloaded."""
    return {
        version: run(random_weights, tmp_path_factory.mktemp(version), version, "offload=none")
        for version in VERSIONS
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_cuda_draws_what_the_cpu_draws(
    random_weights: Path, tmp_path: Path, whole: dict[str, Logged], version: str
) -> None:
    on_cpu = run(random_weights, tmp_path, version, "device=cpu")
    assert set(whole[version].decoder["device"].values()) == {"cuda:0"}
    assert set(on_cpu.decoder["device"].values()) == {"cpu"}
    assert whole[version].pixels.std() > 10
    assert furthest_of(on_cpu, whole[version]) <= OTHER_KERNELS
    assert whole[version].metrics["peak_device_mb"] > 0
    assert whole[version].tags["runner.accelerator"] == torch.cuda.get_device_name(0)
    assert "runner.accelerator" not in on_cpu.tags
    rounded = whole[version].decoder["accelerator"]["tf32"]
    assert rounded["convolutions"] == torch.backends.cudnn.allow_tf32
    assert "peak_device_mb" not in on_cpu.metrics


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("mode", MODES)
def test_offload_draws_what_none_draws(
    random_weights: Path, tmp_path: Path, whole: dict[str, Logged], version: str, mode: str
) -> None:
    offloaded = run(random_weights, tmp_path, version, f"offload={mode}")
    assert furthest_of(offloaded, whole[version]) <= SAME_KERNELS
    # So small a model fits, and then `auto` leaves it whole.
    used = "none" if mode == "auto" else mode
    assert offloaded.decoder["offload"]["mode"] == used
    assert offloaded.decoder["offload"]["prefetched"] == (used == "group_stream")
    modules = set(offloaded.decoder["device"]) if used != "none" else set()
    assert set(offloaded.decoder["offloaded"]) == modules - {*OFFLOAD[used].stays}
    assert "runner.memory_relieved" not in offloaded.tags


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "auto"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_offload_edits_what_none_edits(
    random_weights: Path, tmp_path: Path, mode: str, precision: str
) -> None:
    """Parts of the transformer stay in float32, and Qwen sees the picture."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    picture.save(tmp_path / "picture.png")
    given = ("task=edit", f"inputs.image={tmp_path / 'picture.png'}", f"precision={precision}")
    whole, offloaded = (
        run(random_weights, tmp_path / name, "kandinsky5", *given, f"offload={name}")
        for name in ("none", mode)
    )
    assert furthest_of(offloaded, whole) <= SAME_KERNELS
    assert offloaded.decoder["offload"]["mode"] == mode


@pytest.mark.parametrize("version", VERSIONS)
def test_offload_saves_device_memory(
    random_weights: Path, tmp_path: Path, whole: dict[str, Logged], version: str
) -> None:
    """By little: the small models' activations weigh about as much as their weights."""
    offloaded = run(random_weights, tmp_path, version, "offload=sequential")
    for name in ("peak_device_mb", "peak_device_mb_decode"):
        assert 0 < offloaded.metrics[name] < whole[version].metrics[name]


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_compiled_draws_the_same(
    random_weights: Path, tmp_path: Path, whole: dict[str, Logged], version: str
) -> None:
    compiled = run(
        random_weights, tmp_path, version, "compile=default", "compile.channels_last=true"
    )
    assert furthest_of(compiled, whole[version]) <= OTHER_KERNELS
    # A transformer has no convolutions.
    last = None if VERSIONS[version].dispatched else True
    found = compiled.decoder["compile"][VERSIONS[version].denoiser]
    assert found == {"compiled": True, "channels_last": last}
    assert compiled.metrics["seconds_decode_first_call"] > 0


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("precision", "dtype"), [("fp16", "float16"), ("bf16", "bfloat16")])
@pytest.mark.parametrize("mode", ["none", "model"])
def test_half_precision_runs(
    random_weights: Path, tmp_path: Path, version: str, precision: str, dtype: str, mode: str
) -> None:
    half = run(random_weights, tmp_path, version, f"precision={precision}", f"offload={mode}")
    assert set(half.decoder["dtype"].values()) == {dtype}
    assert half.pixels.std() > 10


@pytest.mark.skipif(find_spec("xformers") is None, reason="xformers is not installed")
@pytest.mark.parametrize("version", [name for name, row in VERSIONS.items() if not row.dispatched])
def test_xformers_draws_the_same(
    random_weights: Path, tmp_path: Path, whole: dict[str, Logged], version: str
) -> None:
    other = run(random_weights, tmp_path, version, "attention=xformers")
    assert all("XFormers" in name for name in other.decoder["attention"]["unet"])
    assert furthest_of(other, whole[version]) <= OTHER_KERNELS


def test_running_out_of_memory_is_relieved(
    random_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With offload=auto the run goes down to `model`; the picture is that of `model`."""
    from runner.stages import decode

    usual = run(random_weights, tmp_path / "usual", "kandinsky2_2", "offload=model")
    draw, tries = decode.run, []

    def crowd(*given: Any) -> Any:
        tries.append(1)
        if len(tries) == 1:
            torch.empty(2**50, dtype=torch.uint8, device="cuda")  # raises OutOfMemoryError
        return draw(*given)

    monkeypatch.setattr(decode, "run", crowd)
    # A worker of its own would have the stage as it is.
    monkeypatch.setattr(choose, "needs_own_process", lambda device: False)
    # Graphs would be given up first.
    made = run(random_weights, tmp_path / "auto", "kandinsky2_2", "offload=auto", "graphs=off")
    assert len(tries) == 2
    assert "out of memory with offload=none" in made.tags["runner.memory_relieved"]
    assert made.decoder["offload"]["mode"] == "model"
    assert furthest_of(made, usual) <= SAME_KERNELS


@pytest.mark.parametrize("version", VERSIONS)
def test_workers_draw_the_same(
    version: str, whole: dict[str, Logged], random_weights: Path, tmp_path: Path
) -> None:
    """Two images, so that both workers have something to do; the first is looked at."""
    logged = run(random_weights, tmp_path, version, "workers=2", "seeds=[3,4]")
    assert logged.tags["runner.workers"] == "2 workers (as configured)"
    assert logged.decoder["execution_device"].startswith("cuda:")
    assert furthest_of(logged, whole[version]) <= SAME_KERNELS


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("part", PARTS, ids="-".join)
def test_weights_are_read_to_the_gpu_as_they_are_moved_there(
    random_weights: Path, part: tuple[str, str], precision: str
) -> None:
    version, role = part
    checkpoint = VERSIONS[version].tasks["text2img"][role]
    spec: Any = SimpleNamespace(dtype=precision, pipeline=checkpoint.pipeline)
    found = checked(random_weights, checkpoint)
    last = f"cuda:{torch.cuda.device_count() - 1}"  # also where that is not the current one
    moved, direct = load(spec, checkpoint, found), load(spec, checkpoint, found, held=last)
    moved.to(last)
    for name in checkpoint.modules:
        for (key, one), (_, other) in zip(
            moved.components[name].state_dict().items(),
            direct.components[name].state_dict().items(),
            strict=True,
        ):
            assert other.device == torch.device(last), f"{name}.{key}"
            assert torch.equal(one, other), f"{name}.{key}"
    assert torch.cuda.current_device() == 0
    assert direct.to(last) is direct
