"""Writes a report atomically: a folder and, where it is small enough, a single file."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from runner.analysis.reading import read_results
from runner.analysis.report import page, pictures
from runner.analysis.report.facts import Facts
from runner.analysis.report.gather import facts_of, inputs_of, read_findings
from runner.analysis.report.pictures import Placed, Source
from runner.analysis.results import SweepResult
from runner.analysis.together import combined, folder_named, labels_of, read_all
from runner.errors import ConfigError, StorageError
from runner.system.files import output_below
from runner.system.untrusted import UntrustedError, read_regular

NAME, INDEX = "report", "index.html"
LARGEST_FILE = 20_000_000
"""Bytes of a single-file page: a size that browsers and mail still handle well."""
LEFTOVER_SECONDS = 3600


@dataclass(frozen=True)
class Report:
    """A report that was written.

    Attributes:
        index: the folder's page.
        alone: the page as one file; None where it would be larger than `LARGEST_FILE`.
        alone_bytes: size of that file; a lower bound where it is not written.
        unreadable: files that are damaged or gone; the page marks their places.
    """

    index: Path
    alone: Path | None
    alone_bytes: int
    facts: Facts
    unreadable: tuple[Path, ...]


def write_report(folder: Path, out: Path | None = None, others: Sequence[Path] = ()) -> Report:
    """Write the page of a sweep or a run, or of several as one.

    Args:
        out: the page's folder; the single file is beside it. By default `report` in `folder`.
            An earlier report there is replaced.
        others: folders of further sweeps and runs.

    Raises:
        ConfigError: `folder` holds neither a sweep nor a run, or `out` is not a report.
        StorageError: it cannot be written.
    """
    name = NAME
    if others:
        sweeps = read_all([folder, *others])
        result = combined(sweeps)
        facts = facts_of(result, None)
        name = folder_named(NAME, "with", *labels_of([sweep.folder for sweep in sweeps])[1:])
    else:
        result = read_results(folder)
        facts = facts_of(result, *read_findings(folder))
    target = output_below(folder, name) if out is None else out
    alone = target.with_name(f"{target.name}.html")
    _check_replaceable(target, alone)
    building = target.with_name(f".{target.name}.{secrets.token_hex(8)}.building")
    building_alone = building.with_name(f"{building.name}.html")
    try:
        _remove_leftovers(target)
        building.mkdir(parents=True)
        sources = _sources(result, facts)
        placed = pictures.place(sources, building)
        _write_folder(building, facts, placed)
        size = _size_alone(building, placed)
        fits = size <= LARGEST_FILE
        if fits:
            size = _write_alone(building_alone, facts, building, placed)
            fits = size <= LARGEST_FILE
        _replace(building, target)
        if fits:
            building_alone.replace(alone)
        else:
            alone.unlink(missing_ok=True)  # an earlier one would be outdated
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
        building_alone.unlink(missing_ok=True)
    missing = [source.file for source, p in zip(sources, placed, strict=True) if p is None]
    return Report(target / INDEX, alone if fits else None, size, facts, tuple(missing))


def _check_replaceable(target: Path, alone: Path) -> None:
    """Raise ConfigError where `out` is anything but an earlier report."""
    marked = _is_page(target / INDEX) and (target / page.DATA_FILE).is_file()
    empty = target.is_dir() and not any(target.iterdir())
    if target.exists() and not (marked or empty):
        allowed = "a new or empty folder, or one that holds a report"
        raise ConfigError("out", target, "is there already, and is no report", allowed)
    if alone.exists() and not _is_page(alone):
        problem = f"{alone.name}, which would lie beside it, is there already, and is no report"
        raise ConfigError("out", target, problem)


def _is_page(file: Path) -> bool:
    try:
        return page.GENERATOR.encode() in read_regular(file)[:1000]
    except (OSError, UntrustedError):
        return False


def _remove_leftovers(target: Path) -> None:
    """Remove what a killed process left unfinished, but not what another one is writing."""
    for left in target.parent.glob(f".{target.name}.*.building*"):
        if time.time() - left.stat().st_mtime > LEFTOVER_SECONDS:
            shutil.rmtree(left) if left.is_dir() else left.unlink()


def _sources(result: SweepResult, facts: Facts) -> list[Source]:
    """The images, then the input pictures."""
    numbers = [f"{facts.cells[image.cell].number:04d}" for image in facts.images]
    images = [
        Source(image.file, f"{number}_{image.file.name}")
        for number, image in zip(numbers, result.images(), strict=True)
    ]
    return [*images, *(Source(file, f"from_{name}") for name, file in inputs_of(result).items())]


def _write_folder(folder: Path, facts: Facts, placed: Sequence[Placed | None]) -> None:
    urls = [None if p is None else [quote(p.thumb), quote(p.full)] for p in placed]
    data = page.data_script({**asdict(facts), "pictures": urls})
    (folder / page.DATA_FILE).write_text(data, encoding="ascii")
    (folder / INDEX).write_text(page.page_with_files(_title(facts)), encoding="utf-8")


def _size_alone(folder: Path, placed: Sequence[Placed | None]) -> int:
    """A lower bound in bytes: pictures in base64, and the data."""
    files = [folder / name for p in placed if p is not None for name in (p.thumb, p.full)]
    data = (folder / page.DATA_FILE).stat().st_size
    return data + sum(4 * file.stat().st_size // 3 for file in files)


def _write_alone(file: Path, facts: Facts, folder: Path, placed: Sequence[Placed | None]) -> int:
    def embedded(kind: str, name: str) -> str:
        return page.data_uri(kind, (folder / name).read_bytes())

    uris = [
        None if p is None else [embedded("image/webp", p.thumb), embedded("image/png", p.full)]
        for p in placed
    ]
    data = page.data_script({**asdict(facts), "pictures": uris})
    file.write_text(page.page_alone(_title(facts), data), encoding="utf-8")
    return file.stat().st_size


def _title(facts: Facts) -> str:
    return f"{facts.name} · {facts.folder}"


def _replace(building: Path, target: Path) -> None:
    """Replace a folder in two steps, as a rename cannot; undone if the second fails."""
    before = building.with_name(f"{building.name}-before")
    if target.exists():
        target.rename(before)
    try:
        building.rename(target)
    except OSError:
        if before.exists():
            before.rename(target)
        raise
    shutil.rmtree(before, ignore_errors=True)
