"""The status of a run, a cell or a sweep.

Not in `recording`, as the writer process needs it too and imports nothing from above.
"""

from __future__ import annotations

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
