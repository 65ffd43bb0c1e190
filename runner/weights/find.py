"""Finds the checkpoints that the `weights` config names: small family, folder, or hub."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.catalog.checkpoint import Checkpoint
from runner.catalog.versions import Row
from runner.config.choices import WeightsSource
from runner.config.groups import CheckpointConfig, WeightsConfig
from runner.errors import WeightsError
from runner.weights.folder import INDEX_FILES, CheckedFolder, check_folder
from runner.weights.hashes import FileHashes
from runner.weights.hub import cached_snapshot, download_snapshot

MINI_DIR = Path(__file__).resolve().parents[1] / "mini" / "weights"


@dataclass(frozen=True)
class FoundCheckpoint:
    """A checkpoint, and the facts known of it before it is loaded.

    Attributes:
        repo: the configured repository or the catalog's; only for logs if the source is no hub.
        revision: the commit on the hub; None for local folders.
        checked: None while a hub checkpoint is not on this disk yet.
    """

    role: str
    checkpoint: Checkpoint
    source: WeightsSource
    repo: str
    revision: str | None
    variant: str | None
    checked: CheckedFolder | None

    @property
    def identity(self) -> str:
        """The text that represents the weights in a node's key."""
        if self.checked is not None:
            return self.checked.fingerprint
        return f"{self.repo}@{self.revision}, not on disk"

    @property
    def parameters(self) -> int:
        """Number of parameters of the module that is called at each step; 0 if not known."""
        return self.checked.parameters[self.checkpoint.denoiser] if self.checked else 0

    def component_bytes(self, bytes_per_number: int) -> dict[str, int]:
        """Module -> bytes of its weights in memory."""
        assert self.checked is not None
        return {name: n * bytes_per_number for name, n in self.checked.parameters.items()}


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
    *,
    roles: Collection[str],
    hashes: FileHashes,
    download: bool,
) -> FoundWeights:
    """Find and check the checkpoints of a row.

    Args:
        depth: the depth-estimation model.
        roles: the roles of the row that are needed.
        download: fetch weights of `weights=hub` that are not on disk. The only use of a network.

    Raises:
        WeightsError: a checkpoint is missing, incomplete, or of another model.
    """
    found = {
        role: _find(role, checkpoint, config, depth, hashes, download)
        for role, checkpoint in row.checkpoints.items()
        if role in roles
    }
    hashes.save()
    _check_same_embedding(config, found)
    return FoundWeights(found)


def mini_folder(checkpoint: Checkpoint) -> Path | None:
    """The checkpoint's folder in the small family; None where it has none."""
    folder = MINI_DIR / checkpoint.folder
    return folder if folder.is_dir() else None


def _find(
    role: str,
    checkpoint: Checkpoint,
    config: WeightsConfig,
    depth: CheckpointConfig,
    hashes: FileHashes,
    download: bool,
) -> FoundCheckpoint:
    # Kandinsky 3's text encoder is in the repository of its decoder.
    configured = {"prior": config.prior, "depth": depth}.get(role, config.decoder)
    key = "depth.repo" if role == "depth" else f"weights.{role.replace('text', 'decoder')}.repo"
    repo = configured.repo or checkpoint.repo
    source = config.source
    if role == "depth" and configured.repo is not None:
        source = _depth_source(configured.repo)
    revision: str | None = None
    folder: Path | None
    checked: CheckedFolder | None = None
    if source is WeightsSource.hub:
        wanted = configured.revision or "main"
        checked = _on_disk(repo, wanted, checkpoint, configured.variant, key, hashes)
        folder = checked.path if checked is not None else None
        if folder is None and config.source is not WeightsSource.hub:
            raise WeightsError(
                key, repo, "is no folder and not in the hub's cache",
                "a folder; or weights=hub, which may download",
            )  # fmt: skip
        if folder is None and download:
            folder = download_snapshot(repo, wanted, configured.variant, key, checkpoint)
        revision = folder.name if folder is not None else wanted
    else:
        own = configured.repo if role == "depth" else None
        folder = _folder(source, config, own, checkpoint)
        key = key if role == "depth" and configured.repo else "weights"
    if checked is None and folder is not None:
        checked = check_folder(folder, checkpoint, configured.variant, key, hashes)
    return FoundCheckpoint(
        role=role,
        checkpoint=checkpoint,
        source=source,
        repo=repo,
        revision=revision,
        variant=configured.variant,
        checked=checked,
    )


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
            has = ", ".join(sorted(path.name for path in MINI_DIR.iterdir() if path.is_dir()))
            raise WeightsError(
                "weights", "mini", f"the small family has no {checkpoint.folder} (it has: {has})",
                "weights=hub, or weights=<folder>",
            )  # fmt: skip
        return folder
    return _within(Path(str(config.path)).expanduser().absolute(), checkpoint)


def _on_disk(
    repo: str,
    revision: str,
    checkpoint: Checkpoint,
    variant: str | None,
    key: str,
    hashes: FileHashes,
) -> CheckedFolder | None:
    """The cached snapshot; None where a download was interrupted before it was complete."""
    snapshot = cached_snapshot(repo, revision, INDEX_FILES[checkpoint.layout])
    if snapshot is None:
        return None
    try:
        return check_folder(snapshot, checkpoint, variant, key, hashes)
    except WeightsError:
        return None


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
