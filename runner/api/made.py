"""What was made: a picture, a run, a sweep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from PIL import Image

from runner.api import html
from runner.api.compared import Compared
from runner.errors import ConfigError, StorageError
from runner.images.png import DamagedPictureError, read_png
from runner.recording.manifest import Manifest, SavedImage
from runner.recording.sweep_record import SWEEP
from runner.system.machine import COMPARING, check_installed
from runner.system.text import pluralize

if TYPE_CHECKING:
    import pandas

    from runner.analysis.results import SweepResult


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
        """The picture, RGB. Raises StorageError: its file is gone or damaged."""
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

    def _repr_html_(self) -> str:
        return html.gallery([self.file], [html.caption(self.prompt, self.seed)])


@dataclass(frozen=True)
class Run:
    """The result of a run.

    Attributes:
        folder: with its images and its manifest.
        recorded: its manifest: config, overrides, status, failures, the id of its MLflow run.
    """

    folder: Path
    recorded: Manifest = field(repr=False)

    @classmethod
    def read(cls, folder: str | Path) -> Run:
        """The run in a folder, made now or earlier. Raises ConfigError: there is none."""
        from runner.analysis.reading import read_results

        path = Path(folder).resolve()  # outputs/latest points elsewhere after the next run
        if (path / SWEEP).is_file():
            raise ConfigError("folder", folder, "is a sweep, no run", "runner.Sweep.read(folder)")
        (cell,) = read_results(path).cells
        assert cell.manifest is not None
        return cls(path, cell.manifest)

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        """`recorded` as plain values, as in `manifest.json`."""
        return self.recorded.as_dict()

    @property
    def images(self) -> list[GeneratedImage]:
        """The images, in the order of prompts and seeds."""
        found = [GeneratedImage(self.folder / own.file, own) for own in self.recorded.images]
        return sorted(found, key=lambda image: image.file)

    def __repr__(self) -> str:
        images = pluralize(len(self.recorded.images), "image")
        return f"<Run {self.recorded.name}: {images}, {self.recorded.status}, {self.folder}>"

    def _repr_html_(self) -> str:
        captions = [html.caption(image.prompt, image.seed) for image in self.images]
        return html.titled(repr(self), html.gallery([i.file for i in self.images], captions))


@dataclass(frozen=True)
class Sweep(Sequence[Run]):
    """A sweep: the sequence of its runs, and what is asked of all of them together.

    Attributes:
        folders: of the sweep; several only where its cells differ in `output_dir`.
        runs: of its cells, in order; of a sweep that is read, those that have begun.
    """

    folders: tuple[Path, ...]
    runs: tuple[Run, ...]

    @classmethod
    def read(cls, folder: str | Path) -> Sweep:
        """The sweep in a folder, whoever made it. Raises ConfigError: there is none."""
        from runner.analysis.reading import read_results

        path = Path(folder).resolve()
        cells = read_results(path).cells
        if not (path / SWEEP).is_file():
            raise ConfigError("folder", folder, "is a run, no sweep", "runner.Run.read(folder)")
        runs = (Run(cell.folder, cell.manifest) for cell in cells if cell.manifest)
        return cls((path,), tuple(runs))

    @classmethod
    def of(cls, folders: Iterable[Path]) -> Sweep:
        """The sweep whose cells have these folders."""
        cells = [folder.resolve() for folder in folders]
        return cls(
            tuple(dict.fromkeys(cell.parent for cell in cells)),
            tuple(Run(cell, Manifest.read(cell)) for cell in cells),
        )

    @property
    def folder(self) -> Path:
        """With `sweep.json`, and a folder for each cell.

        Raises:
            ConfigError: the cells differ in `output_dir`, so there are several.
        """
        if len(self.folders) > 1:
            problem = "differs between the cells, so there are several folders"
            raise ConfigError("output_dir", self.folders[0].parent, problem, "Sweep.folders")
        return self.folders[0]

    @property
    def axes(self) -> dict[str, tuple[str, ...]]:
        """The keys that differ between cells, each with its values, as texts."""
        return {axis: tuple(values) for axis, values in self._result().axes.items()}

    def table(self) -> pandas.DataFrame:
        """A row a picture: see `runner.table`."""
        return table(*self.folders)

    def compare(
        self,
        by: str | Sequence[str] | None = None,
        *,
        within: str | Sequence[str] | None = None,
        where: str | Sequence[str] = (),
        baseline: str | Sequence[str] | None = None,
        confidence: float = 0.95,
        metrics: str | Sequence[str] | None = None,
    ) -> Compared:
        """Which setting is better, and by how much: as `kandinsky compare`, whose options these
        are. Nothing is written.

        Raises:
            ConfigError: there is nothing to compare, or an argument does not fit the sweep.
        """
        check_installed("compare", None, COMPARING)
        # Imported here, as it imports scipy.
        from runner.analysis.asking import ask

        return Compared(
            ask(
                self._result(), by=_names(by), within=_names(within), where=_names(where) or (),
                baseline=_names(baseline), confidence=confidence, metrics=_names(metrics),
            )
        )  # fmt: skip

    def report(self, out: str | Path | None = None) -> Path:
        """Write the page of the sweep, as `kandinsky report`. Returns its file.

        Args:
            out: the page's folder; None: `report` in the sweep's.
        """
        from runner.analysis.report.writing import write_report

        first, *others = self.folders
        return write_report(first, None if out is None else Path(out).absolute(), others).index

    def _result(self) -> SweepResult:
        from runner.analysis.together import combined, read_all

        sweeps = read_all(list(self.folders))
        return sweeps[0] if len(sweeps) == 1 else combined(sweeps)

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Run, ...]: ...
    def __getitem__(self, index: int | slice) -> Run | tuple[Run, ...]:
        return self.runs[index]

    def __len__(self) -> int:
        return len(self.runs)

    def __repr__(self) -> str:
        images = pluralize(sum(len(run.recorded.images) for run in self.runs), "image")
        where = ", ".join(map(str, self.folders))
        return f"<Sweep: {pluralize(len(self.runs), 'cell')}, {images}, {where}>"

    def _repr_html_(self) -> str:
        cells = {cell.folder: cell for cell in self._result().cells}
        rows = []
        for run in self.runs:
            cell = cells.get(run.folder)
            label, said = (cell.label, cell.choice.get("prompt")) if cell else (run.folder.name, "")
            rows.append(
                (
                    label,
                    [one.file for one in run.images],
                    [html.caption("" if one.prompt == said else one.prompt, one.seed)
                     for one in run.images],
                )
            )  # fmt: skip
        return html.titled(repr(self), html.rows_of_pictures(rows))


def _names(said: str | Sequence[str] | None) -> Sequence[str] | None:
    return [said] if isinstance(said, str) else said


def table(*made: str | Path | Run | Sweep) -> pandas.DataFrame:
    """The pictures of sweeps and runs, a row a picture.

    Columns: sweep, cell, each axis of any of them, prompt, seed, each score, seconds, file (an
    absolute path), sha256 (of the pixels). What is missing is missing there: seconds that were not
    measured together, scores of other sweeps.

    Args:
        made: sweeps and runs, or their folders.

    Raises:
        ConfigError: a folder is none of a sweep or a run, or none is named.
    """
    from runner.analysis.table import table_of
    from runner.analysis.together import read_all

    check_installed("table", None, ("pandas",))
    if not made:
        raise ConfigError("folder", None, "none is named", "folders of sweeps or runs")
    folders: list[Path] = []
    for one in made:
        if isinstance(one, Sweep):
            folders += one.folders
        else:
            folders.append(one.folder if isinstance(one, Run) else Path(one))
    return table_of(read_all(folders)).as_pandas()
