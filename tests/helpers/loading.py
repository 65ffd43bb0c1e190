"""Folders of checkpoints as the runner gives them to diffusers."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from runner.catalog.checkpoint import Checkpoint
from runner.config.choices import Precision
from runner.pipelines.assemble import assembled
from runner.weights.folder import CheckedFolder, check_folder
from runner.weights.hashes import FileHashes


def checked(family: Path, checkpoint: Checkpoint, variant: str | None = None) -> CheckedFolder:
    """A checkpoint of a folder that holds several."""
    folder = family / checkpoint.folder
    return check_folder(folder, checkpoint, variant, "weights", FileHashes(None), Precision.fp32)


def opened(family: Path, checkpoint: Checkpoint) -> AbstractContextManager[Path]:
    """Its folder of links, for `from_pretrained`."""
    return assembled(checked(family, checkpoint))
