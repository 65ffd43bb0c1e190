"""`kandinsky models`: versions and tasks, their repositories, and what of them is on disk."""

from __future__ import annotations

import argparse

from runner.catalog import CATALOG, Row
from runner.config.schema import WeightsConfig, WeightsSource
from runner.errors import WeightsError
from runner.weights.find import find_weights
from runner.weights.hashes import FileHashes


def main(arguments: list[str]) -> int:
    """Print the table. Touches no network."""
    argparse.ArgumentParser(prog="kandinsky models", description=__doc__).parse_args(arguments)
    for row in CATALOG:
        schedulers = ", ".join(scheduler.name for scheduler in row.schedulers)
        print(f"Kandinsky {row.version.value}  {row.task.name}")
        print(f"  choose      model={row.version.name} task={row.task.name}")
        print(f"  schedulers  {schedulers}")
        for role, checkpoint in row.checkpoints.items():
            print(f"  {role:<11} {checkpoint.repo}")
            for source in (WeightsSource.mini, WeightsSource.hub):
                print(f"    weights={source.name:<5} {_on_disk(row, role, source)}")
    return 0


def _on_disk(row: Row, role: str, source: WeightsSource) -> str:
    try:
        found = find_weights(
            row, WeightsConfig(source=source), hashes=FileHashes(None), download=False
        ).checkpoints[role]
    except WeightsError as error:
        return f"damaged: {error}"
    if found.checked is None:
        return "not on disk; downloaded at the first run"
    revision = f", commit {found.revision[:8]}" if found.revision else ""
    millions = sum(found.checked.parameters.values()) / 1e6
    return (
        f"{found.checked.bytes / 2**20:.1f} MiB, {millions:.1f} million parameters{revision}: "
        f"{found.checked.path}"
    )
