"""Imports MLflow in a writer that stands by."""

from __future__ import annotations

import contextlib
import os
import sys
import threading

from runner.tracking.delivery import import_mlflow

NICE = 10
"""The priority of imports that yield: with both cores busy they get a tenth of one, as they are in
the session of what they yield to (sched(7), autogroup)."""


def import_in_advance(*, yielding: bool) -> None:
    """Import what a delivery needs.

    Args:
        yielding: with a lower priority, in a thread: a process could not raise its own again.
    """
    if not yielding:
        _import()
        return
    importing = threading.Thread(target=_import_yielding)
    importing.start()
    importing.join()


def _import() -> None:
    with contextlib.suppress(Exception):  # comes again, and is told, where it is to deliver
        import_mlflow()


def _import_yielding() -> None:
    with contextlib.suppress(OSError):  # such as where it would not be lower
        if sys.platform.startswith("linux"):  # elsewhere it would be that of the process
            nice = max(os.getpriority(os.PRIO_PROCESS, 0), NICE)
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
    _import()
