"""Settings of hypothesis: the same examples in each run, whatever database, day or load."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

SAME = settings(
    derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
