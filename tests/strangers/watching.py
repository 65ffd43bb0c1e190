"""Watches this process by an audit hook: connections, other programs, changes of files.

Source: https://docs.python.org/3/library/audit_events.html
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from runner.images.quiet import quiet_decoders

CONNECTING = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
STARTING = (
    "subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.fork", "os.forkpty",
    "webbrowser.open", "pty.spawn", "ctypes.dlopen",
)  # fmt: skip
CHANGING: Mapping[str, Mapping[int, int | None]] = {
    "os.remove": {0: 1}, "os.rmdir": {0: 1}, "os.rename": {0: 2, 1: 3}, "os.mkdir": {0: 2},
    "os.link": {1: 3}, "os.symlink": {1: 2}, "os.truncate": {0: None}, "os.utime": {0: 3},
    "os.chmod": {0: 2}, "os.chown": {0: 3}, "shutil.rmtree": {0: None}, "shutil.move": {1: None},
    "shutil.copyfile": {1: None}, "sqlite3.connect": {0: None},
}  # fmt: skip
"""Event -> its arguments that name what is changed, each with that which says from which open
folder the name counts.
"""
FOLLOWING = ("open", "os.truncate", "os.utime", "os.chmod", "os.chown", "sqlite3.connect")
"""Events of calls that follow a link."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
HARMLESS = ("/dev/null", "/dev/tty")
MOST_SECONDS = 60


class EndlessError(Exception):
    """A command did not end."""


@dataclass
class Watch:
    """What a command did that it may not.

    Attributes:
        inside: the only folders in which it may change files.
    """

    inside: tuple[str, ...]
    seen: list[str] = field(default_factory=list)

    def event(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name in CONNECTING or name in STARTING:
            self.seen.append(f"{name} {arguments!r:.200}")
        elif name == "open":
            path, _, flags = arguments
            if isinstance(path, str | bytes | os.PathLike) and flags & WRITING:
                self._changes(name, path)
        else:
            for place, folder in CHANGING.get(name, {}).items():
                opened = -1 if folder is None else arguments[folder]
                self._changes(name, arguments[place], opened)

    def _changes(self, name: str, path: Any, opened: int = -1) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return
        asked = Path(os.fsdecode(path))
        if opened >= 0:
            asked = Path(f"/proc/self/fd/{opened}").readlink() / asked
        if "\0" in str(asked):
            return  # no path at all
        # The last part may be a link that is replaced.
        truly = asked.resolve() if name in FOLLOWING else asked.parent.resolve() / asked.name
        if str(truly) not in HARMLESS and not str(truly).startswith(self.inside):
            self.seen.append(f"{name} {asked} (in truth {truly})")


_watches: list[Watch] = []


def _audit(name: str, arguments: tuple[Any, ...]) -> None:
    if _watches:
        watch = _watches.pop()  # what the check itself opens does not count
        try:
            watch.event(name, arguments)
        finally:
            _watches.append(watch)


_installed: list[bool] = []


@contextmanager
def watched(*inside: Path) -> Iterator[Watch]:
    """Watch this process for the time of the context. Raises EndlessError after `MOST_SECONDS`."""
    if not _installed:
        with quiet_decoders():
            pass  # opens the library of Pillow once, which is no program of a stranger's
        sys.addaudithook(_audit)  # hooks cannot be removed
        _installed.append(True)
    watch = Watch(tuple(f"{folder.resolve()}/" for folder in inside))
    before = signal.signal(signal.SIGALRM, _endless)
    signal.alarm(MOST_SECONDS)
    _watches.append(watch)
    try:
        yield watch
    finally:
        _watches.clear()
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _endless(number: int, frame: FrameType | None) -> None:
    raise EndlessError(f"not ended after {MOST_SECONDS} s")
