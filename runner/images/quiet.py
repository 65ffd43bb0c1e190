"""Keeps what Pillow and libtiff say by themselves from the user: our errors tell each problem."""

from __future__ import annotations

import ctypes
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any

from PIL import _imaging

_LOCK = threading.Lock()
_inside = 0
_restore = ExitStack()


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """No warnings, no log lines, and nothing that libtiff writes to file descriptor 2."""
    global _inside
    # All of it belongs to the process: the first thread to come sets it, the last one resets it.
    with _LOCK:
        if _inside == 0:
            _silence(_restore)
        _inside += 1
    try:
        yield
    finally:
        with _LOCK:
            _inside -= 1
            if _inside == 0:
                _restore.close()


def _silence(restore: ExitStack) -> None:
    restore.enter_context(warnings.catch_warnings())
    warnings.simplefilter("ignore")
    log = logging.getLogger("PIL")
    restore.callback(log.setLevel, log.level)
    log.setLevel(logging.CRITICAL)
    for set_handler in _libtiff_handlers():
        restore.callback(set_handler, set_handler(None))


@cache
def _libtiff_handlers() -> tuple[Any, ...]:
    """libtiff's own functions that set who gets its errors and its warnings.

    None are found where Pillow has no libtiff, or one that is not reachable from outside.
    """
    try:
        library = ctypes.CDLL(_imaging.__file__)
        found = library.TIFFSetErrorHandler, library.TIFFSetWarningHandler
    except (AttributeError, OSError):
        return ()
    for function in found:
        function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_void_p
    return found
