"""Counts, paths and commands as a person reads and types them."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path


def counted(count: int, noun: str) -> str:
    """1 image, 2 images."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def path_here(path: Path) -> str:
    """Relative to the working directory where it lies below it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def command(*arguments: str) -> str:
    """A command of this very installation: `kandinsky ...` where the shell would find it."""
    script = Path(sys.executable).with_name("kandinsky")
    found = shutil.which("kandinsky")
    if found is not None and Path(found).absolute() == script:
        program = ["kandinsky"]
    elif script.exists():
        program = [path_here(script)]
    else:
        program = [path_here(Path(sys.executable)), "-m", "runner"]
    return shlex.join([*program, *arguments])
