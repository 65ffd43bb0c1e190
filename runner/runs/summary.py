"""Texts for the user on a run or a sweep: announcement before, summary after."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from runner.config.choices import Progress
from runner.config.run_config import RunConfig
from runner.planning.plan import Plan
from runner.planning.sweep import SweepPlan
from runner.recording.manifest import MANIFEST
from runner.recording.run_folder import RunFolder
from runner.runs.totals import Totals
from runner.system.credentials import strip_credentials
from runner.system.text import for_outputs, path_here, pluralize
from runner.tracking.status import Status


def announce_run(plan: Plan) -> None:
    """What will be done, on stderr; warnings first."""
    for warning in plan.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if plan.run.progress is Progress.quiet:
        return
    images, stages = pluralize(len(plan.images), "image"), pluralize(len(plan.graph), "stage")
    print(f"{images}, {stages}, device {plan.device}", file=sys.stderr)
    if plan.device == "cpu":
        print(f"CPU threads: {plan.threads} ({plan.threads_reason})", file=sys.stderr)


def announce_sweep(sweep: SweepPlan, to_do: int, folder: Path) -> None:
    """What will be done, on stderr; warnings first.

    Args:
        to_do: how many cells are left to run.
    """
    for warning, n in Counter(w for plan in sweep.plans for w in plan.warnings).items():
        of = f" ({n} of {pluralize(len(sweep.cells), 'cell')})" if len(sweep.cells) > 1 else ""
        print(f"warning: {warning}{of}", file=sys.stderr)
    if left_out := sweep.left_out_lines():
        print("\n".join(["warning: " + left_out[0], *left_out[1:]]), file=sys.stderr)
    if sweep.plans[0].run.progress is Progress.quiet:
        return
    done = len(sweep.cells) - to_do
    earlier = f", {done} of them done earlier" if done else ""
    distinct = sum(sweep.distinct_stages.values())
    stages = f"{pluralize(distinct, 'stage')} of {sum(sweep.stages.values())}"
    cells = pluralize(len(sweep.cells), "cell")
    print(f"{cells}{earlier}; {stages} are distinct", file=sys.stderr)
    print(f"  {path_here(folder)}/", file=sys.stderr)


def summary_of_run(plan: Plan, folder: RunFolder, seconds: float) -> str:
    """The summary of a run, for the user."""
    run = plan.run
    reused = sum(image.reused for image in folder.images)
    from_store = f", {reused} of them from earlier runs" if reused else ""
    of_all = pluralize(len(plan.images), "image")
    newest = f"{path_here(run.output_dir)}/latest"
    lines = [
        f"{len(folder.images)} of {of_all} in {seconds:.1f} s{from_store}",
        f"  pictures  {path_here(folder.path)}/   (newest: {newest})",
    ]
    if folder.failures:
        lines.append(
            f"  failed    {pluralize(len(folder.failures), 'stage')}, see {MANIFEST} there"
        )
    if folder.mlflow_run_id is not None:
        if run.tracking.uri is not None:
            where = f" at {strip_credentials(run.tracking.uri)}"
        else:
            where = f"; open it with: {for_outputs('ui', run.output_dir)}"
        lines.append(f"  MLflow    run {folder.mlflow_run_id}{where}")
    return "\n".join(lines)


def summary_of_sweep(
    run: RunConfig,
    ended: Counter[Status],
    totals: Totals,
    to_do: int,
    cells: int,
    seconds: float,
    folder: str,
    logged: bool,
) -> str:
    """The summary of a sweep, for the user.

    Args:
        run: the config of one of its cells.
        ended: how many cells ended with each status, in this attempt.
        to_do: how many cells this attempt had to run, of all `cells`.
        folder: of the sweep, as shown.
        logged: whether MLflow has a run of it.
    """
    if not to_do:
        lines = [f"{pluralize(cells, 'cell')} done earlier; resume=false runs them again"]
    else:
        failed = f", {ended[Status.FAILED]} FAILED" if ended[Status.FAILED] else ""
        earlier = cells - to_do
        besides = f" ({earlier} more done earlier)" if earlier else ""
        lines = [
            f"{ended[Status.FINISHED]} of {pluralize(to_do, 'cell')}{besides} in {seconds:.1f} s"
            f"{failed}: "
            f"{totals.run} stages run, {totals.reused} taken from the store"
        ]
    lines.append(f"  pictures  {folder}/")
    if logged:
        lines.append(f"  MLflow    {for_outputs('ui', run.output_dir)}")
    return "\n".join(lines)
