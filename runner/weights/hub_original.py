"""Finds a checkpoint of which a repository of the hub has the files in another layout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from runner.catalog.checkpoint import Checkpoint, Original
from runner.config.choices import Precision, WeightsSource
from runner.config.groups import CheckpointConfig
from runner.errors import WeightsError
from runner.system.user_cache import user_cache_dir
from runner.weights.folder import check_folder
from runner.weights.found import FoundCheckpoint, Making
from runner.weights.hashes import FileHashes
from runner.weights.hub import CachedRepo
from runner.weights.hub_find import with_missing

SETTINGS = (".json", ".model")
"""Ends of the names of settings and tokenizers."""


def find_original(
    role: str,
    checkpoint: Checkpoint,
    configured: CheckpointConfig,
    repo: str,
    key: str,
    hashes: FileHashes,
    precision: Precision,
) -> FoundCheckpoint:
    """Find the folder that was made of a commit's files, or those of which it is to be made.

    Raises:
        WeightsError: the repository has not the files, or a folder that was made is damaged.
    """
    original = checkpoint.original
    assert original is not None
    wanted = configured.revision or "main"
    cached = CachedRepo(repo)
    commit = cached.commit_of(wanted)
    found = FoundCheckpoint(
        role, checkpoint, key, WeightsSource.hub, repo, wanted, commit or wanted, None, None
    )
    if configured.variant is not None:
        raise WeightsError(
            key.replace(".repo", ".variant"), configured.variant,
            f"{repo} is published without variants", "null; precision=fp16 computes in half",
        )  # fmt: skip
    if commit is None:
        return found
    target = made_dir(repo, commit) / checkpoint.folder
    if target.is_dir():
        checked = check_folder(target, checkpoint, None, key, hashes, precision)
        return replace(found, checked=checked, missing=())
    source, listing = cached.snapshot(commit), cached.listing(commit)
    if listing is None:
        # Another program's download: no more is known than what is there.
        sizes = [_size(source / name) for name in original.files]
        if None in sizes:
            return found
        making = Making(source, target, sum(size or 0 for size in sizes))
        return replace(found, missing=(), listed=False, making=making)
    absent = [name for name in original.files if name not in listing]
    if absent:
        raise WeightsError(key, f"{repo}@{commit}", f"has no {', '.join(absent)}")
    needed = [listing[name] for name in sorted({*original.files, *_beside(original, listing)})]
    making = Making(source, target, sum(file.bytes for file in needed))
    return replace(with_missing(found, needed, hashes), making=making)


def made_dir(repo: str, commit: str) -> Path:
    """Where folders are kept that were made of a commit's files."""
    return user_cache_dir() / "converted" / f"models--{repo.replace('/', '--')}" / commit


def _beside(original: Original, names: Iterable[str]) -> Iterable[str]:
    folders = {PurePosixPath(name).parent for name in original.files} - {PurePosixPath()}
    for name in names:
        if name.endswith(SETTINGS) and PurePosixPath(name).parent in folders:
            yield name


def _size(file: Path) -> int | None:
    try:
        return file.stat().st_size
    except OSError:
        return None
