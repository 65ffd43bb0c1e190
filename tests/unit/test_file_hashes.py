"""Hashes of files, closed and open."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from runner.system.hashes import file_sha256, open_file_sha256


@pytest.mark.parametrize("content", [b"", b"abc", bytes(3 << 20)], ids=len)
def test_the_hash_is_of_all_bytes_wherever_an_open_file_stands(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    expected = hashlib.sha256(content).hexdigest()
    assert file_sha256(path) == expected
    with path.open("rb") as file:
        file.read(2)
        assert open_file_sha256(file) == expected
