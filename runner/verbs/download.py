"""`kandinsky download`: fetches the weights that a config or a sweep needs, and lists them."""

from __future__ import annotations

from collections.abc import Sequence

from runner.config.cell import Cell
from runner.config.cluster import Cluster
from runner.config.hydra.app import Swept, run_with_hydra
from runner.config.run_config import RunConfig
from runner.errors import RunnerError, raise_all
from runner.runs.prepare import download
from runner.system.text import format_bytes
from runner.verbs.jobs import text_output
from runner.weights.found import FoundCheckpoint

NEWEST = "--newest"


USAGE = """usage: kandinsky download [-m] [--newest] [key=value ...]

Fetches the weights that a config, or with -m a sweep, needs, and lists them. Takes all that
`kandinsky run` takes.

  --newest  move branches to their newest commits, where the cache has older ones

Keys and their options: kandinsky keys."""


def main(arguments: list[str]) -> int:
    """Takes what `run` takes, and `--newest`: move branches to their newest commits."""
    if {"-h", "--help"} & set(arguments):
        print(USAGE)
        return 0
    newest = NEWEST in arguments
    others = [argument for argument in arguments if argument != NEWEST]

    def job(run: RunConfig) -> int:
        _download([run], newest)
        return 0

    def sweep_job(cells: Sequence[Cell], _: Cluster | None) -> Swept:
        raise_all([cell.config for cell in cells if isinstance(cell.config, RunnerError)])
        _download([c.config for c in cells if isinstance(c.config, RunConfig)], newest)
        return Swept(0)

    return run_with_hydra(job, others, "kandinsky download", sweep_job, (NEWEST,))


def _download(runs: Sequence[RunConfig], newest: bool) -> None:
    output = text_output(runs[0].progress)
    for found in download(runs, newest=newest):
        print(_line(found), file=output)


def _line(found: FoundCheckpoint) -> str:
    assert found.checked is not None
    checked = found.checked
    if found.random is not None:
        return f"{found.repo}: random weights, nothing to fetch"
    name = f"{found.repo}@{found.revision}" if found.wanted else found.source.name
    modules = ", ".join(checked.weights)
    variant = f", variant {checked.variant}" if checked.variant else ""
    return f"{name} ({modules}{variant}): {format_bytes(checked.bytes)} in {checked.path}"
