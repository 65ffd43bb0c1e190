"""Copies a run's or a sweep's pictures into the folder layouts that benchmark scorers read."""

from __future__ import annotations

import codecs
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from runner.analysis.results import CellResult, ImageResult, SweepResult
from runner.errors import ConfigError, StorageError
from runner.images.png import read_whole_picture
from runner.system.files import LONGEST_NAME
from runner.system.untrusted import UntrustedError, parse_json, read_regular

Rows: TypeAlias = Mapping[str, Mapping[str, Any]]


def export(results: SweepResult, layout: str, out: Path, rows: Rows | None = None) -> list[Path]:
    """Copy the pictures into `out`, each cell into a folder of its own; those of a single run
    into `out` itself.

    Args:
        rows: prompt -> its row in the file that the prompts came from (`read_rows`).

    Returns:
        the folders to pass to a scorer.

    Raises:
        ConfigError: `out` is not empty, or the layout cannot hold these prompts.
        StorageError: a file cannot be written.
    """
    cells = [cell for cell in results.cells if cell.images]
    if not cells:
        raise ConfigError("folder", results.folder, "has no picture yet")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError("out", out, "is there already", "a new folder, or an empty one")
    single = len(results.cells) == 1
    folders = [out if single else out / cell.folder.name for cell in cells]
    planned = [
        (cell, folder, list(LAYOUTS[layout](cell, rows or {})))
        for cell, folder in zip(cells, folders, strict=True)
    ]
    _check_pictures(cells)
    try:
        for _, folder, files in planned:
            for name, content in files:
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                if isinstance(content, Path):
                    shutil.copyfile(content, target)
                else:
                    target.write_text(content, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot write {out}: {error.strerror}") from error
    return folders


def _geneval(cell: CellResult, rows: Rows) -> Iterator[tuple[str, Path | str]]:
    """A folder a prompt, `00000/samples/0000.png`, and the prompt's own line in
    `00000/metadata.jsonl` (https://github.com/djghosh13/geneval).

    The scorer needs the lines of GenEval's own file: `rows`.
    """
    for number, (prompt, images) in enumerate(_by_prompt(cell).items()):
        row = rows.get(prompt, {"prompt": prompt})
        yield f"{number:05d}/metadata.jsonl", json.dumps(row, ensure_ascii=False) + "\n"
        for place, image in enumerate(images):
            yield f"{number:05d}/samples/{place:04d}.png", image.file


def _t2i_compbench(cell: CellResult, rows: Rows) -> Iterator[tuple[str, Path | str]]:
    """All in `samples/<prompt>_000000.png`, numbered through; the prompt is read back from the
    name up to its first underscore (https://github.com/Karine-Huang/T2I-CompBench).
    """
    number = 0
    for prompt, images in _by_prompt(cell).items():
        for image in images:
            name = f"{prompt}_{number:06d}.png"
            if {"/", "\0", "_"} & set(prompt) or len(name.encode()) > LONGEST_NAME:
                raise ConfigError(
                    "layout", "t2i_compbench", f"names files by their prompts, which {prompt!r} "
                    "cannot be", "geneval",
                )  # fmt: skip
            yield f"samples/{name}", image.file
            number += 1


Layout = Callable[[CellResult, Rows], Iterator[tuple[str, Path | str]]]
LAYOUTS: Mapping[str, Layout] = {"geneval": _geneval, "t2i_compbench": _t2i_compbench}
"""Name -> (file name, path to copy or content) for all pictures of a cell."""


def _by_prompt(cell: CellResult) -> dict[str, list[ImageResult]]:
    """The pictures grouped by prompt, in the order of the run."""
    found: dict[str, list[ImageResult]] = {}
    for image in sorted(cell.images, key=lambda one: one.file.name):
        found.setdefault(image.prompt, []).append(image)
    return found


def read_rows(file: Path) -> Rows:
    """Prompt -> its row in a .jsonl file, such as GenEval's evaluation_metadata.jsonl.

    The user names the file: a record may come from anyone, so the path in it is not read.

    Raises:
        ConfigError: it cannot be read, or a line is no object with a text `prompt`.
    """
    found: dict[str, Mapping[str, Any]] = {}
    try:
        lines = read_regular(file).removeprefix(codecs.BOM_UTF8).split(b"\n")
        for number, line in enumerate(lines, 1):
            if line.strip():
                row = parse_json(line)
                if not isinstance(row, dict) or not isinstance(row.get("prompt"), str):
                    problem = f"line {number} is no object with a text `prompt`"
                    raise ConfigError("prompts", file, problem)
                found[row["prompt"].strip()] = row
    except UntrustedError as error:
        raise ConfigError("prompts", file, str(error)) from error
    except OSError as error:
        raise ConfigError("prompts", file, f"cannot be read: {error.strerror}") from error
    return found


def _check_pictures(cells: Sequence[CellResult]) -> None:
    """Check that all pictures are there, as recorded, before any is copied."""
    for cell in cells:
        for image in cell.images:
            if read_whole_picture(image.file, image.record.sha256) is None:
                raise ConfigError(
                    "folder", cell.folder, f"{image.file.name} is missing, damaged, or not the "
                    "recorded picture",
                )  # fmt: skip
