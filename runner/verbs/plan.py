"""`kandinsky plan`: everything that can be known before a weight is read, and the graph."""

from __future__ import annotations

from collections import Counter

from runner.config.run_config import RunConfig
from runner.messages import counted
from runner.planning import Plan, cache_dir, make_plan
from runner.store import Store
from runner.verbs.hydra_app import run_with_hydra


def main(arguments: list[str]) -> int:
    """Plan each composed config. Takes what `run` takes."""
    return run_with_hydra(_job, arguments, "kandinsky plan")


def _job(run: RunConfig) -> int:
    print(plan_text(make_plan(run)))
    return 0


def plan_text(plan: Plan) -> str:
    """The plan as a person reads it."""
    run = plan.run
    lines = [
        f"{run.name}: Kandinsky {run.version.value} {run.task.name}, {plan.width} x {plan.height}, "
        f"{counted(len(plan.images), 'image')} "
        f"({counted(len(run.prompts), 'prompt')} x {counted(len(run.seeds), 'seed')})",
        f"  scheduler {run.scheduler.name.name}, attention {run.attention.backend.name}, "
        f"offload {run.offload.name}, device {plan.device}, "
        f"{counted(plan.threads, 'CPU thread')} ({plan.threads_reason})",
    ]
    lines += [f"  warning: {warning}" for warning in plan.warnings]
    lines.append("weights")
    for role, found in plan.weights.checkpoints.items():
        if found.checked is None:
            where = "not on disk; a run will download it"
        else:
            where = f"{found.checked.path}, {found.checked.bytes / 2**20:.1f} MiB"
        revision = f"@{found.revision}" if found.revision else ""
        name = f"{found.repo}{revision}" if found.source.name == "hub" else found.source.name
        lines.append(f"  {role:<8} {name}: {where}")
    lines.append("graph")
    lines += [f"  {line}" for line in _graph_lines(plan)]
    return "\n".join(lines)


def _graph_lines(plan: Plan) -> list[str]:
    store = Store(cache_dir(plan.run) / "results", plan.run.cache)
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
    return [*lines, f"{counted(len(plan.graph), 'stage')}: {summary}; {stored} already stored"]
