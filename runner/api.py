"""The Python API: the command line's keys, returning images with their records.

from runner import generate, plan, sweep, table

run = generate("scheduler=ddpm", prompt="a red circle", seeds=[1, 2], decoder={"guidance_scale": 3})
run.images[0].image                      # a PIL image
run.images[0].record["sha256"]           # its manifest entry; also run.images[0].saved.sha256
run.manifest["config"]["scheduler"]      # the manifest as plain values; run.recorded has it typed
plan(model="kandinsky3", weights="/models")          # checks and graph; loads nothing
sweep("scheduler=ddim,ddpm", "decoder.guidance_scale=1,4", prompt="a red circle")
table("outputs/one/...", "outputs/two/...")          # a pandas DataFrame, a row a picture
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from runner.config.cell import Cell
from runner.config.overrides import overrides_of, quote_home, value_shown
from runner.config.run_config import RunConfig
from runner.errors import ConfigError, RunFailedError, RunnerError, StorageError
from runner.images.png import DamagedPictureError, read_png
from runner.planning.plan import Plan
from runner.planning.planner import make_plan
from runner.recording.manifest import Manifest, SavedImage
from runner.runs.execute import SUCCESS, Finished
from runner.runs.prepare import prepare_sweep
from runner.runs.run import execute_run
from runner.runs.sweep import execute_sweep
from runner.system.machine import check_installed

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class GeneratedImage:
    """An image and its record.

    Attributes:
        file: its PNG, which holds config, prompt, seed and run id as text.
        saved: its entry in the run's manifest: prompt, seed, sha256 of the pixels, stage keys,
            seconds, whether it was reused.
    """

    file: Path
    saved: SavedImage = field(repr=False)

    @cached_property
    def record(self) -> Mapping[str, Any]:
        """`saved` as plain values, by the manifest's names."""
        return self.saved.as_dict()

    @cached_property
    def image(self) -> Image.Image:
        """The picture, RGB."""
        try:
            return read_png(self.file)
        except DamagedPictureError as error:
            raise StorageError(f"{self.file} {error}") from error

    @property
    def prompt(self) -> str:
        """The prompt it was made from."""
        return self.saved.prompt

    @property
    def seed(self) -> int:
        """The seed of its noise."""
        return self.saved.seed


@dataclass(frozen=True)
class Run:
    """The result of a run.

    Attributes:
        folder: with its images and its manifest.
        recorded: its manifest: config, overrides, status, failures, the id of its MLflow run.
    """

    folder: Path
    recorded: Manifest = field(repr=False)

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        """`recorded` as plain values, as in `manifest.json`."""
        return self.recorded.as_dict()

    @property
    def images(self) -> list[GeneratedImage]:
        """The images, in the order of prompts and seeds."""
        found = [GeneratedImage(self.folder / own.file, own) for own in self.recorded.images]
        return sorted(found, key=lambda image: image.file)


def generate(*overrides: str, **keys: Any) -> Run:
    """Make the images of one config, and log them as configured.

    Args:
        overrides: as on the command line: "scheduler=ddpm", "decoder.guidance_scale=3".
        keys: the same as Python values: prompt="...", seeds=[1, 2], scheduler="ddpm",
            decoder={"guidance_scale": 3}.

    Raises:
        ConfigError: a key, value or combination is wrong; nothing was loaded.
        RunFailedError: a stage failed; `run` of the error has the finished images.
    """
    return _read(execute_run(_compose([*_texts(overrides), *overrides_of(keys)])))


def plan(*overrides: str, **keys: Any) -> Plan:
    """Check a config and build its graph, as `generate` would; nothing is loaded.

    Raises:
        ConfigError: a key, value or combination is wrong.
    """
    return make_plan(_compose([*_texts(overrides), *overrides_of(keys)]))


def sweep(*overrides: str, **keys: Any) -> list[Run]:
    """Run each combination of the overrides' values, as with `-m`.

    Args:
        overrides: several values are separated by commas: "scheduler=ddim,ddpm".
        keys: the same for all runs, as Python values; but `axes`, which says the runs.

    Runs that an earlier call of the same sweep finished are not repeated, unless `resume=False`.

    Raises:
        SweepError: some of the configs are wrong; names them all; nothing ran.
        RunFailedError: a stage failed; those that do not depend on it ran and are stored.
    """
    from runner.config.hydra.single import combinations, complete

    axes = keys.pop("axes", None)
    fixed = overrides_of(keys)
    chosen = combinations(_texts(overrides), axes)
    cells = complete([_cell(number, [*own, *fixed]) for number, own in enumerate(chosen)])
    return [_read(cell) for cell in execute_sweep(prepare_sweep(cells)).cells]


def table(*folders: str | Path) -> pandas.DataFrame:
    """The pictures of sweeps and runs, a row a picture.

    Columns: sweep, cell, each axis of any of them, prompt, seed, each score, seconds, file (an
    absolute path), sha256 (of the pixels). What is missing is missing there: seconds that were not
    measured together, scores of other sweeps.

    Args:
        folders: of sweeps or runs, as `Run.folder` is one.

    Raises:
        ConfigError: a folder is none of a sweep or a run, or none is named.
    """
    from runner.analysis.table import table_of
    from runner.analysis.together import read_all

    check_installed("table", None, ("pandas",))
    if not folders:
        raise ConfigError("folder", None, "none is named", "folders of sweeps or runs")
    return table_of(read_all([Path(folder) for folder in folders])).as_pandas()


def _texts(overrides: tuple[object, ...]) -> list[str]:
    """Overrides as on the command line. Raises ConfigError for what is no text."""
    for text in overrides:
        if not isinstance(text, str):
            problem = f"is {type(text).__name__}, not text"
            raise ConfigError("override", value_shown(text), problem, "key=value, or keywords")
    return [quote_home(str(text)) for text in overrides]


def _cell(number: int, overrides: list[str]) -> Cell:
    try:
        run = _compose(overrides)
    except RunnerError as error:
        return Cell(number, tuple(overrides), error)
    return Cell(number, run.overrides, run)  # credentials are removed from these


def _read(finished: Finished) -> Run:
    run = Run(finished.folder, Manifest.read(finished.folder))
    if finished.status != SUCCESS:
        failures = run.recorded.failures
        said = failures[0].error if failures else "its records could not be written"
        raise RunFailedError(f"{said}\n  {len(run.images)} images were made, in {run.folder}", run)
    return run


def _compose(overrides: list[str]) -> RunConfig:
    # Imported here, so that the package can be imported without Hydra.
    from runner.config.hydra.single import compose_one

    return compose_one(overrides)
