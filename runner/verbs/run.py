"""`kandinsky run`: make images."""

from __future__ import annotations

from runner.config.run_config import RunConfig
from runner.verbs.hydra_app import run_with_hydra


def main(arguments: list[str]) -> int:
    """Run each composed config."""
    return run_with_hydra(_job, arguments, "kandinsky")


def _job(run: RunConfig) -> int:
    # Only now: `--cfg job` and errors of the config do not need it.
    from runner.run import execute

    return execute(run).status
