"""Checks the index of weights in several files, which says which of them holds which tensor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from runner.errors import WeightsError
from runner.weights.files import WeightFiles
from runner.weights.settings import read_json


def check_index(weights: WeightFiles, found: Mapping[str, Path], key: str) -> None:
    """Check that an index names these shards, and no other files.

    Args:
        found: name within the checkpoint -> file.

    Raises:
        WeightsError: it does not; loading would end in an error, or read another file.
    """
    if weights.index is None:
        return
    index = found[weights.index]
    allowed = f"the index that was published with {', '.join(weights.files)}"
    tensors = read_json(index, key).get("weight_map")
    if not isinstance(tensors, dict) or not tensors:
        raise WeightsError(key, index, "has no weight_map of tensors and files", allowed)
    shards = {PurePosixPath(name).name for name in weights.files}
    for shard in tensors.values():
        if not isinstance(shard, str) or shard not in shards:
            problem = f"names {str(shard)[:100]!r}, which is none of its files"
            raise WeightsError(key, index, problem, allowed)
