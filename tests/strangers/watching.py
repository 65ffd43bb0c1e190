"""Watches this process by an audit hook: connections, other programs, changes of files.

Source: https://docs.python.org/3/library/audit_events.html
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

CONNECTING = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
STARTING = (
    "subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.fork", "os.forkpty",
    "webbrowser.open", "pty.spawn", "ctypes.dlopen",
)  # fmt: skip
CHANGING: Mapping[str, Sequence[int]] = {
    "os.remove": (0,), "os.rmdir": (0,), "os.rename": (0, 1), "os.mkdir": (0,), "os.link": (1,),
    "os.symlink": (1,), "os.truncate": (0,), "os.utime": (0,), "os.chmod": (0,), "os.chown": (0,),
    "shutil.rmtree": (0,), "shutil.move": (1,), "shutil.copyfile": (1,), "sqlite3.connect": (0,),
}  # fmt: skip
"""Event -> which of its arguments name what is changed."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
HARMLESS = ("/dev/null", "/dev/tty")
MOST_SECONDS = 10


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
            for place in CHANGING.get(name, ()):
                self._changes(name, arguments[place])

    def _changes(self, name: str, path: Any) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return
        text = os.fsdecode(path)
        # The folder, with its links followed; the last part may be a link that is replaced.
        whole = os.path.join(os.path.realpath(os.path.dirname(text)), os.path.basename(text))
        if name in ("open", "os.truncate", "os.utime", "os.chmod"):
            whole = os.path.realpath(text)
        if whole not in HARMLESS and not whole.startswith(self.inside):
            self.seen.append(f"{name} {text} (in truth {whole})")


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
