"""`kandinsky plan`: checks a config or a sweep and shows its graph; loads no weights."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from runner.catalog.memory import UNCERTAINTY
from runner.config.cell import Cell
from runner.config.choices import CacheMode
from runner.config.cluster import Cluster
from runner.config.hydra.app import Swept, run_with_hydra
from runner.config.run_config import RunConfig
from runner.engine.estimates import Estimate, Estimator
from runner.engine.store import Store
from runner.errors import ConfigError
from runner.graph.graph import Graph
from runner.graph.node import Node
from runner.planning.batches import batch_lines
from runner.planning.memory import reckoned, weights_bytes
from runner.planning.plan import Plan
from runner.planning.planner import results_dir
from runner.planning.sweep import SweepPlan
from runner.planning.sweep_command import combinations
from runner.runs.grown import joined_lines
from runner.runs.prepare import look_up_run, look_up_sweep
from runner.system.machine import check_installed, device_memory
from runner.system.signals import leave, signals
from runner.system.text import duration, format_bytes, pluralize
from runner.verbs.joining import joining
from runner.verbs.plan_compile import compile_lines, graphs_lines
from runner.verbs.plan_weights import weights_lines
from runner.workers.choose import worker_count

LISTED_CELLS = 30
"""Up to so many cells are listed one by one."""

NOTABLE_BYTES = 10**9
"""Weights in memory from which on it is told what the offload modes take."""

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
        print(plan_text(plan))
        _tell(unreached)
        _draw(plan.graph, file)
        return 0

    def sweep_job(cells: Sequence[Cell], _: Cluster | None) -> Swept:
        sweep, unreached = look_up_sweep(cells)
        print(sweep_text(sweep), *joined_lines(sweep), sep="\n")
        _tell(unreached)
        _draw(sweep.graph, file)
        return Swept(0)

    with signals(leave):
        return run_with_hydra(job, others, "kandinsky plan", sweep_job)


def split_graph_option(arguments: Sequence[str]) -> tuple[list[str], Path | None]:
    """Hydra's arguments, and the file of `--graph`.

    Raises:
        ConfigError: it names no file, or a file type that cannot be written.
    """
    others = list(arguments)
    if GRAPH not in others:
        return others, None
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


def sweep_text(sweep: SweepPlan) -> str:
    """The plan of a sweep as text for the terminal."""
    images = sum(len(plan.images) for plan in sweep.plans)
    made = Counter(map(_made, sweep.plans))
    lines = [f"{pluralize(len(sweep.cells), 'cell')}, {pluralize(images, 'image')}"]
    lines += [f"  {pluralize(n, 'cell')}: {what}" for what, n in made.items()]
    axes = sweep.axes
    whole = combinations(axes)
    some = f" ({len(sweep.cells)} of {whole} combinations)" if whole > len(sweep.cells) else ""
    lines += [f"axes{some}", *(f"  {key:<28} {', '.join(values)}" for key, values in axes.items())]
    if len(sweep.cells) <= LISTED_CELLS:
        lines.append("cells")
        for cell in sweep.cells:
            apart = [text for text in cell.overrides if text.partition("=")[0] in axes]
            lines.append(f"  {cell.number:<4} {' '.join(apart)}")
    lines += sweep.left_out_lines()
    changed = Counter(plan.scheduler.changed for plan in sweep.plans if plan.scheduler.changed)
    lines += [f"  {pluralize(n, 'cell')}, {what}" for what, n in changed.items()]
    noted = Counter(warning for plan in sweep.plans for warning in plan.warnings)
    lines += [f"  warning, {pluralize(n, 'cell')}: {warning}" for warning, n in noted.items()]
    said = Counter(line for plan in sweep.plans for line in _correction_lines(plan))
    lines += [f"  {pluralize(n, 'cell')}: {line}" for line, n in said.items()]
    said = Counter(line for plan in sweep.plans for line in graphs_lines(plan))
    lines += [f"  {pluralize(n, 'cell')}: {line}" for line, n in said.items()]
    lines.append("models")
    lines += weights_lines(sweep.checkpoints)
    lines += _memory_of_largest(sweep.plans)
    lines.append("stages")
    stored_ones = stored_nodes(sweep)
    stored = Counter(node.stage for node in stored_ones)
    for stage, distinct in sweep.distinct_stages.items():
        of_all = f"{distinct} distinct of {sweep.stages[stage]}"
        lines.append(f"  {stage:<16} {of_all}; {stored[stage]} already stored")
    have = {node.key for node in stored_ones}
    missing = [node for node in sweep.work if node.key not in have]
    first = sweep.plans[0].run
    estimator = Estimator(results_dir(first.output_dir))
    estimate = estimator.estimate(missing, first.bench)
    lines += ["time", f"  {estimate_text(estimate, _workers(sweep.plans, missing))}"]
    lines += [f"  {line}" for line in compile_lines(sweep.plans, estimator)]
    return "\n".join(lines)


def _workers(plans: Sequence[Plan], nodes: Sequence[Node]) -> int:
    """How many workers will share the nodes; 1 where plans are run in several ways, one after the
    other.
    """
    if len({plan.profile for plan in plans}) > 1:
        return 1
    return worker_count(plans, nodes)[0]


def estimate_text(estimate: Estimate, workers: int = 1) -> str:
    """One line on the estimated time of stages."""
    if not estimate.nodes:
        return "all stages are stored"
    if estimate.unknown == estimate.nodes:
        return "unknown: no stage of these kinds was run here before"
    about = f"about {duration(estimate.seconds)} of stages, by earlier runs"
    if workers > 1:
        about += f", in {workers} workers: about {duration(estimate.seconds / workers)}"
    about += "; models load besides"
    if estimate.unknown:
        about += f"; {pluralize(estimate.unknown, 'stage')} of kinds that were never run here"
    return about


def stored_nodes(sweep: SweepPlan) -> list[Node]:
    """The distinct nodes whose results are in the store."""
    graphs: defaultdict[tuple[Path, CacheMode], list[Graph]] = defaultdict(list)
    for plan in sweep.plans:
        graphs[results_dir(plan.run.output_dir), plan.run.cache].append(plan.graph)
    found: dict[str, Node] = {}
    for (folder, mode), (first, *others) in graphs.items():
        store = Store(folder, mode)
        found |= {node.key: node for node in first.merged(*others) if store.holds(node)}
    return list(found.values())


def _made(plan: Plan) -> str:
    run = plan.run
    what = f"Kandinsky {run.version.title} {run.task.name}"
    return f"{what}, {plan.width} x {plan.height}, {pluralize(len(plan.images), 'image')} each"


def plan_text(plan: Plan) -> str:
    """The plan of a run as text for the terminal."""
    run = plan.run
    lines = [
        f"{run.name}: Kandinsky {run.version.title} {run.task.name}, {plan.width} x {plan.height}, "
        f"{pluralize(len(plan.images), 'image')} "
        f"({pluralize(len(run.prompts), 'prompt')} x {pluralize(len(run.seeds), 'seed')})",
        f"  scheduler {plan.scheduler.title}, attention {run.attention.backend}, "
        f"offload {run.offload.name}, device {plan.device}, "
        f"{pluralize(plan.threads, 'CPU thread')} ({plan.threads_reason})",
    ]
    lines += [f"  {line}" for line in (*graphs_lines(plan), *compile_lines([plan]))]
    lines += [f"  {changed}" for changed in [plan.scheduler.changed] if changed]
    lines += [f"  {line}" for line in _correction_lines(plan)]
    lines += [f"  {line}" for line in batch_lines(plan)]
    lines += [f"  warning: {warning}" for warning in plan.warnings]
    lines.append("weights")
    lines += weights_lines(plan.weights.checkpoints.values())
    lines += _memory_lines(plan)
    lines.append("graph")
    lines += [f"  {line}" for line in _graph_lines(plan)]
    return "\n".join(lines)


def _correction_lines(plan: Plan) -> list[str]:
    """What `corrections` does in this cell."""
    names = ", ".join(fault.name for fault in plan.faults)
    if plan.run.corrections:
        return [f"corrected: {names}"] if names else []
    return [f"left as in diffusers: {names or 'nothing to correct here'}"]


def _memory_of_largest(plans: Sequence[Plan]) -> list[str]:
    """The same of the cell that takes most."""
    alike = {}
    for p in plans:
        found = tuple((f.repo, f.variant, f.random) for f in p.weights.checkpoints.values())
        batch = min(p.profile.batch_size or 1, len(p.images))
        alike[found, repr((p.run.precision, p.run.quantize)), p.width, p.height, batch] = p
    largest = max(alike.values(), key=lambda plan: sum(reckoned(plan).values()))
    whose = " for the largest cell" if len(alike) > 1 else ""
    return _memory_lines(largest, whose)


def _memory_lines(plan: Plan, whose: str = "") -> list[str]:
    """What each offload mode takes of a device's memory, where that is notable."""
    if weights_bytes(plan) < NOTABLE_BYTES:
        return []
    has = device_memory(plan.device)
    of = f"; it has {format_bytes(has)}" if has is not None else ""
    on = plan.device if plan.device != "cpu" else "an accelerator"
    lines = [f"memory of {on}{whose}, by reckoning within {UNCERTAINTY:.0%}{of}"]
    for mode, needed in reckoned(plan).items():
        fits = (
            "" if has is None else "  fits" if needed * (1 + UNCERTAINTY) <= has else "  too much"
        )
        lines.append(f"  {f'offload={mode}':<20} {format_bytes(needed):>7}{fits}")
    return lines


def _tell(unreached: str | None) -> None:
    """Say that what is missing is not known, and why."""
    if unreached is not None:
        print(f"weights that are not on disk {unreached}")


def _graph_lines(plan: Plan) -> list[str]:
    store = Store(results_dir(plan.run.output_dir), plan.run.cache)
    lines = []
    stored = 0
    for node in plan.graph.in_order():
        reused = store.holds(node)
        stored += reused
        steps = node.params.get("num_inference_steps")
        shown_steps = f"{steps} steps  " if steps else ""
        inputs = "".join(f" <- {needed.key[:8]}" for needed in node.inputs.values())
        lines.append(
            f"{node.key[:8]} {node.stage:<11} {shown_steps}{node.label}"
            f"{inputs}{'  (stored)' if reused else ''}"
        )
    counts = Counter(node.stage for node in plan.graph)
    summary = ", ".join(f"{count} {stage}" for stage, count in counts.items())
    return [*lines, f"{pluralize(len(plan.graph), 'stage')}: {summary}; {stored} already stored"]
