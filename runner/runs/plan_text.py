"""A plan as text: what `kandinsky plan` prints, and `print` in Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from runner.catalog.memory import UNCERTAINTY
from runner.config.overrides import listed
from runner.engine.estimates import Estimate
from runner.engine.store import Store
from runner.planning.batches import batch_lines
from runner.planning.memory import reckoned, weights_bytes
from runner.planning.plan import Plan
from runner.planning.planner import results_dir
from runner.planning.sizes import follows_picture
from runner.planning.sweep import SweepPlan
from runner.planning.sweep_command import combinations
from runner.runs.forecast import Forecast, forecast
from runner.runs.grown import joined_lines
from runner.runs.plan_compile import compile_lines, graphs_lines
from runner.runs.plan_weights import lora_lines, weights_lines
from runner.system.machine import device_memory
from runner.system.text import duration, format_bytes, pluralize

LISTED_CELLS = 30
"""Up to so many cells are listed one by one."""

NOTABLE_BYTES = 10**9
"""Weights in memory from which on it is told what the offload modes take."""


def sweep_text(sweep: SweepPlan, found: Forecast | None = None) -> str:
    """The plan of a sweep as text for the terminal.

    Args:
        found: what `forecast` says of it, where that is at hand.
    """
    found = found or forecast(sweep)
    made = Counter(map(_made, sweep.plans))
    lines = [headline(sweep)]
    lines += [f"  {pluralize(n, 'cell')}: {what}" for what, n in made.items()]
    axes = sweep.axes
    whole = combinations(axes)
    some = f" ({len(sweep.cells)} of {whole} combinations)" if whole > len(sweep.cells) else ""
    shown = {key: listed(values) for key, values in axes.items()}
    lines += [f"axes{some}", *(f"  {key:<28} {values}" for key, values in shown.items())]
    if len(sweep.cells) <= LISTED_CELLS:
        lines.append("cells")
        for cell in sweep.cells:
            lines.append(f"  {cell.number:<4} {sweep.label(cell)}")
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
    lines += [*weights_lines(sweep.checkpoints), *lora_lines(sweep.plans)]
    lines += _memory_of_largest(sweep.plans)
    lines.append("stages")
    for stage, count in found.stages.items():
        of_all = f"{count.distinct} distinct of {count.nodes}"
        lines.append(f"  {stage:<16} {of_all}; {count.stored} already stored")
    lines += ["time", f"  {estimate_text(found.estimate, found.workers)}"]
    lines += [f"  {line}" for line in compile_lines(sweep.plans, found.estimator)]
    lines += joined_lines(sweep)
    return "\n".join(lines)


def headline(sweep: SweepPlan) -> str:
    """How many cells and images."""
    images = sum(len(plan.images) for plan in sweep.plans)
    return f"{pluralize(len(sweep.cells), 'cell')}, {pluralize(images, 'image')}"


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
    if follows_picture(run, plan.weights):
        lines.append("  size: the published one that is nearest to the shape of inputs.image")
    lines += [f"  {line}" for line in (*graphs_lines(plan), *compile_lines([plan]))]
    lines += [f"  {changed}" for changed in [plan.scheduler.changed] if changed]
    lines += [f"  {line}" for line in _correction_lines(plan)]
    lines += [f"  {line}" for line in batch_lines(plan)]
    lines += [f"  warning: {warning}" for warning in plan.warnings]
    lines.append("weights")
    lines += [*weights_lines(plan.weights.checkpoints.values()), *lora_lines([plan])]
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
