"""Writes a comparison to files: Markdown, LaTeX, CSV, JSON and plots."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.analysis.comparison.findings import Comparison
from runner.analysis.comparison.labels import values_of
from runner.analysis.comparison.latex import latex
from runner.analysis.comparison.markdown import markdown
from runner.analysis.costs import COSTS
from runner.analysis.figure_config import FigureConfig
from runner.analysis.spreadsheet import csv_text
from runner.analysis.timing import NOT_MEASURED
from runner.errors import StorageError
from runner.system.files import write_whole
from runner.system.untrusted import parse_json, read_regular

FOLDER = "comparison"
"""Within a sweep's folder, and among the artifacts of its MLflow run."""
JSON = "comparison.json"
PLOT = "pareto_"
PLOT_KINDS = ("png", "pdf", "svg")


def write(comparison: Comparison, out: Path, asked: FigureConfig | None = None) -> list[Path]:
    """Write all files into a folder, which is created; plots of an earlier comparison are removed.

    Args:
        asked: what the config of a plot says besides: the command, the sweeps.

    Raises:
        StorageError: a file cannot be written.
    """
    return write_files(out, _earlier_plots(out), _files(comparison, asked or {}))


def write_files(
    out: Path, earlier: Iterable[str], files: Iterable[tuple[str, bytes]]
) -> list[Path]:
    """Write files into a folder, which is created, each once it is made; `earlier` names those
    that are removed before.

    Raises:
        StorageError: a file cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in earlier:
            (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"cannot write into {out}: {error.strerror}") from error
    made = []
    for name, content in files:
        write_whole(out / name, content)
        made.append(out / name)
    return made


def encoded(text: str) -> bytes:
    """As a file holds it: half of a surrogate pair cannot be encoded."""
    return text.encode("utf-8", "replace")


def _files(comparison: Comparison, asked: FigureConfig) -> Iterator[tuple[str, bytes]]:
    texts: Mapping[str, Callable[[Comparison], str]] = {
        "comparison.md": markdown,
        "comparison.csv": as_csv,
        "comparison.tex": latex,
        JSON: Comparison.as_json,
    }
    for name, text in texts.items():
        yield name, encoded(text(comparison))
    yield from _plots(comparison, asked)


def as_csv(comparison: Comparison) -> str:
    """A row for each metric and setting; see `csv_text`."""
    by = comparison.by
    made: list[Sequence[Any]] = [
        ["metric", "better", *by, "n", "mean", "mean_low", "mean_high", "pairs", "difference",
         "low", "high", "verdict"]
    ]  # fmt: skip
    for name, rows in comparison.metrics.items():
        for row in rows.rows:
            choice = [row.choice.get(axis, "") for axis in by]
            numbers = [row.n, row.mean, row.mean_low, row.mean_high, row.pairs, row.difference,
                       row.low, row.high]  # fmt: skip
            made.append([name, rows.better or "", *choice, *numbers, row.verdict])
    for name in comparison.unmeasured:
        made.append([name, COSTS[name], *[""] * (len(by) + 8), NOT_MEASURED])
    return csv_text(made)


def _plots(comparison: Comparison, asked: FigureConfig) -> Iterator[tuple[str, bytes]]:
    wanted = {name: points for name, points in comparison.pareto.items() if points}
    if not wanted:
        return
    # Only now: it imports matplotlib.
    from runner.analysis.comparison.pareto_plot import draw_plot

    for metric, stem in plot_stems(PLOT, wanted).items():
        drawn = draw_plot(
            wanted[metric], comparison.by, comparison.baseline, metric,
            comparison.metrics[metric].better, {**comparison.asked, **asked},
        )  # fmt: skip
        for kind, content in drawn.items():
            yield f"{stem}.{kind}", content


def texts_in_plots(comparison: Comparison) -> Iterator[str]:
    """What may be written in the plots: values, axes and metrics of users."""
    for metric, points in comparison.pareto.items():
        if points:
            yield metric
            yield from comparison.by
            for point in points:
                yield from values_of(point.choice, comparison.by)


def plot_stems(prefix: str, metrics: Iterable[str]) -> dict[str, str]:
    """Metric -> its plot's file name without a suffix, safe whatever a user calls the parts of a
    metric.
    """
    names: dict[str, str] = {}
    for metric in metrics:
        name = plain = prefix + re.sub(r"[^\w.-]+", "-", metric)[:100]
        number = 2
        while name in names.values():
            name, number = f"{plain}_{number}", number + 1
        names[metric] = name
    return names


def _earlier_plots(out: Path) -> Iterable[str]:
    try:
        pareto = parse_json(read_regular(out / JSON))["pareto"]
        drawn = [metric for metric, points in pareto.items() if points]
        stems = plot_stems(PLOT, drawn).values()
        return [f"{stem}.{kind}" for stem in stems for kind in PLOT_KINDS]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ()  # there is none, or the file was not written by the runner
