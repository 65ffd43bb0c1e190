"""Fixtures for all kinds of tests."""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from hub_stand_in import Hub

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
"""Threads of torch that wait for each other leave the core to whoever computes: as they spin by
default, tests with two threads take three times as long beside another worker's. To be said before
torch is imported, also to the processes that tests start.
"""


def pytest_configure(config: pytest.Config) -> None:
    """`device=auto` is the CPU wherever accelerators are not what is tested: `make test` asserts
    the same on a machine that has some.
    """
    if "gpu" not in config.option.markexpr.replace("not gpu", ""):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    # Nobody is asked for weights; the fixture `hub` is another hub.
    os.environ["HF_HUB_OFFLINE"] = "1"
    # In the background of a script Ctrl-C is ignored, and so by all that tests start and stop.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Nothing of the user's own is read or written.
    os.environ["KANDINSKY_CACHE"] = str(
        Path(tempfile.gettempdir()) / f"kandinsky-tests-{os.getuid()}"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests first: short ones fill the gaps at the end, when a worker has no long one left.

    xdist gives each worker one part of the list to begin with, so each part has its slow ones
    first. Fewer are taken over by others then, which would make their modules' fixtures again.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    slow = [item for item in items if item.get_closest_marker("slow") is not None]
    short = [item for item in items if item.get_closest_marker("slow") is None]
    items[:] = [
        item
        for worker in range(workers)
        for part in (slow, short)
        for item in part[len(part) * worker // workers : len(part) * (worker + 1) // workers]
    ]


def pytest_collection_finish() -> None:
    """Set aside what collection left, a million objects: else each run of the runner in this
    process, which collects garbage, looks through all of them for a third of a second.
    """
    from runner.system import garbage

    gc.collect()
    garbage.set_aside()


@pytest.fixture(scope="session", autouse=True)
def _composed_once() -> Iterator[None]:
    from helpers.composed_once import compose_once

    with pytest.MonkeyPatch.context() as patch:
        compose_once(patch)
        yield


@pytest.fixture(scope="session", autouse=True)
def _nothing_stands_by() -> Iterator[None]:
    """Commands in this process, which has imported torch already, begin no further processes that
    would import it, and MLflow, while they plan: most commands here end before they are needed.
    `functional/test_hosts.py` and `tracking/test_standing_by.py` test these processes, and so does
    every command that is run as a process.
    """
    from runner.verbs import run

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "cpu_cores", lambda: 1)
        yield


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small random checkpoint per released repository; read it only."""
    # Here, not above: most tests need neither the checkpoints nor the seconds of these imports.
    from random_weights import build_all

    return made_once(tmp_path_factory, "random_weights", build_all)


@pytest.fixture(scope="session")
def depth_pull_request(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What refs/pr/5 of kandinsky-2-2-controlnet-depth holds; read it only."""
    from random_weights import kandinsky_2_2_controlnet_depth

    folder = tmp_path_factory.mktemp("pull_request")
    return kandinsky_2_2_controlnet_depth(folder, pull_request=True)


@pytest.fixture(scope="session")
def lora_files(random_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """LoRAs by name: "decoder", "other" and "inpaint" for UNets, "prior", and of other versions."""
    # Here, not above: as in `random_weights`.
    from random_weights.loras import ATTENTION, lora_of, written

    folder = tmp_path_factory.mktemp("loras")
    made = {
        # name -> the module's folder, and what stands before the names
        "decoder": ("kandinsky-2-2-decoder/unet", "unet."),
        "inpaint": ("kandinsky-2-2-decoder-inpaint/unet", ""),
        "prior": ("kandinsky-2-2-prior/prior", ""),
        "2_1": ("kandinsky-2-1/unet", ""),
        "2_0": ("kandinsky-2-0/unet", ""),
        "5": ("Kandinsky-5.0-T2I-Lite-sft-Diffusers/transformer", "transformer."),
        "5_edit": ("Kandinsky-5.0-I2I-Lite-sft-Diffusers/transformer", "transformer."),
    }
    files = {
        name: written(folder / f"{name}.safetensors", lora_of(random_weights / module), prefix)
        for name, (module, prefix) in made.items()
    }
    unet = random_weights / "kandinsky-2-2-decoder" / "unet"
    ranks = {**lora_of(unet, ATTENTION, rank=3, seed=1), **lora_of(unet, ("conv1",), rank=5)}
    return {**files, "other": written(folder / "other.safetensors", ranks, "unet.")}


@pytest.fixture
def hub(
    random_weights: Path,
    depth_pull_request: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Hub]:
    """A stand-in of the Hugging Face hub with every released repository, and an empty cache.

    The hub's client reads its variables when it is imported: use it in a process of its own.
    """
    from hub_stand_in import Hub

    hub = Hub()
    for folder in sorted(random_weights.iterdir()):
        repository = hub.add(f"{_owner_of(folder.name)}/{folder.name}", folder)
        if folder.name == depth_pull_request.name:
            repository.revision("refs/pr/5", depth_pull_request)
    for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING"))]:
        monkeypatch.delenv(name)
    with hub.running():
        given = {
            "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf_home"), "NO_PROXY": "127.0.0.1",
            "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
        }  # fmt: skip
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        yield hub


def _owner_of(repository: str) -> str:
    if repository == "dpt-large":
        return "Intel"
    return "kandinskylab" if repository.startswith("Kandinsky-5") else "kandinsky-community"


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the small family: the shipped one may be trained anew meanwhile."""
    from runner.weights.find import MINI_DIR

    def copy(folder: Path) -> None:
        shutil.copytree(MINI_DIR, folder / "weights")

    return made_once(tmp_path_factory, "family", copy) / "weights"


def made_once(
    tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]
) -> Path:
    """A folder that all workers share: the first one that needs it has `make` fill it."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder = root / name
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            filling = root / f"{name}.filling"
            shutil.rmtree(filling, ignore_errors=True)  # of a worker that died of it
            filling.mkdir()
            make(filling)
            filling.rename(folder)
    return folder
