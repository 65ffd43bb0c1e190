"""Content hashes: independent of paths, and cached only while files are unchanged."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

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
    memory = tmp_path / "cache" / "hashes.json"
    before = file.stat()
    first = FileHashes(memory)
    expected = first.sha256(file)
    first.save()
    file.write_bytes(b"same bytes")  # unnoticed on purpose: size and time are as before
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert FileHashes(memory).sha256(file) == expected


@pytest.mark.usefixtures("_all_files_are_large")
def test_a_changed_file_is_read_again(file: Path, tmp_path: Path) -> None:
    memory = tmp_path / "hashes.json"
    first = FileHashes(memory)
    first.sha256(file)
    first.save()
    file.write_bytes(b"other bytes, of another size")
    assert FileHashes(memory).sha256(file) == sha256(file)


@pytest.mark.usefixtures("_all_files_are_large")
@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"a": 3}'])
def test_a_damaged_memory_is_only_forgotten(file: Path, tmp_path: Path, content: str) -> None:
    memory = tmp_path / "hashes.json"
    memory.write_text(content)
    hashes = FileHashes(memory)
    assert hashes.sha256(file) == sha256(file)
    hashes.save()
    assert FileHashes(memory).sha256(file) == sha256(file)


@pytest.mark.usefixtures("_all_files_are_large")
def test_a_memory_that_cannot_be_written_is_no_error(file: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder is needed")
    hashes = FileHashes(tmp_path / "taken" / "hashes.json")
    assert hashes.sha256(file) == sha256(file)
    hashes.save()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["taken", "weights"]


def test_nothing_is_written_for_small_files(file: Path, tmp_path: Path) -> None:
    hashes = FileHashes(tmp_path / "cache" / "hashes.json")
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
