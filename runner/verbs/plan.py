"""`kandinsky plan`: checks a config or a sweep and shows its graph; loads no weights."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from runner.config.cell import Cell
from runner.config.cluster import Cluster
from runner.config.hydra.app import Swept, run_with_hydra
from runner.config.run_config import RunConfig
from runner.errors import ConfigError
from runner.graph.graph import Graph
from runner.runs.plan_text import plan_text, sweep_text
from runner.runs.prepare import look_up_run, look_up_sweep
from runner.system.machine import check_installed
from runner.system.signals import leave, signals
from runner.verbs.joining import joining
from runner.workers.residence_folder import check_residence

GRAPH = "--graph"


USAGE = """usage: kandinsky plan [-m] [--graph FILE.svg|FILE.mmd] [key=value ...]

Checks a config, or with -m each cell of a sweep, as `kandinsky run` would, and shows what would be
done: models, stages, what is stored, a guess at the time. Loads no weights. Takes what `run` does.

  -m            plan a sweep: key=a,b
  --graph FILE  draw the graph of stages

Other flags: kandinsky --help. Keys: kandinsky keys. Exit status 2: it cannot be run, and why."""


def main(arguments: list[str]) -> int:
    """Plan a composed config, or all of a sweep's. Takes what `run` takes, and `--graph FILE`."""
    if {"-h", "--help"} & set(arguments):
        print(USAGE)
        return 0
    others, file = split_graph_option(joining(arguments))

    def job(run: RunConfig) -> int:
        plan, unreached = look_up_run(run)
        check_residence(run.workers_keep)
        print(plan_text(plan))
        _tell(unreached)
        _draw(plan.graph, file)
        return 0

    def sweep_job(cells: Sequence[Cell], _: Cluster | None) -> Swept:
        sweep, unreached = look_up_sweep(cells)
        for keep in {plan.run.workers_keep for plan in sweep.plans}:
            check_residence(keep)
        print(sweep_text(sweep))
        _tell(unreached)
        _draw(sweep.graph, file)
        return Swept(0)

    with signals(leave):
        return run_with_hydra(job, others, "kandinsky plan", sweep_job, (GRAPH,))


def split_graph_option(arguments: Sequence[str]) -> tuple[list[str], Path | None]:
    """Hydra's arguments, and the file of `--graph`.

    Raises:
        ConfigError: it names no file, or a file type that cannot be written; or is there twice.
    """
    # `--graph=FILE` is as usual as `--graph FILE`.
    split = (one.split("=", 1) if one.startswith(f"{GRAPH}=") else [one] for one in arguments)
    others = [word for words in split for word in words]
    if GRAPH not in others:
        return others, None
    if others.count(GRAPH) > 1:
        raise ConfigError("flag", GRAPH, "is there twice", f"one {GRAPH} FILE")
    place = others.index(GRAPH)
    name = others[place + 1] if place + 1 < len(others) else ""
    if not name.endswith((".mmd", ".svg")):
        raise ConfigError(GRAPH, name, "is no file for a graph", "<name>.mmd (Mermaid), <name>.svg")
    if name.endswith(".svg"):
        check_installed(GRAPH, name, ("matplotlib",), "<name>.mmd (Mermaid)")
    del others[place : place + 2]
    return others, Path(name)


def _draw(graph: Graph, file: Path | None) -> None:
    if file is None:
        return
    try:
        file.write_text(_drawn(graph, file.suffix), encoding="utf-8")
    except OSError as error:
        raise ConfigError(GRAPH, file, f"cannot be written: {error.strerror}") from error
    print(f"graph: {file}")


def _drawn(graph: Graph, suffix: str) -> str:
    if suffix == ".mmd":
        return graph.as_mermaid()
    # Imported here, as it imports matplotlib.
    from runner.analysis.graph_svg import as_svg
    from runner.analysis.lettering import warn_of_substitutes

    for warning in warn_of_substitutes(node.label for node in graph):
        print(f"warning: {warning}", file=sys.stderr)
    return as_svg(graph)


def _tell(unreached: str | None) -> None:
    """Say that what is missing is not known, and why."""
    if unreached is not None:
        print(f"weights that are not on disk {unreached}")
