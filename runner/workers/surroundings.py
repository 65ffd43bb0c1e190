"""The surroundings of a command's process, for a worker that was begun in other ones."""

from __future__ import annotations

import importlib
import os
import site
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import runner
from runner.system.files import size_and_time
from runner.system.kept_code import CODE_FOLDER, code_dir
from runner.system.terminal import Printed

STREAMS = (1, 2)
CHANGED = (-2, -2)
"""A size and a time that no file has."""


def enter(environment: Mapping[str, str], folder: str, streams: Sequence[int]) -> None:
    """Take over a command's variables, working directory, modules' path and standard streams.

    Args:
        streams: descriptors of its standard output and error, which are closed here.
    """
    before = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    rest = [path for path in sys.path if path not in before]
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:] = [*environment.get("PYTHONPATH", "").split(os.pathsep), *rest]
    importlib.invalidate_caches()
    tempfile.tempdir = None  # it is found out anew, by TMPDIR
    try:
        os.chdir(folder)
    except OSError:
        os.chdir("/")
    _set_streams(streams)
    for stream in streams:
        os.close(stream)


def leave_streams() -> None:
    """Let go of a command's streams, whose readers wait for their end, and of its folder."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    _set_streams([nowhere, nowhere])
    os.close(nowhere)
    os.chdir("/")


def _set_streams(streams: Sequence[int]) -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        if isinstance(stream, Printed):
            stream.problem = None
    for target, stream in zip(STREAMS, streams, strict=False):
        os.dup2(stream, target)


class UsersModules:
    """The modules of the user's own that this process has imported, such as metrics: they stay as
    they were imported, so with other files, or another path, it can not work any more.
    """

    def __init__(self) -> None:
        self._known = set(sys.modules)
        paths = sysconfig.get_paths()
        libraries = (
            paths["stdlib"], paths["platstdlib"], paths["purelib"], paths["platlib"],
            *site.getsitepackages(), str(Path(runner.__file__).parent),
        )  # fmt: skip
        self._libraries = tuple(f"{os.path.realpath(path)}{os.sep}" for path in libraries)
        self._files: dict[str, tuple[int, int]] = {}
        self._path = ""

    def look(self, since: float) -> None:
        """Note what was imported since the last look.

        Args:
            since: when the command began, in seconds since the epoch. A file that is newer may not
                be the one that was imported, so it counts as changed.
        """
        new = sys.modules.keys() - self._known
        self._known |= new
        # What torch compiles are modules, too: they are never written anew.
        compiled = os.path.realpath(os.environ.get(CODE_FOLDER) or code_dir())
        not_theirs = (*self._libraries, f"{compiled}{os.sep}")
        for name in new:
            file = getattr(sys.modules.get(name), "__file__", None)
            if file and not os.path.realpath(file).startswith(not_theirs):
                size, time = size_and_time(file)
                self._files[file] = (size, time) if time < since * 1e9 else CHANGED
                self._path = os.environ.get("PYTHONPATH", "")

    def have_changed(self, path: str) -> bool:
        """Whether a command with this PYTHONPATH may have others."""
        return bool(self._files) and (
            path != self._path
            or any(size_and_time(file) != found for file, found in self._files.items())
        )
