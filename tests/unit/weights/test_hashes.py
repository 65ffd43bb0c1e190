"""Content hashes: independent of paths, and cached only while files are unchanged."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from pathlib import Path

import pytest

from runner.weights import hashes as hashes_module
from runner.weights.hashes import DamagedBlobError, FileHashes, fingerprint


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights"
    path.write_bytes(b"some bytes")
    return path


@pytest.fixture
def _all_files_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FileHashes, "WORTH_REMEMBERING", 0)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_hash_is_that_of_the_bytes(file: Path) -> None:
    assert FileHashes(None).sha256(file) == sha256(file)


@pytest.mark.usefixtures("_all_files_are_large")
def test_large_files_are_read_once(file: Path, tmp_path: Path) -> None:
    memory = tmp_path / "cache" / "hashes.jsonl"
    first = FileHashes(memory)
    expected = first.sha256(file)
    first.save()
    other = "ab" * 32
    memory.write_text(memory.read_text().replace(expected, other))
    assert FileHashes(memory).sha256(file) == other  # so it was not read


@pytest.mark.usefixtures("_all_files_are_large")
@pytest.mark.parametrize("how", ["written", "replaced"])
@pytest.mark.parametrize("content", [b"other bytes, of another size", b"same bytes"])
def test_a_changed_file_is_read_again(file: Path, tmp_path: Path, how: str, content: bytes) -> None:
    """Also one with the old size and time of modification, as `cp -p` and rsync leave them."""
    memory, before = tmp_path / "hashes.jsonl", file.stat()
    first = FileHashes(memory)
    first.sha256(file)
    first.save()
    time.sleep(0.02)  # the system's clock of changes ticks every few milliseconds
    changed = file if how == "written" else tmp_path / "new"
    changed.write_bytes(content)
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))
    changed.replace(file)
    assert FileHashes(memory).sha256(file) == sha256(file)


@pytest.mark.usefixtures("_all_files_are_large")
@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"a": 3}', '["a", 3]', '["a'])
def test_a_damaged_memory_is_only_forgotten(file: Path, tmp_path: Path, content: str) -> None:
    memory = tmp_path / "hashes.jsonl"
    memory.write_text(content)
    hashes = FileHashes(memory)
    assert hashes.sha256(file) == sha256(file)
    hashes.save()
    assert json.loads(memory.read_text().splitlines()[-1])[1] == sha256(file)
    assert FileHashes(memory).sha256(file) == sha256(file)


@pytest.mark.usefixtures("_all_files_are_large")
def test_what_two_commands_find_at_once_is_remembered_by_both(file: Path, tmp_path: Path) -> None:
    memory, other = tmp_path / "hashes.jsonl", tmp_path / "other"
    other.write_bytes(b"of the other command")
    both = FileHashes(memory), FileHashes(memory)
    both[0].sha256(file)
    both[1].sha256(other)
    for hashes in both:
        hashes.save()
    known = memory.read_text()
    assert sha256(file) in known
    assert sha256(other) in known


@pytest.mark.usefixtures("_all_files_are_large")
def test_several_files_are_read_at_once_and_each_only_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {name: tmp_path / name for name in "abc"}
    for name, path in files.items():
        path.write_text(name)
    together = threading.Barrier(2, timeout=20)
    read: list[Path] = []

    def reading(path: Path) -> str:
        read.append(path)
        if path.name != "c":
            together.wait()  # until another one is being read
        return sha256(path)

    monkeypatch.setattr(hashes_module, "cpu_cores", lambda: 3)
    monkeypatch.setattr(hashes_module, "file_sha256", reading)
    hashes = FileHashes(None)
    found = hashes.sha256_of({**files, "a again": files["a"]})
    assert found == {**{name: sha256(file) for name, file in files.items()}, "a again": found["a"]}
    assert sorted(path.name for path in read) == ["a", "b", "c"]


@pytest.mark.usefixtures("_all_files_are_large")
def test_a_memory_that_cannot_be_written_is_no_error(file: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder is needed")
    hashes = FileHashes(tmp_path / "taken" / "hashes.jsonl")
    assert hashes.sha256(file) == sha256(file)
    hashes.save()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["taken", "weights"]


def test_nothing_is_written_for_small_files(file: Path, tmp_path: Path) -> None:
    hashes = FileHashes(tmp_path / "cache" / "hashes.jsonl")
    hashes.sha256(file)
    hashes.save()
    assert not (tmp_path / "cache").exists()


def test_the_hubs_blobs_are_what_their_names_say(tmp_path: Path) -> None:
    blob = tmp_path / "blobs" / ("ab" * 32)
    blob.parent.mkdir()
    blob.write_bytes(b"not these")
    link = tmp_path / "model.safetensors"
    link.symlink_to(blob)
    with pytest.raises(DamagedBlobError) as caught:
        FileHashes(None).sha256(link)
    assert caught.value.path == link
    whole = blob.with_name(sha256(blob))
    blob.rename(whole)
    assert FileHashes(None).sha256(whole) == whole.name


def test_the_hubs_small_blobs_are_named_by_git(tmp_path: Path) -> None:
    # printf '{}' | git hash-object --stdin
    blob = tmp_path / "blobs" / "9e26dfeeb6e641a33dae4961196235bdb965b21b"
    blob.parent.mkdir()
    blob.write_bytes(b"{}")
    assert FileHashes(None).sha256(blob) == sha256(blob)
    blob.write_bytes(b"{ }")
    with pytest.raises(DamagedBlobError):
        FileHashes(None).sha256(blob)


def test_fingerprint_is_of_names_and_contents_in_any_order() -> None:
    files = [("a", "1"), ("b", "2")]
    assert fingerprint(files) == fingerprint(reversed(files))
    others: tuple[list[tuple[str, str]], ...] = (
        [("a", "1")],
        [("a", "2"), ("b", "1")],
        [("a", "1"), ("c", "2")],
        [],
    )
    assert len({fingerprint(files), *(fingerprint(other) for other in others)}) == 5
