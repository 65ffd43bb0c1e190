"""Copies a run's or a sweep's pictures into the folder layouts that benchmark scorers read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from runner.analysis.results import CellResult, ImageResult, SweepResult
from runner.errors import ConfigError, StorageError

LONGEST_NAME = 255
"""Most bytes of a file's name."""


def export(results: SweepResult, layout: str, out: Path) -> list[Path]:
    """Copy the pictures into `out`, each cell into a folder of its own; those of a single run
    into `out` itself.

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
        (cell, folder, list(LAYOUTS[layout](cell)))
        for cell, folder in zip(cells, folders, strict=True)
    ]
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


def _geneval(cell: CellResult) -> Iterator[tuple[str, Path | str]]:
    """A folder a prompt, `00000/samples/0000.png`, and the prompt's own line in
    `00000/metadata.jsonl` (https://github.com/djghosh13/geneval).

    Where the prompts came from a .jsonl file, as GenEval's do, the line is that of the file.
    """
    rows = _rows_of_prompts(cell)
    for number, (prompt, images) in enumerate(_by_prompt(cell).items()):
        row = rows.get(prompt, {"prompt": prompt})
        yield f"{number:05d}/metadata.jsonl", json.dumps(row, ensure_ascii=False) + "\n"
        for place, image in enumerate(images):
            yield f"{number:05d}/samples/{place:04d}.png", image.file


def _t2i_compbench(cell: CellResult) -> Iterator[tuple[str, Path | str]]:
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


Layout = Callable[[CellResult], Iterator[tuple[str, Path | str]]]
LAYOUTS: Mapping[str, Layout] = {"geneval": _geneval, "t2i_compbench": _t2i_compbench}
"""Name -> (file name, path to copy or content) for all pictures of a cell."""


def _by_prompt(cell: CellResult) -> dict[str, list[ImageResult]]:
    """The pictures grouped by prompt, in the order of the run."""
    found: dict[str, list[ImageResult]] = {}
    for image in sorted(cell.images, key=lambda one: one.file.name):
        found.setdefault(image.prompt, []).append(image)
    return found


def _rows_of_prompts(cell: CellResult) -> dict[str, dict[str, Any]]:
    """Prompt -> its row, where the cell's prompts came from a .jsonl file that is still there."""
    named = cell.config.get("prompt_file")
    if named is None or Path(named).suffix.lower() != ".jsonl" or not Path(named).is_file():
        return {}
    rows = (json.loads(line) for line in Path(named).read_text("utf-8-sig").split("\n") if line)
    return {row["prompt"].strip(): row for row in rows}
