"""What the record is compared with: all that it asks of the runner's modules is asked here.

Should a module move, this file is the only one to follow it.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from runner.cli import main
from runner.planning.plan import Plan
from runner.planning.sweep import SweepPlan
from runner.runs.fingerprint import fingerprint
from runner.runs.sweep_folder import SweepFolder
from runner.tracking import session
from runner.tracking.status import Status
from runner.verbs import plan as plan_verb

REPOSITORY = Path(__file__).resolve().parents[2]
KEY_LIBRARIES = ("torch", "diffusers", "transformers", "torchmetrics")
"""Their versions are part of the keys."""


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    status: int
    out: str
    err: str


def said(arguments: Sequence[str]) -> Said:
    """`kandinsky <arguments>` in this process and this folder."""
    out, err = io.StringIO(), io.StringIO()
    # On a busy machine MLflow takes longer to start than a run waits for it.
    session.FINAL_WAIT_SECONDS = 120.0
    session.SECONDS_UNTOLD = 120.0  # a line that a busy machine adds
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(list(arguments))
    return Said(status, out.getvalue(), err.getvalue())


def plan(arguments: Sequence[str]) -> tuple[Said, Any]:
    """`kandinsky plan ...`, and how a resumed sweep would know what was planned.

    Returns:
        what it said; and of one run its fingerprint, of a sweep its `sweep.json` as it is before
        the first cell is run, of what cannot be run None.
    """
    runs: list[Plan] = []
    sweeps: list[SweepPlan] = []
    with _noted("look_up_run", runs), _noted("look_up_sweep", sweeps):
        one = said(arguments)
    if runs:
        return one, fingerprint(runs[0])
    return one, _record(sweeps[0]) if sweeps else None


@contextlib.contextmanager
def _noted(function: str, results: list[Any]) -> Iterator[None]:
    """Notes what a function of the verb plans meanwhile; composing a second time would take
    as long again.
    """
    original = getattr(plan_verb, function)

    def noting(*given: Any) -> Any:
        planned, unreached = original(*given)
        results.append(planned)
        return planned, unreached

    setattr(plan_verb, function, noting)
    try:
        yield
    finally:
        setattr(plan_verb, function, original)


def _record(sweep: SweepPlan) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        SweepFolder.open(sweep, Path(folder), resume=False).end(Status.KILLED, 0.0, {})
        (file,) = Path(folder).glob("*/*/sweep.json")
        return json.loads(file.read_text(encoding="utf-8"))


def key_libraries() -> dict[str, str]:
    """The installed versions of what the keys depend on."""
    return {name: metadata.version(name) for name in KEY_LIBRARIES}
