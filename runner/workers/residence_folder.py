"""The folder where workers that stay are found: which it is, and whether it is the user's alone."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.config.keeping import LONGEST_DAYS, SAID, format_seconds
from runner.errors import ConfigError
from runner.system.user_cache import user_cache_dir
from runner.workers.residence import Residence, of_device

FOLDER = "workers"
DAY = 86400


def open_residence(*, create: bool = False, keep: float = 0.0) -> Residence | None:
    """The folder; None where there is none, or none that can be trusted.

    Args:
        create: make it where it is missing.
        keep: seconds that a worker is to stay, for messages.

    Raises:
        ConfigError: with `create`, it cannot be made, or is not the user's alone.
    """
    path = residence_path()
    try:
        if create:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with contextlib.suppress(FileExistsError):
                path.mkdir(mode=0o700)
                _remove_older(path)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags)
    except OSError as error:
        if not create:
            return None
        raise ConfigError(
            SAID, format_seconds(keep), f"workers cannot stay: the folder they are found in, "
            f"{path}, cannot be made: {error.strerror}",
            "off, or a folder of yours in KANDINSKY_CACHE",
        ) from error  # fmt: skip
    found = os.fstat(descriptor)
    if found.st_uid == os.geteuid() and not stat.S_IMODE(found.st_mode) & 0o077:
        return Residence(descriptor, path)
    os.close(descriptor)
    if not create:
        return None
    whose = "another user's" if found.st_uid != os.geteuid() else "open to others"
    raise ConfigError(
        SAID, format_seconds(keep), f"workers cannot stay: the folder they are found in, {path}, "
        f"is {whose}", "off, or that folder removed",
    )  # fmt: skip


def check_residence(keep: float | None) -> None:
    """Check that workers could stay, without making anything. Raises ConfigError.

    Args:
        keep: seconds that they are to; None: they are not.
    """
    if keep is not None and os.path.lexists(residence_path()):
        there = open_residence(create=True, keep=keep)
        assert there is not None
        there.close()


def residence_path() -> Path:
    """The folder of this boot of this machine: in a home that several machines share, each has its
    own, and so has a container.
    """
    places = [_text("/proc/sys/kernel/random/boot_id")]
    for namespace in ("pid", "mnt"):
        with contextlib.suppress(OSError):
            places.append(str(Path(f"/proc/self/ns/{namespace}").readlink()))
    here = hashlib.sha256("\n".join(places).encode()).hexdigest()[:12]
    return _parent() / f"{FOLDER}-{here}"


def _parent() -> Path:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and not os.environ.get("KANDINSKY_CACHE"):
        return Path(runtime).absolute() / "kandinsky-runner"
    return user_cache_dir()


def _text(file: str) -> str:
    try:
        return Path(file).read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _remove_older(path: Path) -> None:
    """Remove the folders of earlier boots: nobody stays for so long."""
    for other in path.parent.glob(f"{FOLDER}-*"):
        with contextlib.suppress(OSError):
            if other.lstat().st_mtime < time.time() - (LONGEST_DAYS + 1) * DAY:
                shutil.rmtree(other)


def any_stays(device: str) -> bool:
    """Whether a worker stays on a device: so none has to be begun in advance."""
    with opened_residence() as residence:
        return residence is not None and bool(of_device(residence.residents(), device))


@contextmanager
def opened_residence() -> Iterator[Residence | None]:
    """The folder as it is; None where there is none."""
    residence = open_residence() if sys.platform.startswith("linux") else None
    try:
        yield residence
    finally:
        if residence is not None:
            residence.close()
