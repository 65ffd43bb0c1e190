"""The status of a run, a cell or a sweep.

Not in `recording`, as the writer process needs it too and imports nothing from above.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Status(StrEnum):
    """Status of a run, a cell or a sweep. All but PENDING are MLflow's statuses too.

    Written in JSON as its text.
    """

    PENDING = "PENDING"
    """Not begun."""
    RUNNING = "RUNNING"
    """Begun and not ended; its process may have been killed since."""
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


def status_of_all(statuses: Iterable[Status]) -> Status:
    """The status of several together: a failure counts first, then what has not ended."""
    found = set(statuses)
    order = (Status.FAILED, Status.KILLED, Status.RUNNING, Status.PENDING)
    return next((one for one in order if one in found), Status.FINISHED)
