"""Which modules a cell quantises, and what cannot be quantised so on this machine."""

from __future__ import annotations

from collections.abc import Iterator

from runner.catalog.checkpoint import Checkpoint
from runner.catalog.offload import OFFLOAD, Moves
from runner.catalog.quantization import DENOISER, KEYS, METHODS, NONE, PRIOR, Method
from runner.catalog.versions import row_of
from runner.config.choices import CompileMode, Graphs
from runner.config.run_config import RunConfig
from runner.errors import ConfigError
from runner.planning.specs import OF_METRICS
from runner.system.machine import check_installed, is_installed

OF_STEPS = (PRIOR, DENOISER)
"""Keys of the modules that are called at each step: `compile` and `graphs` are of these."""


def quantized_modules(
    run: RunConfig, checkpoint: Checkpoint, role: str
) -> tuple[tuple[str, str], ...]:
    """The modules of a role that are quantised, each with its method, for `PipelineSpec`."""
    if role.startswith(OF_METRICS):
        return ()
    return tuple(
        (module, getattr(run.quantize, key))
        for key, modules in checkpoint.quantizes.items()
        for module in modules
        if getattr(run.quantize, key) != NONE
    )


def has_module(run: RunConfig, key: str) -> bool:
    """Whether a cell has a module that a key of `quantize` means."""
    roles = row_of(run.version, run.task).checkpoints.values()
    return any(key in checkpoint.quantizes for checkpoint in roles)


def quantize_problem(method: Method, device: str) -> str | None:
    """Why a method does not work on a device of this machine; None: it works."""
    for package in method.packages:
        if not is_installed(package):
            return f"the package {package} is not installed"
    if device.partition(":")[0] not in method.devices:
        return f"does not run on {device}"
    return None


def check_quantization(run: RunConfig, device: str) -> None:
    """Raises ConfigError for a method that needs what is not there, or does not go with how the
    cell runs.
    """
    for key, method in _asked(run):
        name = f"quantize.{key}"
        check_installed(name, method.name, method.packages, f"{name}={NONE}")
        if (problem := quantize_problem(method, device)) is not None:
            raise ConfigError(name, method.name, problem, (NONE, *_working(device)))
        _check_offload(run, name, method)
        if key not in OF_STEPS:
            continue
        if run.compile.mode is not CompileMode.off and method.uncompiled:
            raise ConfigError(
                name, method.name, f"{method.uncompiled} (compile={run.compile.mode.value})",
                f"{name}={NONE}; or compile=off",
            )  # fmt: skip
        if run.graphs is Graphs.on and method.uncaptured:
            raise ConfigError(
                name, method.name, f"{method.uncaptured} (graphs=on)",
                f"{name}={NONE}; or graphs=auto",
            )  # fmt: skip


def quantized_moves(run: RunConfig) -> frozenset[Moves]:
    """Units that weights can be moved in, as a cell quantises them."""
    return frozenset(Moves).intersection(*(method.moves for _, method in _asked(run)))


def uncaptured(run: RunConfig) -> list[str]:
    """Keys with their values, of modules that do not run as CUDA graphs."""
    return [
        f"quantize.{key}={method.name}"
        for key, method in _asked(run)
        if key in OF_STEPS and method.uncaptured
    ]


def _check_offload(run: RunConfig, name: str, method: Method) -> None:
    offload = run.offload
    if offload.chosen or offload.moves in method.moves:
        return
    works = [mode.name for mode in OFFLOAD.values() if mode.chosen or mode.moves in method.moves]
    raise ConfigError(
        name, method.name,
        f"{method.unmoved}, and offload={offload.name} moves single layers",
        f"{name}={NONE}; or offload={', '.join(works)}",
    )  # fmt: skip


def _asked(run: RunConfig) -> Iterator[tuple[str, Method]]:
    for key in KEYS:
        value = getattr(run.quantize, key)
        if value != NONE and has_module(run, key):
            yield key, METHODS[value]


def _working(device: str) -> list[str]:
    return [m.name for m in METHODS.values() if quantize_problem(m, device) is None]
