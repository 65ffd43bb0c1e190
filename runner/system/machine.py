"""Facts of this machine, found without importing torch: for `plan`, `doctor` and the log."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from importlib import metadata, util
from pathlib import Path

import runner
from runner.errors import ConfigError

PIXEL_LIBRARIES = ("torch", "diffusers", "transformers")
"""Libraries whose version may change pixels: part of every key."""

LOGGED_LIBRARIES = (
    *PIXEL_LIBRARIES,
    "accelerate", "hydra-core", "mlflow", "numpy", "omegaconf", "pillow", "safetensors",
    "tokenizers", "xformers",
)  # fmt: skip

EXTRAS = {
    "analysis": ("matplotlib", "scipy", "torchmetrics"),
    "lora": ("peft",),
    "metrics": ("piq", "torchmetrics", "torchvision"),
    "optuna": ("optuna",),
    "quantize": ("torchao", "bitsandbytes"),
}
"""Packages that pip installs only with `kandinsky-runner[<extra>]`. No picture needs them, but
where `lora` or `quantize` asks for them."""

COMPARING = ("matplotlib", "scipy")
"""Packages of `compare`: scipy for intervals, matplotlib for plots."""


def versions(names: Sequence[str]) -> dict[str, str]:
    """Versions of installed packages; others are left out."""
    return {name: found for name in names if (found := _version(name)) is not None}


@cache
def _version(name: str) -> str | None:
    # Once: a package's metadata is a long text, and each cell of a sweep records versions.
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def is_installed(module: str) -> bool:
    """Whether a module could be imported; does not import it."""
    return util.find_spec(module) is not None


def module_command(module: str, *arguments: str) -> list[str]:
    """The command line of a process that runs one of our modules.

    `-P`: a `runner.py` in the user's working directory is not taken for this package. Start it
    with `module_environment`, which has the package's path.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def module_environment(*, users_modules: bool = False) -> dict[str, str]:
    """The environment of a process that runs one of our modules; see `python_path`."""
    return {**os.environ, "PYTHONPATH": python_path(users_modules=users_modules)}


def python_path(*, users_modules: bool) -> str:
    """PYTHONPATH of a process that runs one of our modules.

    Args:
        users_modules: whether the user's own modules, such as metrics, can be imported there too.
    """
    package = str(Path(runner.__file__).parents[1])
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if not users_modules:
        return _joined(package, *inherited)
    # An empty entry is the working directory: last, for the same reason as `-P`.
    return _joined(*filter(None, sys.path), package, *([str(Path.cwd())] if "" in sys.path else []))


def _joined(*folders: str) -> str:
    return os.pathsep.join(dict.fromkeys(filter(None, folders)))


def check_installed(key: str, value: object, packages: Sequence[str], otherwise: str = "") -> None:
    """Check that optional packages are installed; imports none of them.

    Args:
        key, value: of the config or the command line, which need the packages.
        otherwise: what the user can do without them.

    Raises:
        ConfigError: some are not installed; names them and the extra that installs them.
    """
    missing = [package for package in packages if not is_installed(package)]
    if not missing:
        return
    extras = [name for name, brings in EXTRAS.items() if set(missing) <= set(brings)]
    wanted = f"'kandinsky-runner[{extras[0]}]'" if extras else " ".join(missing)
    one = len(missing) == 1
    raise ConfigError(
        key, value,
        f"needs the {'package' if one else 'packages'} {' and '.join(missing)}, which "
        f"{'is' if one else 'are'} not installed",
        f"pip install {wanted}{f'; or {otherwise}' if otherwise else ''}",
    )  # fmt: skip


def cpu_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_affinity() -> list[int]:
    """Numbers of the cores that this process may use; empty where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def available_memory() -> tuple[int, int] | None:
    """(available, total) bytes of the machine's memory; None where the system does not tell.

    Source: MemAvailable in proc(5): what can be had without swapping.
    """
    try:
        with open("/proc/meminfo", encoding="ascii") as table:
            found = dict(line.split(":", 1) for line in table if ":" in line)
        sizes = (found["MemAvailable"], found["MemTotal"])
        available, total = (int(size.split()[0]) * 1024 for size in sizes)
    except (OSError, KeyError, ValueError, IndexError):
        return None
    return available, total


def guess_device() -> str:
    """The device that `device=auto` will most likely choose: cuda, mps or cpu.

    A guess from the driver's files and the kind of torch that is installed; torch itself is asked
    when the pipelines are loaded, and a wrong guess ends there in a clear message.
    """
    build = versions(("torch",)).get("torch", "")
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "all") in ("", "-1")
    if "+cpu" not in build and sys.platform == "linux" and not hidden:
        driver = (Path("/dev/nvidiactl"), Path("/dev/kfd"), Path("/dev/dxg"))
        if any(path.exists() for path in driver):
            return "cuda"
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return "mps"
    return "cpu"


def accelerators() -> int:
    """Number of CUDA devices that this process may use, by the driver's files; at least 1."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return max(1, len([device for device in visible.split(",") if device.strip()]))
    return max(1, len(list(Path("/dev").glob("nvidia[0-9]*"))))


def processor() -> str:
    """The processor's name, and a hash of what it can do, as far as the system tells."""
    try:
        first = Path("/proc/cpuinfo").read_text().partition("\n\n")[0]
    except OSError:
        return platform.processor() or platform.machine()
    told = dict(line.split(":", 1) for line in first.splitlines() if ":" in line)
    told = {name.strip(): value.strip() for name, value in told.items()}
    can = hashlib.sha256(told.get("flags", told.get("Features", "")).encode()).hexdigest()[:8]
    return f"{told.get('model name', platform.machine())} ({can})"


def device_memory(device: str) -> int | None:
    """Bytes of memory of a CUDA device, as its driver's tool says; None where it does not."""
    kind, _, index = device.partition(":")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    if kind != "cuda":
        return None
    number = int(index or 0)
    chosen = visible[number].strip() if number < len(visible) else ""
    query = ("nvidia-smi", "-i", chosen or str(number), "--query-gpu=memory.total")
    try:
        done = subprocess.run(
            [*query, "--format=csv,noheader,nounits"],
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
        return int(done.stdout.splitlines()[0]) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def settle_device(configured: str) -> str:
    """Resolve `auto`; check any other device against what the machine seems to have.

    Raises:
        ConfigError: an accelerator was asked for and there is none.
    """
    likely = guess_device()
    if configured == "auto":
        return likely
    if configured != "cpu" and configured.split(":")[0] != likely:
        raise ConfigError(
            "device", configured, "this machine has none, or torch is built without it",
            ("auto", "cpu", *([likely] if likely != "cpu" else [])),
        )  # fmt: skip
    return configured


def peak_process_bytes() -> int | None:
    """Peak resident memory of this process in bytes; None where the system does not give it."""
    try:
        with open(f"/proc/{os.getpid()}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None
