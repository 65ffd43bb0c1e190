"""The store as a whole: its size, its checks, its trimming."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import torch

from runner.config.choices import CacheMode
from runner.engine.store import Store
from runner.engine.store_care import damaged_entries, stored_entries, trim
from runner.graph.node import Node
from runner.planning.planner import results_dir
from unit.conftest import Command

DAY = 86_400


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return results_dir(tmp_path)


def node(seed: int) -> Node:
    return Node("prior", 1, {"seed": seed})


def filled(folder: Path, count: int) -> list[Node]:
    """Entries that were used one day after the other, the last one now."""
    store = Store(folder, CacheMode.use)
    nodes = [node(seed) for seed in range(count)]
    for days, one in enumerate(reversed(nodes)):
        store.put(one, {"image_embeds": torch.full((1, 256), days)}, 1.0)
        record = folder / one.key[:2] / one.key / "entry.json"
        os.utime(record, (time.time() - days * DAY,) * 2)
    return nodes


def held(folder: Path, nodes: list[Node]) -> list[int]:
    store = Store(folder, CacheMode.use)
    return [number for number, one in enumerate(nodes) if store.holds(one)]


def test_the_least_recently_used_go_first(folder: Path) -> None:
    nodes = filled(folder, 5)
    sizes = [entry.bytes for entry in stored_entries(folder)]
    assert trim(folder, sum(sizes)).removed == 0
    done = trim(folder, sum(sizes[3:]))
    assert (done.removed, done.freed_bytes) == (3, sum(sizes[:3]))
    assert held(folder, nodes) == [3, 4]


def test_reading_an_entry_is_using_it(folder: Path) -> None:
    nodes = filled(folder, 3)
    most = max(entry.bytes for entry in stored_entries(folder))
    assert Store(folder, CacheMode.use).read(nodes[0]) is not None
    trim(folder, most)
    assert held(folder, nodes) == [0]


def test_what_a_run_used_itself_stays(folder: Path) -> None:
    nodes = filled(folder, 3)
    assert trim(folder, 0, used_before=time.time() - 1.5 * DAY).removed == 1
    assert held(folder, nodes) == [1, 2]


def test_folders_of_killed_processes_go_and_living_ones_stay(folder: Path) -> None:
    (one,) = filled(folder, 1)
    old, new = (folder / one.key[:2] / f".{name}-x" for name in ("deadbeef", "12345678"))
    for path in (old, new):
        path.mkdir()
    os.utime(old, (time.time() - 2 * DAY,) * 2)
    trim(folder, 10**9)
    assert not old.exists()
    assert new.exists()
    assert held(folder, [one]) == [0]


def test_damage_is_found_and_dropped(folder: Path, tmp_path: Path, command: Command) -> None:
    nodes = filled(folder, 3)
    bad = folder / nodes[1].key[:2] / nodes[1].key
    (bad / "result.safetensors").write_bytes(b"nothing")
    assert damaged_entries(folder) == [bad]
    said = command("cache", str(tmp_path), "--verify")
    assert said.status == 1
    assert nodes[1].key in said.out
    assert held(folder, nodes) == [0, 2]
    again = command("cache", str(tmp_path), "--verify", "--trim", "0")
    assert again.status == 0
    assert "every entry is whole" in again.out
    assert "dropped 2 results" in again.out
    assert held(folder, nodes) == []


def test_the_size_is_told_by_stage(folder: Path, tmp_path: Path, command: Command) -> None:
    filled(folder, 3)
    said = command("cache", str(tmp_path)).out
    assert "3 results" in said
    assert "prior" in said
    assert "2.0 days ago" in said
    (tmp_path / "empty").mkdir()
    assert "0 results" in command("cache", str(tmp_path / "empty")).out


@pytest.mark.parametrize("size", ["-1", "nan", "much"])
def test_a_size_that_is_none_is_refused(command: Command, size: str) -> None:
    assert command("cache", "--trim", size).status == 2
