"""Refuses configs that cannot work, together or on this machine, before weights are read.

One pass checks the config alone, a second one checks it against the weights.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runner.catalog.attention import ATTENTION, Attention
from runner.catalog.offload import OFFLOAD, Needs, Offload
from runner.catalog.version import DECODER
from runner.catalog.versions import VERSIONS, Row, row_of
from runner.config.checks import check_inputs
from runner.config.choices import (
    CompileMode,
    NegativeFor,
    Precision,
)
from runner.config.run_config import RunConfig
from runner.errors import ConfigError
from runner.metrics.find import FoundMetric
from runner.planning.as_in_diffusers import size_in_diffusers
from runner.planning.graphs import check_graphs_possible
from runner.planning.loras import check_loras_possible
from runner.planning.metrics import FindMetric, add_models, check_smallest, find_metrics
from runner.planning.pictures import check_pictures, check_repainted, localize_pictures
from runner.planning.quantization import check_quantization
from runner.planning.scheduler_checks import check_scheduler, check_scheduler_settings
from runner.planning.sizes import check_published_size, check_size, settle_size
from runner.planning.tracking import check_tracking
from runner.planning.version_checks import check_version
from runner.system.machine import is_installed
from runner.weights.find import FoundWeights

if TYPE_CHECKING:
    from runner.images.inputs import InputImage

COMPILERS = ("c++", "g++", "clang++")
"""Compilers, one of which torch.compile needs on a CPU: it generates C++."""


@dataclass(frozen=True)
class CheckedConfig:
    """A config that passed all checks that need no weights.

    Attributes:
        run: the config, with a local file in place of each picture's URL.
        device: "cpu", "cuda", "cuda:N" or "mps".
        pictures: the input pictures, by config key ("inputs.image").
        roles: those roles of `row.checkpoints`, with the metrics' models, that this run uses.
    """

    run: RunConfig
    row: Row
    device: str
    pictures: Mapping[str, InputImage]
    metrics: tuple[FoundMetric, ...]
    roles: tuple[str, ...]


def check_config(
    run: RunConfig,
    settle_device: Callable[[str], str],
    check_place: Callable[[str | None, Path, str], None],
    folder: Path,
    find_metric: FindMetric,
    *,
    download: bool,
) -> CheckedConfig:
    """Check all that the config alone decides.

    Args:
        settle_device: gives this machine's device for the config's, such as `auto`.
        check_place: checks where the run is tracked.
        folder: where pictures named by a URL are cached.
        find_metric: finds a metric's function by its config.
        download: fetch such pictures if they are not cached yet.

    Raises:
        ConfigError: the first setting that would fail, or give wrong results, later.
    """
    check_tracking(run, check_place)
    row = row_of(run.version, run.task)
    check_version(run)
    device = settle_device(run.device)
    check_inputs(run.inputs, run.interpolate, run.task)
    check_scheduler(run)
    _check_attention(run, device)
    _check_offload(run, device)
    _check_compile(run, device)
    check_quantization(run, device)
    check_graphs_possible(run, device)
    check_loras_possible(run)
    _check_guidance(run)
    _check_negative_prompt(run)
    run = localize_pictures(run, folder, download=download)
    pictures = check_pictures(run)
    metrics = find_metrics(run, find_metric)
    row = add_models(row, run, metrics)
    return CheckedConfig(run, row, device, pictures, metrics, needed_roles(run, row))


def check_with_weights(asked: CheckedConfig, weights: FoundWeights) -> tuple[int, int]:
    """Check the config against the weights.

    Returns:
        height and width of the images, in pixels.

    Raises:
        ConfigError: a size that the model cannot make, or an option that has no effect with it.
    """
    run = asked.run
    check_scheduler_settings(run, weights.checkpoints["decoder"])
    height, width = settle_size(run, weights, asked.pictures)
    if run.corrections:
        check_size("height", height, asked.row)
        check_size("width", width, asked.row)
        check_published_size(run, height, width)
    else:
        height, width = size_in_diffusers(run, asked.row, asked.pictures, height, width)
    check_repainted(run, asked.pictures, (width, height))
    check_smallest(asked.metrics, height, width)
    return height, width


def attention_problem(backend: Attention, device: str) -> str | None:
    """Why an attention backend does not work on a device of this machine; None: it works.

    Args:
        device: "cpu", "mps", "cuda" or "cuda:N".
    """
    if backend.package is not None and not is_installed(backend.package):
        return f"the package {backend.package} is not installed"
    runs = backend.devices is None or device.partition(":")[0] in backend.devices
    return None if runs else f"does not run on {device}"


def offload_problem(mode: Offload, device: str) -> str | None:
    """Why an offload mode does not work on a device; None: it works."""
    if mode.needs is Needs.NOTHING:
        return None
    if device == "cpu":
        return f"needs {Needs.ACCELERATOR.value}"
    if mode.needs is Needs.CUDA and not device.startswith("cuda"):
        return f"needs {mode.needs.value}"
    return None


def compile_problem(device: str) -> str | None:
    """Why torch.compile does not work on a device of this machine; None: it works."""
    if device == "cpu" and not any(map(shutil.which, COMPILERS)):
        return "needs a C++ compiler on the CPU"
    return None


def _check_attention(run: RunConfig, device: str) -> None:
    backend, dispatched = ATTENTION[run.attention.backend], run.version.dispatched
    problem = attention_problem(backend, device)
    if problem is None and not backend.computes(dispatched=dispatched):
        problem = f"has no way to compute the layers of Kandinsky {run.version.title}"
    if problem is not None:
        others = [
            b.name
            for b in ATTENTION.values()
            if b.computes(dispatched=dispatched) and attention_problem(b, device) is None
        ]
        raise ConfigError("attention", backend.name, problem, others)
    if backend.halves and run.precision.decoder is Precision.fp32:
        raise ConfigError(
            "attention", backend.name, "computes in half precision alone, and precision is fp32",
            "precision=bf16; or attention=sdpa",
        )  # fmt: skip


def _check_offload(run: RunConfig, device: str) -> None:
    if problem := offload_problem(run.offload, device):
        if device == "cpu":
            problem = f"{problem}, and this run is on the CPU"
        others = [mode.name for mode in OFFLOAD.values() if offload_problem(mode, device) is None]
        raise ConfigError("offload", run.offload.name, problem, others)


def _check_compile(run: RunConfig, device: str) -> None:
    asked = run.compile
    if asked.mode is CompileMode.off:
        return
    shown = asked.mode.value
    if problem := compile_problem(device):
        raise ConfigError("compile", shown, problem, ["off"])
    offload = run.offload
    if not offload.compiles:
        raise ConfigError(
            "compile", shown, f"offload={offload.name} moves weights within what is compiled",
            "compile=off, or another offload",
        )  # fmt: skip
    if asked.regional and not run.version.tasks[run.task.name][DECODER].repeated:
        able = [
            v.title for v in VERSIONS.values() if any(r[DECODER].repeated for r in v.tasks.values())
        ]
        raise ConfigError(
            "compile.regional", True,
            f"the blocks of Kandinsky {run.version.title} are too different to compile one for all",
            f"compile.regional=false, or Kandinsky {' and '.join(able)}",
        )  # fmt: skip
    if asked.fullgraph and not offload.fullgraph:
        whole = " or ".join(mode.name for mode in OFFLOAD.values() if mode.fullgraph)
        raise ConfigError(
            "compile.fullgraph", True, f"offload={offload.name} puts hooks into the graph",
            f"compile.fullgraph=false, or offload={whole}",
        )  # fmt: skip


def _check_guidance(run: RunConfig) -> None:
    scale, added = run.decoder.guidance_scale, run.version.guidance_added
    # Passed on without `added`, it would be ignored there: only above 1 it guides.
    if run.corrections and 1 < scale <= 1 + added:
        raise ConfigError(
            "decoder.guidance_scale", scale,
            f"Kandinsky {run.version.title} cannot guide this little",
            f"0 to 1 (no guidance), or more than {1 + added}",
        )  # fmt: skip


def _check_negative_prompt(run: RunConfig) -> None:
    told = run.negative_prompt_for
    if told is not NegativeFor.both and not run.corrections:
        raise ConfigError(
            "negative_prompt_for", told.name,
            "is not what diffusers' calls do, and corrections is off", "both; or corrections=on",
        )  # fmt: skip


def needed_roles(run: RunConfig, row: Row) -> tuple[str, ...]:
    """The row's roles that this run uses, such as no depth model where a hint is given."""
    given = run.inputs.hint is not None
    return tuple(role for role in row.checkpoints if not (role == "depth" and given))
