"""Store entries are complete or absent, despite disk errors and concurrent writers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from runner.config.choices import CacheMode
from runner.engine.results import decode
from runner.engine.store import Store
from runner.errors import StorageError
from runner.graph.node import Node
from runner.graph.values import Value
from unit.made_pictures import picture

TENSORS = Node("prior", 1, {"seed": 1})
PICTURE = Node("decode", 1, {"seed": 1})


def tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {
        "floats": torch.randn(2, 3, generator=generator),
        "halves": torch.randn(5, generator=generator).to(torch.float16),
        "brains": torch.randn(5, generator=generator).to(torch.bfloat16),
        "bytes": generator.get_state(),
        "transposed": torch.arange(6).reshape(2, 3).T,
        "odd": torch.tensor([float("nan"), float("inf"), -0.0]),
    }


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    def raw(value: torch.Tensor) -> bytes:
        return bytes(value.contiguous().view(torch.uint8).flatten().tolist())

    return one.keys() == two.keys() and all(
        one[k].dtype == two[k].dtype and one[k].shape == two[k].shape and raw(one[k]) == raw(two[k])
        for k in one
    )


def store(folder: Path, mode: CacheMode = CacheMode.use) -> Store:
    return Store(folder / "results", mode)


def read_value(folder: Path, node: Node) -> Value:
    made = store(folder).read(node)
    assert made is not None
    return decode(made)


def entry(folder: Path, node: Node) -> Path:
    return folder / "results" / node.key[:2] / node.key


def left_over(folder: Path) -> list[str]:
    """Names of anything that is no entry."""
    return [path.name for path in (folder / "results").glob("*/*") if path.name.startswith(".")]


def test_tensors_come_back_bit_for_bit(tmp_path: Path) -> None:
    store(tmp_path).put(TENSORS, tensors(), 1.5)
    found = read_value(tmp_path, TENSORS)
    assert isinstance(found, dict)
    assert same(found, tensors())


def test_images_come_back_bit_for_bit(tmp_path: Path) -> None:
    store(tmp_path).put(PICTURE, picture(), 1.5)
    found = read_value(tmp_path, PICTURE)
    assert isinstance(found, Image.Image)
    assert (found.mode, found.size) == ("RGB", (16, 8))
    assert found.tobytes() == picture().tobytes()


def test_what_was_never_put_is_absent(tmp_path: Path) -> None:
    assert not store(tmp_path).holds(TENSORS)
    assert store(tmp_path).read(TENSORS) is None


@pytest.mark.parametrize(
    ("mode", "reads", "writes"),
    [(CacheMode.use, True, True), (CacheMode.refresh, False, True), (CacheMode.off, False, False)],
)
def test_modes(tmp_path: Path, mode: CacheMode, reads: bool, writes: bool) -> None:
    store(tmp_path).put(TENSORS, tensors(), 1.0)
    other = store(tmp_path, mode)
    assert other.holds(TENSORS) is reads
    assert (other.read(TENSORS) is not None) is reads
    other.put(PICTURE, picture(), 1.0)
    assert other.holds(PICTURE)
    assert other.read(PICTURE) is not None
    assert store(tmp_path).holds(PICTURE) is writes


def test_refresh_replaces_what_was_stored(tmp_path: Path) -> None:
    store(tmp_path).put(PICTURE, Image.new("RGB", (16, 8)), 1.0)
    store(tmp_path, CacheMode.refresh).put(PICTURE, picture(), 1.0)
    found = read_value(tmp_path, PICTURE)
    assert isinstance(found, Image.Image)
    assert found.tobytes() == picture().tobytes()


def test_forgotten_results_leave_memory_and_stay_on_disk(tmp_path: Path) -> None:
    kept, only_memory = store(tmp_path), store(tmp_path, CacheMode.off)
    for each in (kept, only_memory):
        each.put(PICTURE, picture(), 1.0)
        each.forget(PICTURE)
    assert kept.holds(PICTURE)
    assert not only_memory.holds(PICTURE)
    kept.forget(TENSORS)  # what is not there is forgotten already


def corrupt(folder: Path) -> None:
    file = folder / "result.png"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def truncate(folder: Path) -> None:
    os.truncate(folder / "result.png", 20)


def lose_result(folder: Path) -> None:
    (folder / "result.png").unlink()


def empty_record(folder: Path) -> None:
    (folder / "entry.json").write_text("")


def strange_record(folder: Path) -> None:
    (folder / "entry.json").write_text("[]")


def lose_record(folder: Path) -> None:
    (folder / "entry.json").unlink()


def lose_both(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


@pytest.mark.parametrize(
    "damage",
    [corrupt, truncate, lose_result, empty_record, strange_record, lose_record, lose_both],
)
def test_damaged_entries_are_absent_and_made_again(tmp_path: Path, damage: object) -> None:
    store(tmp_path).put(PICTURE, picture(), 1.0)
    assert callable(damage)
    damage(entry(tmp_path, PICTURE))
    again = store(tmp_path)
    assert again.read(PICTURE) is None
    assert not again.holds(PICTURE)
    again.put(PICTURE, picture(), 1.0)
    found = read_value(tmp_path, PICTURE)
    assert isinstance(found, Image.Image)
    assert found.tobytes() == picture().tobytes()
    assert left_over(tmp_path) == []


def test_a_key_that_is_there_is_left_alone(tmp_path: Path) -> None:
    store(tmp_path).put(PICTURE, picture(), 1.0)
    before = (entry(tmp_path, PICTURE) / "entry.json").stat().st_mtime_ns
    store(tmp_path).put(PICTURE, picture(), 1.0)
    assert (entry(tmp_path, PICTURE) / "entry.json").stat().st_mtime_ns == before
    assert left_over(tmp_path) == []


def test_a_disk_that_takes_nothing_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file where a folder is needed")
    with pytest.raises(StorageError, match="cannot store the result of decode"):
        store(tmp_path).put(PICTURE, picture(), 1.0)


PUBLISH = """
import sys
from pathlib import Path
from PIL import Image
from runner.config.choices import CacheMode
from runner.graph.node import Node
from runner.engine.store import Store
for number in range(150):
    store = Store(Path(sys.argv[1]), CacheMode[sys.argv[2]])
    store.put(Node("decode", 1, {"seed": 1 + number % 3}), Image.new("RGB", (8, 8), "red"), 1.0)
"""


@pytest.mark.parametrize("mode", ["use", "refresh"])
def test_processes_that_publish_the_same_keys_at_once(tmp_path: Path, mode: str) -> None:
    command = [sys.executable, "-c", PUBLISH, str(tmp_path / "results"), mode]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    for seed in (1, 2, 3):
        assert store(tmp_path).read(Node("decode", 1, {"seed": seed})) is not None
    assert left_over(tmp_path) == []


def test_an_entry_that_vanishes_between_a_look_and_a_read(tmp_path: Path) -> None:
    first = store(tmp_path)
    first.put(PICTURE, picture(), 1.0)
    first.forget(PICTURE)
    assert first.holds(PICTURE)
    shutil.rmtree(entry(tmp_path, PICTURE))
    assert first.read(PICTURE) is None
