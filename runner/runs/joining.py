"""Has the cells of a command join a sweep: which of them it has, which grow, which are new.

A cell grows, and gets no second one beside it, if nothing but its prompts, seeds and metrics
differs: it stays one row of every table and one run of MLflow, with more pictures.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.config.cell import Cell
from runner.config.key_heads import head_of
from runner.config.overrides import as_override, assigned
from runner.config.resolve import resolve_record
from runner.config.run_config import RunConfig
from runner.config.values import meaning
from runner.errors import ConfigError
from runner.planning.sweep import Joined, axes_of, command_of_cells
from runner.recording.manifest import Manifest
from runner.recording.sweep_record import CellEntry, SweepRecord, manifests_of, named_sweep
from runner.runs.fingerprint import NOT_IDENTITY, stem
from runner.runs.sweep_axes import APART, GROWS, axis_keys, with_axes
from runner.system.text import pluralize
from runner.tracking.status import Status

OWN = "runner."
"""How the functions of the runner's own metrics begin."""


def joined(
    cells: Sequence[Cell], batch_of: Path | None = None
) -> tuple[Sequence[Cell], Joined | None]:
    """The cells with the numbers, prompts, seeds and metrics that they have in the sweep that they
    join; as they are where they join none. Those whose configs are wrong stay as they are.

    Args:
        batch_of: the sweep that an earlier batch of the same command began.

    Raises:
        ConfigError: `into` names no sweep; or what would be there cannot be.
    """
    runs = [cell.config for cell in cells if isinstance(cell.config, RunConfig)]
    named = next((run.into for run in runs if run.into is not None), None)
    if not runs or (named is None and batch_of is None):
        return cells, None
    output_dir = runs[0].output_dir
    right = [_without_into(cell) for cell in cells if isinstance(cell.config, RunConfig)]
    if batch_of is not None:
        path, record = batch_of, SweepRecord.read(batch_of)
        # A trial of a search of its own has the identity of its cell; what joins by name grows.
        found = _Join(path, record, right, NOT_IDENTITY if named is None else APART).cells()
        return _in_place(cells, found), _joined(path, record, right, found, "")
    assert named is not None
    if any(run.into != named or run.output_dir != output_dir for run in runs):
        raise ConfigError("into", named, "is not that of all cells", "one sweep, one output_dir")
    if not all(run.resume for run in runs):
        raise ConfigError(
            "resume", "false", f"into={named} goes on with a sweep", "resume=true, or into=null"
        )
    path, record = named_sweep(output_dir, named, "into")
    found = _Join(path, record, right, APART).cells()
    return _in_place(cells, found), _joined(path, record, right, found, command_of_cells(right))


def _in_place(cells: Sequence[Cell], found: Sequence[Cell]) -> list[Cell]:
    """All cells, with those that were found in the place of the right ones."""
    rest = iter(found)
    return [next(rest) if isinstance(cell.config, RunConfig) else cell for cell in cells]


def _joined(
    path: Path, record: SweepRecord, cells: Sequence[Cell], found: Sequence[Cell], command: str
) -> Joined:
    """What the sweep will be.

    Args:
        cells: as they were typed; `found`: with the numbers that they have in the sweep.
    """
    entries = {entry.number: entry for entry in record.cells}
    configs = {n: manifest.config for n, manifest in manifests_of(path, record.cells).items()}
    for cell in found:
        assert isinstance(cell.config, RunConfig)
        entries.setdefault(cell.number, CellEntry(cell.number, cell.overrides, "", ""))
        configs.setdefault(cell.number, cell.config.recorded)
    said = [*(e.overrides for e in entries.values()), *(cell.overrides for cell in cells)]
    keys = axis_keys([record.axes, axes_of(cells)], said)
    _, axes = with_axes(list(entries.values()), configs, keys)
    return Joined(path, record.attempts, axes, command)


def _without_into(cell: Cell) -> Cell:
    """The records of a cell do not say how it came into a sweep."""
    run = cell.config
    assert isinstance(run, RunConfig)
    own = tuple(o for o in cell.overrides if not o.startswith("into="))
    kept = tuple(o for o in run.overrides if not o.startswith("into="))
    return replace(cell, overrides=own, config=replace(run, overrides=kept))


class _Join:
    """Finds the cells of a command among those of a sweep.

    Args:
        apart: keys by which cells are no others, unless they are axes.
    """

    def __init__(
        self, path: Path, record: SweepRecord, cells: Sequence[Cell], apart: Collection[str]
    ) -> None:
        axes = {head_of(key) for key in (*record.axes, *axes_of(cells))}
        self._path, self._record, self._typed = path, record, cells
        self._apart = frozenset(apart) - axes
        self._grows = GROWS & self._apart
        self._manifests = manifests_of(path, record.cells)
        self._known: defaultdict[object, list[CellEntry]] = defaultdict(list)
        for entry in record.cells:
            manifest = self._manifests.get(entry.number)
            said = (
                self._said(entry.overrides)
                if manifest is None
                else stem(manifest.config, self._apart)
            )
            self._known[said].append(entry)

    def cells(self) -> list[Cell]:
        """The cells as they are in the sweep."""
        free = max((entry.number for entry in self._record.cells), default=-1) + 1
        found = []
        for cell in self._typed:
            run = cell.config
            assert isinstance(run, RunConfig)
            for key in (stem(run.recorded, self._apart), self._said(cell.overrides)):
                if self._known[key]:
                    entry = self._known[key].pop(0)
                    found.append(self._there(cell, run, entry))
                    break
            else:
                found.append(self._as_of_sweep(cell.numbered(free), run))
                free += 1
        return found

    def _said(self, overrides: Iterable[str]) -> object:
        said = assigned(overrides).items()
        return frozenset(
            (key, meaning(key, v)) for key, v in said if head_of(key) not in self._apart
        )

    def _as_of_sweep(self, cell: Cell, run: RunConfig) -> Cell:
        """In MLflow's experiment of the sweep, and with its question and baseline."""
        manifest = next(iter(self._manifests.values()), None)
        if manifest is None or not self._grows:
            return cell
        return replace(cell, config=_named(run, manifest))

    def _there(self, cell: Cell, run: RunConfig, entry: CellEntry) -> Cell:
        manifest = self._manifests.get(entry.number) or self._alike(entry)
        cell = cell.numbered(entry.number)
        if manifest is None or not self._grows:
            return cell
        grown = _grown(run, manifest, self._grows, entry.number)
        # The cell keeps what was typed, by which its baseline is found.
        return replace(cell, config=replace(grown, overrides=_overrides(entry, cell, run, grown)))

    def _alike(self, entry: CellEntry) -> Manifest | None:
        """For a cell that has not begun, one that was to have the same prompts and seeds."""
        own = self._growing(entry)
        same = (e for e in self._record.cells if self._growing(e) == own)
        return next((self._manifests[e.number] for e in same if e.number in self._manifests), None)

    def _growing(self, entry: CellEntry) -> Mapping[str, Hashable]:
        said = assigned(entry.overrides).items()
        return {key: meaning(key, v) for key, v in said if head_of(key) in self._grows}


def _named(run: RunConfig, manifest: Manifest) -> RunConfig:
    """The run with the name of the sweep's cells, and with what else it leaves open of theirs."""
    open_ones = [key for key in ("question", "baseline", "objective") if not getattr(run, key)]
    kept = {key: manifest.config.get(key) for key in open_ones}
    kept = {key: value for key, value in kept.items() if value is not None}
    if kept:
        run = _with(run, kept)
    return replace(run, name=manifest.name)


def _with(run: RunConfig, changed: Mapping[str, Any]) -> RunConfig:
    """The run with other values of some keys, checked."""
    read = resolve_record({**run.composed, **changed})
    names = ("question", "baseline", "objective", "prompts", "seeds", "metrics", "composed")
    composed = {key: value for key, value in run.composed.items() if key not in changed}
    composed |= {key: read.composed[key] for key in changed if key in read.composed}
    return replace(run, **{n: getattr(read, n) for n in names[:-1]}, composed=composed)


def _grown(run: RunConfig, manifest: Manifest, grows: Collection[str], number: int) -> RunConfig:
    """The run with the prompts, seeds and metrics of the cell that is there, and its own."""
    before = _pictures(manifest)
    # Where prompts or seeds are an axis, another cell's record may stand for one not begun.
    if "prompt" not in grows:
        had = dict.fromkeys(seed for _, seed in before)
        before = [(prompt, seed) for prompt in run.prompts for seed in had]
    if "seeds" not in grows:
        drawn = dict.fromkeys(prompt for prompt, _ in before)
        before = [(prompt, seed) for prompt in drawn for seed in run.seeds]
    prompts = tuple(dict.fromkeys([*(prompt for prompt, _ in before), *run.prompts]))
    seeds = tuple(dict.fromkeys([*(seed for _, seed in before), *run.seeds]))
    every = set(before) | {(prompt, seed) for prompt in run.prompts for seed in run.seeds}
    if len(every) < len(prompts) * len(seeds):
        raise ConfigError(
            "seeds", list(run.seeds),
            f"cell {number} would have {pluralize(len(prompts), 'prompt')} and "
            f"{pluralize(len(seeds), 'seed')}, but not each prompt with each seed",
            "all prompts and seeds that it is to have",
        )  # fmt: skip
    changed: dict[str, Any] = {}
    if set(prompts) != set(run.prompts) and "prompt" in grows:
        changed |= {"prompt": list(prompts), "prompt_file": None}
        if run.composed.get("prompt_template") is not None:
            changed["prompt_template"] = None
    if set(seeds) != set(run.seeds):
        changed["seeds"] = list(seeds)
    metrics: Mapping[str, Any] = manifest.config.get("metrics") or {}
    if "metrics" in grows and metrics.keys() - run.metrics.keys():
        changed["metrics"] = {**_trusted(metrics, run), **run.composed["metrics"]}
    run = _named(run, manifest)
    grown = _with(run, changed) if changed else run
    if set(grown.prompts) != set(prompts):
        problem = "changes prompts once more that it has changed in the sweep already"
        raise ConfigError("prompt_replace", run.composed.get("prompt_replace"), problem, "null")
    return grown


def _pictures(manifest: Manifest) -> list[tuple[str, int]]:
    # A record holds the seeds that were drawn: one that has any drawn now is none of ours.
    listed = isinstance(manifest.config.get("seeds"), list)
    if manifest.status == Status.FINISHED or not listed:
        return [(image.prompt, image.seed) for image in manifest.images]
    asked = resolve_record(manifest.config)
    return [(prompt, seed) for prompt in asked.prompts for seed in asked.seeds]


def _trusted(had: Mapping[str, Any], run: RunConfig) -> Mapping[str, Any]:
    """The metrics of a record. Those of users' own files have to be said: a record that came from
    somebody else must not name code to run.
    """
    for name, metric in had.items():
        function = metric.get("function") if isinstance(metric, Mapping) else None
        if name not in run.metrics and not str(function).startswith(OWN):
            raise ConfigError(
                "metrics", list(run.metrics), f"the sweep has {name}, of {function}, too",
                f"a list with {name} in it",
            )  # fmt: skip
    return had


def _overrides(entry: CellEntry, cell: Cell, run: RunConfig, grown: RunConfig) -> tuple[str, ...]:
    """What was typed for the cell then and now, with all its prompts and seeds."""
    said = {**assigned(entry.overrides), **assigned(cell.overrides)}
    if set(grown.prompts) != set(run.prompts):
        for key in ("prompt_file", "prompt_template"):
            said.pop(key, None)
        said["prompt"] = as_override(list(grown.prompts))
    if set(grown.seeds) != set(run.seeds):
        said["seeds"] = as_override(list(grown.seeds))
    before, now = assigned(entry.overrides).get("metrics"), assigned(cell.overrides).get("metrics")
    if before and now and before != now:
        names = dict.fromkeys(name for text in (before, now) for name in _names(text))
        said["metrics"] = f"[{','.join(names)}]"
    return tuple(f"{key}={value}" for key, value in said.items())


def _names(text: str) -> list[str]:
    """The options that `metrics=a` or `metrics=[a,b]` names."""
    return [name.strip() for name in text.strip("[]").split(",") if name.strip()]
