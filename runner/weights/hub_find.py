"""Finds a checkpoint in the hub's cache, file by file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from runner.catalog.checkpoint import Checkpoint
from runner.config.choices import Precision, WeightsSource
from runner.config.groups import CheckpointConfig
from runner.errors import WeightsError
from runner.weights.components import INDEX_FILES
from runner.weights.files import choose_weight_files, find_weight_files, other_files
from runner.weights.folder import check_folder
from runner.weights.found import FoundCheckpoint
from runner.weights.hashes import DamagedBlobError, FileHashes
from runner.weights.hub import CachedRepo, RemoteFile
from runner.weights.identify import check_configs


def find_on_hub(
    role: str,
    checkpoint: Checkpoint,
    configured: CheckpointConfig,
    repo: str,
    key: str,
    hashes: FileHashes,
    precision: Precision,
) -> FoundCheckpoint:
    """Find a checkpoint in the hub's cache, and which of its files are missing there.

    Raises:
        WeightsError: the repository's listing or configs show that it is not this checkpoint, or
            a file is damaged that the hub did not make.
    """
    wanted = configured.revision or "main"
    cached = CachedRepo(repo)
    commit = cached.commit_of(wanted)
    found = FoundCheckpoint(
        role, checkpoint, key, WeightsSource.hub, repo, wanted, commit or wanted, None, None
    )
    if commit is None:
        return found
    snapshot = cached.snapshot(commit)
    listing = cached.listing(commit)
    if listing is not None:
        needed = _needed(listing, checkpoint, configured.variant, precision, found)
        lacking = with_missing(found, needed, hashes)
        if lacking.missing:
            if not lacking.damaged:
                check_configs(snapshot, checkpoint, key)
            return lacking
    try:
        checked = check_folder(snapshot, checkpoint, configured.variant, key, hashes, precision)
    except DamagedBlobError as error:
        return replace(found, problem=f"{error.path} has other bytes than its name says")
    except WeightsError as error:
        if listing is not None:
            raise
        # Another program's download, which may have been interrupted.
        return replace(found, problem=f"{error.value} {error.problem}")
    return replace(found, checked=checked, missing=(), listed=listing is not None)


def with_missing(
    found: FoundCheckpoint, needed: Sequence[RemoteFile], hashes: FileHashes
) -> FoundCheckpoint:
    """Tell which of the needed files are missing or damaged."""
    cached = CachedRepo(found.repo)
    missing = [file for file in needed if not cached.holds(file)]
    there = [file for file in needed if file not in missing and file.sha256 is not None]
    hashes.read_together(cached.snapshot(file.commit) / file.name for file in there)
    damaged = [
        file
        for file in needed
        if file not in missing
        and not hashes.matches(cached.snapshot(file.commit) / file.name, file.sha256, file.blob)
    ]
    if damaged:
        place = cached.snapshot(damaged[0].commit) / damaged[0].name
        other = f"{place} has other bytes than the hub lists"
        return replace(found, missing=(*missing, *damaged), damaged=tuple(damaged), problem=other)
    if not missing:
        return replace(found, missing=())
    names = f"{missing[0].name}{f' and {len(missing) - 1} more' if missing[1:] else ''}"
    some = len(missing) < len(needed)
    problem = f"{names} of it is not there" if some else None
    return replace(found, missing=tuple(missing), problem=problem)


def _is_plain(path: PurePosixPath) -> bool:
    """Whether it is a file of the checkpoint or of one of its modules, and of no other folder."""
    return len(path.parts) <= 2 and ".." not in path.parts and not path.is_absolute()


def _needed(
    listing: Mapping[str, RemoteFile],
    checkpoint: Checkpoint,
    variant: str | None,
    precision: Precision,
    found: FoundCheckpoint,
) -> list[RemoteFile]:
    """The files of a repository that a role needs, by the repository's listing."""
    where = f"{found.repo}@{found.revision}"
    paths = {name: PurePosixPath(name) for name in listing}
    names = {n for n, path in paths.items() if _is_plain(path)}
    if (index := INDEX_FILES[checkpoint.layout]) not in names:
        raise WeightsError(found.key, where, f"has no {index}: it is no such checkpoint")
    needed = {*other_files(names, checkpoint.without)}
    for module in checkpoint.modules:
        weights = choose_weight_files(names, module, variant, precision)
        if weights is None:
            there = find_weight_files(names, module)
            variants = sorted({str(one.variant or "null") for one in there})
            raise WeightsError(
                found.key if variant is None else found.key.replace(".repo", ".variant"),
                where if variant is None else variant,
                f"{where} has no weights of this variant in {module}/" if variant and there
                else f"has no weights in {module}/",
                f"variant: {', '.join(variants)}" if there else None,
            )  # fmt: skip
        needed |= {*weights.files}
    return [listing[name] for name in sorted(needed)]
