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
    file = folder / RESULTS
    try:
        if file.stat().st_mtime < since:
            return None
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
        best = found.get("solutions", [found])
        lines = [_line(one) for one in best]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return None
    return "\n".join([*lines, f"  kept in {file}"])


def _line(found: Mapping[str, Any]) -> str:
    values = found["values"] if "values" in found else [found["best_value"]]
    params = found["params"] if "params" in found else found["best_params"]
    said = " ".join(f"{key}={value}" for key, value in params.items())
    return f"best: {', '.join(f'{value:.6g}' for value in values)} with {said}"
