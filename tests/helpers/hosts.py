"""Counts the processes that a command begins for its workers."""

from __future__ import annotations

import pytest

from runner.workers import host, pool


def hosts_begun(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The places of each host that is begun from now on; it grows as they are."""
    begun: list[int] = []

    def take(places: int) -> host.Host:
        begun.append(places)
        return host.take(places)

    monkeypatch.setattr(pool, "take", take)
    return begun
