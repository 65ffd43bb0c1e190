"""What a program calls: `generate`, `plan`, `sweep`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from runner.api.inputs import as_axes, with_files
from runner.api.made import Run, Sweep
from runner.api.planned import PlannedSweep
from runner.config.axes import KEY as AXES
from runner.config.cell import Cell
from runner.config.choices import Progress
from runner.config.overrides import assigned, overrides_of, quote_home, value_shown
from runner.config.run_config import RunConfig
from runner.errors import ConfigError, RunFailedError, RunnerError
from runner.planning.plan import Plan
from runner.planning.planner import make_plan
from runner.runs.execute import SUCCESS
from runner.runs.forecast import forecast
from runner.runs.prepare import look_up_sweep, prepare_sweep
from runner.runs.run import execute_run
from runner.runs.sweep import execute_sweep
from runner.runs.unsaid import with_unsaid


def generate(*overrides: str, **keys: Any) -> Run:
    """Make the images of one config, and log them as configured.

    Nothing is printed but warnings and failures, unless `progress` is given.

    Args:
        overrides: as on the command line: "scheduler=ddpm", "decoder.guidance_scale=3".
        keys: the same as Python values: prompt="...", seeds=[1, 2], scheduler="ddpm",
            decoder={"guidance_scale": 3}, inputs={"image": picture} with a PIL image or a path.

    Raises:
        ConfigError: a key, value or combination is wrong; nothing was loaded.
        RunFailedError: a stage failed; `run` of the error has the finished images.
    """
    with _without_tqdm_warning():
        finished = execute_run(_compose([*_texts(overrides), *_fixed(keys)]))
    run = Run.read(finished.folder)
    _check([run], [finished.status], run)
    return run


def plan(*overrides: str, **keys: Any) -> Plan | PlannedSweep:
    """Check what `generate`, or `sweep`, would do with the same arguments; nothing is loaded.

    Returns:
        the plan of a run; of a sweep where an override has several values, where there are `axes`
        or `into`, or where the experiment is a sweep.

    Raises:
        ConfigError: a key, value or combination is wrong.
        SweepError: some of a sweep's configs are; names them all.
    """
    asked = _Asked.of(overrides, keys)
    if not asked.is_sweep:
        return make_plan(_compose(asked.all))
    planned, unreached = look_up_sweep(asked.cells())
    return PlannedSweep(planned, forecast(planned), unreached)


def sweep(*overrides: str, **keys: Any) -> Sweep:
    """Run each combination of the overrides' values, as with `-m`.

    Args:
        overrides: several values are separated by commas: "scheduler=ddim,ddpm".
        keys: the same for all runs, as Python values; but `axes`, which says the runs:
            axes={"scheduler": ["ddim", "ddpm"], "inputs.image": [picture, "b.png"]}.

    Runs that an earlier call of the same sweep finished are not repeated, unless `resume=False`.
    With `into="last"` they join an earlier sweep, and what is not said is as there.

    Raises:
        SweepError: some of the configs are wrong; names them all; nothing ran.
        RunFailedError: a stage failed; those that do not depend on it ran and are stored. `sweep`
            of the error has all runs, `run` the first that failed.
    """
    cells = _Asked.of(overrides, keys).cells()
    with _without_tqdm_warning():
        finished = execute_sweep(prepare_sweep(cells)).cells
    made = Sweep.of([cell.folder for cell in finished])
    _check(made, [cell.status for cell in finished], made)
    return made


@dataclass(frozen=True)
class _Asked:
    """The arguments of a call.

    Attributes:
        typed: texts as on the command line.
        fixed: keywords as such texts, the same for all cells.
        axes: the keyword, its pictures as files.
    """

    typed: list[str]
    fixed: list[str]
    axes: object

    @classmethod
    def of(cls, overrides: tuple[object, ...], keys: dict[str, Any]) -> _Asked:
        # None says that a study's own are not taken: a value as any other.
        others = {k: value for k, value in keys.items() if k != AXES or value is None}
        return cls(_texts(overrides), _fixed(others), as_axes(keys.get(AXES)))

    @property
    def all(self) -> list[str]:
        """One config's overrides."""
        return [*self.typed, *self.fixed]

    @property
    def is_sweep(self) -> bool:
        """Whether they say several cells, or a further one of a sweep."""
        from runner.config.hydra.single import is_several, of_study

        joins = assigned(self.all).get("into", "null").strip("'") != "null"
        several = self.axes is not None or joins or any(map(is_several, self.typed))
        return several or of_study(self.all).is_sweep

    def cells(self) -> list[Cell]:
        """The cells that they say. Raises ConfigError, ComposeError: these cannot be told."""
        from runner.config.hydra.single import combinations, complete, of_study

        typed, fixed, axes = self.typed, self.fixed, self.axes
        said = [] if axes is None else [f"{AXES}={axes}"]
        given, unsaid = with_unsaid([*typed, *fixed, *said])
        study = of_study(given)
        # Where the baseline's value is added to one, it is among `unsaid` instead.
        typed, fixed = ([one for one in said if one in given] for said in (typed, fixed))
        axes = study.axes if axes is None else axes
        chosen = combinations([*study.params, *typed, *unsaid], axes)
        return complete([_cell(number, [*own, *fixed]) for number, own in enumerate(chosen)])


def _texts(overrides: tuple[object, ...]) -> list[str]:
    """Overrides as on the command line. Raises ConfigError for what is no text."""
    for text in overrides:
        if not isinstance(text, str):
            problem = f"is {type(text).__name__}, not text"
            raise ConfigError("override", value_shown(text), problem, "key=value, or keywords")
    return [quote_home(str(text)) for text in overrides]


def _fixed(keys: dict[str, Any]) -> list[str]:
    return overrides_of(with_files(keys))


def _cell(number: int, overrides: list[str]) -> Cell:
    try:
        run = _compose(overrides, of_sweep=True)
    except RunnerError as error:
        return Cell(number, tuple(overrides), error)
    return Cell(number, run.overrides, run)  # credentials are removed from these


def _check(runs: Sequence[Run], statuses: Sequence[int], made: Run | Sweep) -> None:
    """Raises RunFailedError for the first run that failed, with all that was made."""
    for run, status in zip(runs, statuses, strict=True):
        if status != SUCCESS:
            failures = run.recorded.failures
            said = failures[0].error if failures else "its records could not be written"
            message = f"{said}\n  {len(run.images)} images were made, in {run.folder}"
            raise RunFailedError(message, run, made if isinstance(made, Sweep) else None)


@contextmanager
def _without_tqdm_warning() -> Iterator[None]:
    """Without ipywidgets tqdm warns in a notebook when it is imported; no bar of it is shown."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        yield


def _compose(overrides: list[str], *, of_sweep: bool = False) -> RunConfig:
    # Imported here, so that the package can be imported without Hydra.
    from runner.config.hydra.single import compose_one

    run = compose_one(overrides, of_sweep=of_sweep)
    # A notebook shows what is returned; it is the command line that reports by itself.
    is_asked = run.progress is not Progress.auto or "progress" in assigned(overrides)
    return run if is_asked else replace(run, progress=Progress.quiet)
