"""Gathers the data of a page from the folder of a sweep or a run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from runner.analysis.comparison.findings import Comparison
from runner.analysis.costs import Better
from runner.analysis.report.compared import (
    describe_comparison,
    describe_votes,
    describe_within,
    read_comparison,
    read_judged,
    read_within,
)
from runner.analysis.report.facts import Axis, CellFacts, Facts, ImageFacts
from runner.analysis.report.settings import environment
from runner.analysis.results import CellResult, ImageResult, SweepResult
from runner.analysis.timing import NOT_MEASURED, TO_MEASURE
from runner.analysis.votes.findings import Judged
from runner.analysis.within.findings import StoredWithin
from runner.config.measuring import SECONDS, baseline_of
from runner.config.overrides import assigned
from runner.config.values import as_shown
from runner.errors import ConfigError
from runner.recording.manifest import SavedImage
from runner.recording.sweep_record import is_running, status_now
from runner.system.text import flatten, path_here
from runner.tracking.status import Status

PROMPT, SEED, CELL, SWEPT = "prompt", "seed", "cell", "swept"
NO_PROMPT = "(no prompt)"


class Findings(NamedTuple):
    """What comparisons in a sweep's folder found: the last arguments of `facts_of`."""

    comparison: Comparison | None
    within: Sequence[StoredWithin]
    judged: Judged | None


def read_findings(folder: Path) -> Findings:
    """All that was found. Raises ConfigError: something there cannot be read."""
    return Findings(read_comparison(folder), read_within(folder), read_judged(folder))


def facts_of(
    result: SweepResult,
    comparison: Comparison | None,
    within: Sequence[StoredWithin] = (),
    judged: Judged | None = None,
) -> Facts:
    """The data of the page of a sweep or a run. Images are in the order of `result.images()`."""
    # An earlier comparison may have what turns out not to have been measured.
    without = [SECONDS] if result.unmeasured else []
    swept = tuple(_swept(result))
    said = [axis for axis in swept if axis.name == PROMPT or _says_seeds(axis.name, result)]
    axes = (*(axis for axis in swept if axis not in said), *_others(result))
    metrics = tuple(result.better.items())
    configs = [flatten(cell.config) for cell in result.cells]
    config = next(filter(None, configs), {})
    alive = is_running(result.folder)
    positions = {_choice(cell): place for place, cell in enumerate(result.cells)}
    inputs = {name: place for place, name in enumerate(inputs_of(result))}
    images, cells = [], []
    for place, (cell, own) in enumerate(zip(result.cells, configs, strict=True)):
        here = [
            _image(image, result.scores_of(image), cell, place, axes, metrics, inputs)
            for image in cell.images
        ]
        images.extend(here)
        against = positions.get(_compared_with(cell, result.axes))
        cells.append(
            CellFacts(
                number=cell.number,
                label=cell.label,
                folder=cell.folder.name,
                path=path_here(cell.folder),
                status=_status(cell.status, alive, result),
                choice=tuple(_place(axis, cell.choice.get(axis.name)) for axis in swept),
                overrides=cell.overrides,
                images=len(here),
                means=tuple(_means(cell, here, metrics)),
                counts=tuple(
                    sum(image.scores[n] is not None for image in here) for n in range(len(metrics))
                ),
                against=None if against == place else against,
                failures=tuple((failed.stage, failed.error) for failed in cell.failures),
                changes=tuple((k, v) for k, v in own.items() if config.get(k) != v),
                mlflow_run=cell.manifest.mlflow_run_id if cell.manifest else None,
            )
        )
    return Facts(
        name=result.name,
        question=result.question,
        status=_status(result.status, alive, result),
        started=result.started,
        seconds=result.seconds,
        command=result.command,
        folder=result.folder.name,
        swept=swept,
        axes=axes,
        metrics=metrics,
        cells=tuple(cells),
        images=tuple(images),
        inputs=tuple(inputs),
        config=tuple(config.items()),
        environment=tuple(environment(result.cells)),
        runs=tuple(result.runs.items()),
        unmeasured=result.unmeasured and f"{NOT_MEASURED}: {result.unmeasured}. {TO_MEASURE}.",
        comparison=None if comparison is None else describe_comparison(comparison, without),
        outdated=comparison is not None and comparison.of != result.digest,
        within=tuple(describe_within(each, result, without) for each in within),
        votes=None if judged is None else describe_votes(judged, result),
    )


def inputs_of(result: SweepResult) -> dict[str, Path]:
    """The input pictures, by their file names, which hold their keys."""
    found: dict[str, Path] = {}
    for image in result.images():
        for file in image.inputs.values():
            if file.name not in found or not found[file.name].is_file():
                found[file.name] = file  # each cell has its own file
    return found


def _swept(result: SweepResult) -> Iterator[Axis]:
    for name, values in result.axes.items():
        # With those of its cells: the page places every picture, whatever the sweep's record says.
        used = [cell.choice[name] for cell in result.cells if name in cell.choice]
        distinct = tuple(dict.fromkeys([*values, *used]))
        yield Axis(name, SWEPT, distinct, _numbers(distinct))


def _says_seeds(name: str, result: SweepResult) -> bool:
    """Whether an axis of cells says of each picture what its seed says."""
    seeds = [(cell.choice.get(name), str(image.seed)) for cell in result.cells
             for image in cell.images]  # fmt: skip
    alike = bool(seeds) and all(value == seed for value, seed in seeds)
    return name.partition(".")[0] == "seeds" and alike


def _others(result: SweepResult) -> Iterator[Axis]:
    images = list(result.images())
    yield Axis(PROMPT, PROMPT, tuple(dict.fromkeys(_prompt(image) for image in images)))
    seeds = sorted({image.seed for image in images})
    yield Axis(SEED, SEED, tuple(str(seed) for seed in seeds))
    if len(result.cells) > 1:
        yield Axis(CELL, CELL, tuple(str(cell.number) for cell in result.cells))


def _prompt(image: ImageResult) -> str:
    return image.prompt or NO_PROMPT


def _numbers(values: Sequence[str]) -> tuple[float | None, ...]:
    numbers = tuple(_number(value) for value in values)
    return numbers if sum(number is not None for number in numbers) > 1 else ()


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _image(
    image: ImageResult,
    scores: Mapping[str, float],
    cell: CellResult,
    place: int,
    axes: Sequence[Axis],
    metrics: Sequence[tuple[str, Better]],
    inputs: Mapping[str, int],
) -> ImageFacts:
    record = image.record
    own = {PROMPT: _prompt(image), SEED: str(image.seed), CELL: str(cell.number)}
    return ImageFacts(
        cell=place,
        file=image.file.name,
        at=tuple(
            _place(axis, cell.choice.get(axis.name) if axis.kind == SWEPT else own[axis.kind])
            for axis in axes
        ),
        prompt=image.prompt,
        negative_prompt=record.negative_prompt,
        seed=image.seed,
        height=record.height,
        width=record.width,
        sha256=record.sha256,
        reused=record.reused,
        scores=tuple(_finite(scores.get(name)) for name, _ in metrics),
        inputs=tuple((name, inputs[file.name]) for name, file in image.inputs.items()),
        took=tuple(
            (name, _seconds(seconds, record, name)) for name, seconds in record.took.items()
        ),
        stage_keys=tuple(record.stage_keys.items()),
    )


def _seconds(seconds: float, record: SavedImage, stage: str) -> str:
    """The seconds of an image's stage; with `bench=true` also those of each repeat."""
    said = [f"median of {each}"] if (each := _each(record.repeats.get(stage, ()))) else []
    if stage in record.together:
        said.append(f"of {record.together[stage]} in one call")
    if stage in record.joules:
        said.append(f"{record.joules[stage]:.4g} J")
    if record.timing is not None:
        said += ["from the store"] if stage in record.timing.stored else []
        said += ["first call"] if stage in record.timing.first_calls else []
    return f"{seconds:.4g} s" + (f" ({'; '.join(said)})" if said else "")


def _each(repeats: Sequence[float]) -> str:
    return ", ".join(f"{one:.4g}" for one in repeats)


def _place(axis: Axis, value: str | None) -> int | None:
    return axis.values.index(value) if value in axis.values else None


def _finite(score: float | None) -> float | None:
    return None if score is None or not math.isfinite(score) else score


def _means(
    cell: CellResult, images: Sequence[ImageFacts], metrics: Sequence[tuple[str, Better]]
) -> Iterator[float | None]:
    for place, (name, _) in enumerate(metrics):
        together = _finite(cell.scores.get(name))
        yield _mean(image.scores[place] for image in images) if together is None else together


def _mean(scores: Iterable[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return math.fsum(known) / len(known) if known else None


def _choice(cell: CellResult) -> frozenset[tuple[str, str]]:
    return frozenset(cell.choice.items())


def _compared_with(
    cell: CellResult, axes: Mapping[str, Sequence[str]]
) -> frozenset[tuple[str, str]]:
    """The choice of the baseline cell: this one's with the config's `baseline` applied."""
    try:
        wanted = baseline_of(cell.config.get("baseline"))
    except ConfigError:
        wanted = ()
    named = {key: as_shown(key, v, axes.get(key, ())) for key, v in assigned(wanted).items()}
    return frozenset({**cell.choice, **named}.items())


def _status(recorded: Status, alive: bool, result: SweepResult) -> Status:
    """The status now. Runs, and several sweeps as one, have no lock that tells who is alive."""
    return recorded if result.seconds is None else status_now(recorded, alive)
