"""Makes a folder of published files that are on this disk, once, whoever else wants it, too.

`python -m runner.kandinsky2_0.conversion SOURCE TARGET`; see `runner.catalog.checkpoint.Original`.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from runner.errors import RunnerError, StorageError
from runner.kandinsky2_0.conversion.components import RELEASED, Sizes
from runner.kandinsky2_0.conversion.convert import FOLDERS, convert
from runner.system.locks import lock_file


def main(arguments: Sequence[str], sizes: Sizes = RELEASED) -> int:
    """Make the folder, if it is not there yet, and say on stdout what is wrong."""
    source, target = map(Path, arguments)
    try:
        _make(source, target, sizes)
    except RunnerError as error:
        print(error)
        return error.exit_status
    return 0


def _make(source: Path, target: Path, sizes: Sizes) -> None:
    names = {made.folder: name for name, (made, _) in FOLDERS.items()}
    others = (target.with_name(folder) for folder in names if folder != target.name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # The lock is that of the process that writes: it is free when nobody does.
        with lock_file(target.with_name(".lock")):
            for left in target.parent.glob(".*.part"):  # by one that was killed
                shutil.rmtree(left, ignore_errors=True)
            if not target.is_dir():
                beside = next((other for other in others if other.is_dir()), None)
                convert(source, target.parent, sizes=sizes, only=[names[target.name]],
                        beside=beside)  # fmt: skip
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {error.strerror or error}") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
