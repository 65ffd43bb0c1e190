"""Folders on a command line: of sweeps and runs (by path, id, name, or `last`), and of outputs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from runner.errors import ConfigError
from runner.recording.sweep_record import LAST, SWEEP, list_sweeps, named_sweep
from runner.system.files import LATEST
from runner.system.text import with_near
from runner.verbs.parser import VerbParser

OUTPUTS = Path("outputs")
NEWEST = OUTPUTS / LATEST


def kept_folder(text: str) -> Path:
    """The folder that an argument names: argparse's `type`.

    What is there is a path, so no sweep's name can stand for another folder. What names nothing
    stays a path, of which whoever reads it says that it is none.
    """
    path = Path(text)
    with contextlib.suppress(OSError):  # a text may be too long for a name
        if not path.exists() and list_sweeps(OUTPUTS.absolute()):
            with contextlib.suppress(ConfigError):
                return named_sweep(OUTPUTS.absolute(), text, "folder")[0]
    return path


def add_folder(parser: VerbParser, of: str) -> None:
    """Add `folder`: of what it may be, in words."""
    parser.add_argument(
        "folder", nargs="?", type=kept_folder,
        help=f"of {of}, or its id or name (default: the newest)",
    )  # fmt: skip


def add_folders(parser: VerbParser, of: str, several: str = "") -> None:
    """Add `folders`, of which several may be named: what then happens, in words."""
    told = several and f"; several are {several} as one"
    parser.add_argument(
        "folders", nargs="*", type=kept_folder, metavar="folder",
        help=f"of {of}, or its id or name (default: the newest){told}",
    )  # fmt: skip


def add_output_dir(parser: VerbParser, changes: Sequence[str] = ()) -> None:
    """Add `output_dir`, a folder: only the usual one need not be there yet.

    Args:
        changes: words that may stand in its place, of which one may be mistyped.
    """

    def check(path: Path) -> None:
        if not path.is_dir():
            problem = with_near("is no folder", str(path), changes)
            raise ConfigError("output_dir", path, problem, ", ".join(["a folder", *changes]))

    parser.add_argument(
        "output_dir", nargs="?", default=OUTPUTS, type=Path, check=check,
        help="as in the runs (%(default)s)",
    )  # fmt: skip


def check_target(key: str, file: Path | None, others: Iterable[str] = ()) -> None:
    """Check that a file can be made where it is named, before anything is read for it.

    Args:
        others: suffixes of other formats.

    Raises:
        ConfigError: its folder is missing, or its name says another format.
    """
    if file is None:
        return
    if file.suffix.lower() in others:
        raise ConfigError(key, file, "is named as a file of another format", f"--{file.suffix[1:]}")
    if not file.absolute().parent.is_dir():
        raise ConfigError(key, file, "lies in no folder that exists", "a file in one that does")


def folders_behind(options: Iterable[list[str] | None]) -> list[Path]:
    """Take the last values that are sweeps out of options that have others besides, as in
    `compare --by scheduler FOLDER`. By path, id or as the last one: a sweep's name may be that of
    an axis, too.
    """
    found: list[Path] = []
    for values in options:
        while values and len(values) > 1 and _is_sweep(values[-1]):
            found.insert(0, kept_folder(values.pop()))
    return found


def _is_sweep(text: str) -> bool:
    try:
        if (Path(text) / SWEEP).is_file():
            return True
    except OSError:  # a prompt may be too long for a name
        return False
    return text in (LAST, *(record.sweep_id for _, record in list_sweeps(OUTPUTS.absolute())))
