"""Finds the checkpoints that the `weights` config names: small family, folder, hub, or random."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from runner.catalog.checkpoint import Checkpoint
from runner.catalog.versions import Row
from runner.config.choices import Precision, RandomSize, WeightsSource
from runner.config.groups import CheckpointConfig, WeightsConfig
from runner.errors import RunnerError, WeightsError, raise_all
from runner.system.together import call_in_turn, call_together
from runner.weights.folder import check_folder
from runner.weights.found import FoundCheckpoint
from runner.weights.hashes import FileHashes
from runner.weights.hub_find import find_on_hub
from runner.weights.hub_original import find_original
from runner.weights.judges import AskedJudge, find_judge
from runner.weights.random_weights import RELEASE_DIR, random_checkpoint

MINI_DIR = Path(__file__).resolve().parents[1] / "mini" / "weights"
LORAS = "loras"
"""The folder of the small family's LoRAs, beside those of its checkpoints."""


@dataclass(frozen=True)
class FoundWeights:
    """The checkpoints that a run needs, by role."""

    checkpoints: Mapping[str, FoundCheckpoint]

    @property
    def native_size(self) -> int | None:
        """Pixels that the weights were trained at; None where they are not on disk to tell."""
        for found in self.checkpoints.values():
            if found.checked is not None and found.checked.native_size is not None:
                return found.checked.native_size
        return None


def find_weights(
    row: Row,
    config: WeightsConfig,
    depth: CheckpointConfig,
    judges: Sequence[AskedJudge] = (),
    *,
    precisions: Mapping[str, Precision],
    hashes: FileHashes,
) -> FoundWeights:
    """Find and check the checkpoints of a row, without a network.

    Args:
        depth: the depth-estimation model.
        judges: those of the metrics; their roles are among the row's.
        precisions: those roles of the row that are needed -> the precision they compute in.

    Raises:
        WeightsError: a checkpoint is missing, incomplete, or of another model.
        SeveralError: several of them are.
    """
    may_download = config.source is WeightsSource.hub
    judging = {judge.role_of(part) for judge in judges for part in judge.judge.parts}
    finders: list[Callable[[], Mapping[str, FoundCheckpoint]]] = [
        partial(_find_role, role, checkpoint, config, depth, hashes, precisions[role])
        for role, checkpoint in row.checkpoints.items()
        if role in precisions and role not in judging
    ]
    finders += [partial(find_judge, one, hashes, may_download=may_download) for one in judges]
    found: dict[str, FoundCheckpoint] = {}
    errors: list[RunnerError] = []
    # Those that may have large files to read, at once.
    small = config.source in (WeightsSource.mini, WeightsSource.random)
    call = call_in_turn if small and not judges else call_together
    for one in call(finders):
        if isinstance(one, WeightsError):
            errors.append(one)
        elif isinstance(one, Exception):
            raise one
        else:
            found |= one
    hashes.save()
    raise_all(errors)
    _check_same_embedding(config, found)
    return FoundWeights(found)


def mini_folder(checkpoint: Checkpoint) -> Path | None:
    """The checkpoint's folder in the small family; None where it has none."""
    folder = MINI_DIR / checkpoint.folder
    return folder if folder.is_dir() else None


def packaged_folder(found: FoundCheckpoint) -> Path | None:
    """Where this machine's own package has the checkpoint; None: it is in no package."""
    if found.source is WeightsSource.random:
        return RELEASE_DIR / found.checkpoint.folder
    return mini_folder(found.checkpoint) if found.source is WeightsSource.mini else None


def _find_role(role: str, *given: Any) -> Mapping[str, FoundCheckpoint]:
    return {role: _find(role, *given)}


def _find(
    role: str,
    checkpoint: Checkpoint,
    config: WeightsConfig,
    depth: CheckpointConfig,
    hashes: FileHashes,
    precision: Precision,
) -> FoundCheckpoint:
    # A version's text encoders are in the repository of its decoder.
    configured = {"prior": config.prior, "depth": depth}.get(role, config.decoder)
    key = "depth.repo" if role == "depth" else f"weights.{role.replace('text', 'decoder')}.repo"
    repo = configured.repo or checkpoint.repo
    source = config.source
    if role == "depth" and configured.repo is not None:
        source = _depth_source(configured.repo)
    if source is WeightsSource.hub:
        is_made = checkpoint.original is not None and repo == checkpoint.repo
        find = find_original if is_made else find_on_hub
        found = find(role, checkpoint, configured, repo, key, hashes, precision)
        if found.checked is None and config.source is not WeightsSource.hub:
            raise WeightsError(
                key, repo, "is no folder and not in the hub's cache",
                "a folder; or weights=hub, which may download",
            )  # fmt: skip
        return found
    if source is WeightsSource.random:
        size = RandomSize[config.size]
        made = random_checkpoint(checkpoint, size, "weights")
        return FoundCheckpoint(
            role, checkpoint, "weights", source, repo, None, None, made, random=size
        )
    own = configured.repo if role == "depth" else None
    folder = _folder(source, config, own, checkpoint)
    key = key if own is not None else "weights"
    checked = check_folder(folder, checkpoint, configured.variant, key, hashes, precision)
    return FoundCheckpoint(role, checkpoint, key, source, repo, None, None, checked)


def _depth_source(repo: str) -> WeightsSource:
    """The source of a depth model: any folder or repository, whatever the other weights are."""
    is_folder = Path(repo).expanduser().is_dir()
    return WeightsSource.folder if is_folder else WeightsSource.hub


def _folder(
    source: WeightsSource, config: WeightsConfig, own: str | None, checkpoint: Checkpoint
) -> Path:
    """`own`: a folder of its own, beside all other weights."""
    if own is not None:
        return Path(own).expanduser().absolute()
    if source is WeightsSource.mini:
        folder = mini_folder(checkpoint)
        if folder is None:
            folders = {path.name for path in MINI_DIR.iterdir() if path.is_dir()} - {LORAS}
            has = ", ".join(sorted(folders))
            raise WeightsError(
                "weights", "mini", f"the small family has no {checkpoint.folder} (it has: {has})",
                "weights=hub, or weights=<folder>",
            )  # fmt: skip
        return folder
    return _within(Path(str(config.path)).expanduser().absolute(), checkpoint)


def _within(path: Path, checkpoint: Checkpoint) -> Path:
    if not path.is_dir():
        raise WeightsError("weights.path", path, "is no folder")
    if (path / checkpoint.folder).is_dir():
        return path / checkpoint.folder
    raise WeightsError(
        "weights.path", path, f"has no folder {checkpoint.folder}",
        "a folder that holds the checkpoints under their repositories' names",
    )  # fmt: skip


def _check_same_embedding(config: WeightsConfig, found: Mapping[str, FoundCheckpoint]) -> None:
    sizes = {
        role: f.checked.embedding_size
        for role, f in found.items()
        if f.checked is not None and f.checked.embedding_size is not None
    }
    if len(set(sizes.values())) > 1:
        shown = ", ".join(f"{role} {size}" for role, size in sizes.items())
        raise WeightsError(
            "weights",
            config.path or config.source.name,
            f"prior and decoder do not belong together: widths of the image embedding: {shown}",
        )
