"""Whether denoisers can run as graphs, as far as it is known before anything runs."""

from __future__ import annotations

from runner.catalog.attention import ATTENTION
from runner.catalog.graphs import graph_kind
from runner.catalog.offload import OFFLOAD
from runner.config.choices import CompileMode, Graphs
from runner.config.run_config import RunConfig
from runner.errors import ConfigError
from runner.planning.quantization import uncaptured

ALLOWED = "auto or off"


def graphs_problem(device: str) -> str | None:
    """Why a device has no graphs; None: it has."""
    return f"{device} has none" if graph_kind(device) is None else None


def graphs_settled(run: RunConfig, device: str) -> tuple[bool, str]:
    """Whether a cell's denoisers run as graphs, and why.

    An offload mode that is chosen later, or memory that does not suffice, may still turn them off.
    """
    if run.graphs is Graphs.off:
        return False, "as configured"
    kind = graph_kind(device)
    if kind is None:
        return False, f"{device} has none"
    if run.compile.mode is not CompileMode.off:
        return False, f"compile={run.compile.mode.value} calls kernels of its own"
    backend = ATTENTION[run.attention.backend]
    if kind.traces and run.version.dispatched and backend.in_context:
        return False, f"no trace holds which kernels attention={backend.name} chooses"
    if not run.offload.captured and not run.offload.chosen:
        return False, f"offload={run.offload.name} moves weights"
    but = "".join(f", but not of {asked}" for asked in uncaptured(run))
    return True, (kind.where if run.graphs is Graphs.auto else "as configured") + but


def check_graphs_possible(run: RunConfig, device: str) -> None:
    """Raises ConfigError for `graphs=on` where they are not possible, or not surely so."""
    if run.graphs is not Graphs.on:
        return
    used, why = graphs_settled(run, device)
    if used and run.offload.chosen:
        used, why = False, f"offload={run.offload.name} may choose a mode that moves weights"
    if not used:
        raise ConfigError("graphs", run.graphs.name, why, _allowed(run, device))


def _allowed(run: RunConfig, device: str) -> str:
    """What there is to choose where graphs are not possible."""
    if graph_kind(device) is None:
        return ALLOWED
    if run.compile.mode is not CompileMode.off:
        return f"{ALLOWED}; or compile=off"
    if not run.offload.captured:
        whole = " or ".join(mode.name for mode in OFFLOAD.values() if mode.captured)
        return f"{ALLOWED}; or offload={whole}"
    return f"{ALLOWED}; or another attention"
