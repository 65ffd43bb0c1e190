"""Tells what an optimising sweeper found: Optuna's leaves it in a file that nobody looks for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

RESULTS = "optimization_results.yaml"


def best_of_search(folder: Path, since: float) -> str | None:
    """The best of a search as text; None where there was none.

    Args:
        folder: `hydra.sweep.dir`.
        since: seconds since the epoch; an older file is of another search.
    """
    lines = [
        f"best: {', '.join(f'{value:.6g}' for value in values)} with "
        f"{' '.join(f'{key}={value}' for key, value in params.items())}"
        for values, params in best_params(folder, since)
    ]
    return "\n".join([*lines, f"  kept in {folder / RESULTS}"]) if lines else None


def best_params(folder: Path, since: float) -> list[tuple[list[float], dict[str, Any]]]:
    """The best trials of a search, each with its objectives and values; see `best_of_search`."""
    file = folder / RESULTS
    try:
        if file.stat().st_mtime < since:
            return []
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
        return [_read(one) for one in found.get("solutions", [found])]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return []


def _read(found: Mapping[str, Any]) -> tuple[list[float], dict[str, Any]]:
    values = found["values"] if "values" in found else [found["best_value"]]
    params = found["params"] if "params" in found else found["best_params"]
    return [float(value) for value in values], dict(params.items())
