"""Which accelerator each worker of a pool gets; with stand-ins for the processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Pipe

import pytest
import torch

from runner.catalog.offload import NONE
from runner.config.choices import CacheMode
from runner.config.run_config import Bench
from runner.engine.observer import Observer
from runner.planning.profile import ExecutionProfile
from runner.workers import pool, process
from runner.workers.messages import Start
from runner.workers.next_profile import hands_over
from runner.workers.pool import Pool
from runner.workers.setup import WorkerSetup


class Begun:
    """A host that is told to start, and begins nothing."""

    all: list[Begun]

    def __init__(self, places: int) -> None:
        pairs = [Pipe() for _ in range(places)]
        self.connections = [ours for ours, _ in pairs]
        self._others = [theirs for _, theirs in pairs]
        self.pid = 1000 + len(self.all)
        self.all.append(self)

    def start(self, start: Start) -> None:
        self.told = start

    def die(self) -> None:
        for connection in self._others:
            connection.close()

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def _stood_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    Begun.all = []
    monkeypatch.setattr(pool, "take", Begun)
    yield
    for host in Begun.all:
        host.die()


def opening(device: str) -> WorkerSetup:
    profile = ExecutionProfile(CacheMode.use, device, 1, 3, NONE, None, 1)
    return WorkerSetup((), profile, ())


def places() -> list[tuple[int, int]]:
    return [(host.told.workers, host.told.place) for host in Begun.all]


def test_on_accelerators_each_is_a_process_with_a_place_of_its_own() -> None:
    Pool(opening("cuda"), (), 3, Observer())
    assert places() == [(1, 0), (1, 1), (1, 2)]


def test_on_a_cpu_all_come_from_one() -> None:
    Pool(opening("cpu"), (), 3, Observer())
    assert places() == [(3, 0)]


def test_who_takes_over_from_a_dead_one_takes_its_place() -> None:
    workers = Pool(opening("cuda"), (), 3, Observer())
    Begun.all[1].die()
    assert workers.wait() is None
    assert places() == [(1, 0), (1, 1), (1, 2), (1, 1)]


@pytest.mark.parametrize(("place", "device"), [(0, "cuda:0"), (1, "cuda:1"), (2, "cuda:0")])
def test_places_are_dealt_out_over_the_devices(
    monkeypatch: pytest.MonkeyPatch, place: int, device: str
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert process._placed(opening("cuda"), place).profile.device == device
    assert process._placed(opening("cuda:1"), place).profile.device == "cuda:1"
    assert process._placed(opening("cpu"), place).profile.device == "cpu"


@pytest.mark.parametrize(
    ("device", "workers", "bench", "stays"),
    [
        ("cuda:0", 2, None, False),  # one could not free what the other has set aside
        ("cuda:0", 1, None, True),
        ("cuda:0", None, None, True),  # one for each device
        ("cpu", 2, None, True),
        ("cpu", 1, Bench(1, 2), False),
    ],
)
def test_what_is_loaded_stays_where_nobody_else_needs_its_memory(
    device: str, workers: int | None, bench: Bench | None, stays: bool
) -> None:
    profile = replace(opening(device).profile, workers=workers, bench=bench)
    assert hands_over(profile) == stays
