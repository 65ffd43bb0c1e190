"""How far a run came: the one set of words for it.

Here, below `recording`, as the writer process speaks of it too, and imports nothing above.
"""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """Of a run, a sweep's cell or a sweep. All but PENDING are MLflow's words too.

    Written in JSON as its text.
    """

    PENDING = "PENDING"
    """Not begun."""
    RUNNING = "RUNNING"
    """Begun and not ended; its process may have been killed since."""
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"
