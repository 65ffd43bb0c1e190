"""Sizes from headers, and every way in which a file may be damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from runner.weights.safetensors_header import DamagedFileError, read_header


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    file = tmp_path / "model.safetensors"
    tensors = {"a": torch.zeros(3, 5), "b": torch.zeros(2, dtype=torch.float16)}
    save_file(tensors, file, metadata={"format": "pt"})
    return file


def test_sizes_are_those_of_the_file(whole: Path) -> None:
    header = read_header(whole)
    assert header.parameters == 3 * 5 + 2
    assert header.bytes == whole.stat().st_size


@pytest.mark.parametrize("kept", [0, 4, 8, 40, -1])
def test_cut_off(whole: Path, kept: int) -> None:
    whole.write_bytes(whole.read_bytes()[:kept])
    with pytest.raises(DamagedFileError):
        read_header(whole)


def test_cut_within_the_tensors_says_both_sizes(whole: Path) -> None:
    size = whole.stat().st_size
    whole.write_bytes(whole.read_bytes()[:-3])
    with pytest.raises(DamagedFileError, match=f"has {size - 3} bytes .* says {size}"):
        read_header(whole)


def test_too_long(whole: Path) -> None:
    whole.write_bytes(whole.read_bytes() + b"x")
    with pytest.raises(DamagedFileError, match="its header says"):
        read_header(whole)


@pytest.mark.parametrize(
    "header",
    [
        b"{not json",
        b"[]",
        b'"text"',
        b"\xff\xfe\x00",
        json.dumps({"a": {"shape": [2]}}).encode(),
        json.dumps({"a": {"shape": [2], "data_offsets": [0]}}).encode(),
        json.dumps({"a": {"shape": ["x"], "data_offsets": ["0", "8"]}}).encode(),
        json.dumps({"a": 3}).encode(),
    ],
)
def test_damaged_header(tmp_path: Path, header: bytes) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    with pytest.raises(DamagedFileError):
        read_header(file)


def test_git_lfs_pointer_says_what_to_run(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n")
    with pytest.raises(DamagedFileError, match="git lfs pull"):
        read_header(file)
