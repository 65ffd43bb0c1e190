"""The hub's cache on this disk, read without the hub's client: commits, listings, files."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

COMMIT = re.compile("[0-9a-f]{40}")


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository, as the hub lists it.

    Attributes:
        bytes: its size.
        blob: its name in the cache: the sha256 of large files, else git's hash.
        sha256: of large files; None: git's hash alone is known.
    """

    repo: str
    commit: str
    name: str
    bytes: int
    blob: str
    sha256: str | None


@dataclass(frozen=True)
class CachedRepo:
    """A repository in the hub's cache.

    The layout: models--<owner>--<name>/{refs/<revision>, snapshots/<commit>/..., blobs/<hash>,
    trees/<commit>.json}.
    Source: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
    """

    repo: str

    @property
    def home(self) -> Path:
        """Its folder."""
        return cache_dir() / f"models--{self.repo.replace('/', '--')}"

    def commit_of(self, revision: str) -> str | None:
        """The commit of a branch, tag or commit, as far as this disk knows."""
        try:
            commit = (self.home / "refs" / revision).read_text(encoding="utf-8").strip()
            if COMMIT.fullmatch(commit):
                return commit
        except (OSError, ValueError):
            pass
        try:
            known = self.snapshot(revision).is_dir() or self._tree(revision).is_file()
        except (OSError, ValueError):
            return None
        return revision if known and COMMIT.fullmatch(revision) else None

    def snapshot(self, commit: str) -> Path:
        """The folder of a commit's files."""
        return self.home / "snapshots" / commit

    def listing(self, commit: str) -> Mapping[str, RemoteFile] | None:
        """Name -> file, of all files of a commit; None: the hub was not asked for them yet."""
        try:
            content = json.loads(self._tree(commit).read_text(encoding="utf-8"))
            found = {
                name: RemoteFile(
                    self.repo, commit, name, int(entry["size"]),
                    str(entry.get("lfs_sha256") or entry["blob_id"]), entry.get("lfs_sha256"),
                )
                for name, entry in content["files"].items()
            }  # fmt: skip
            return found or None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None  # asked again

    def holds(self, file: RemoteFile) -> bool:
        """Whether a file is there, whole as far as its size tells."""
        try:
            return (self.snapshot(file.commit) / file.name).stat().st_size == file.bytes
        except OSError:
            return False

    def _tree(self, commit: str) -> Path:
        return self.home / "trees" / f"{commit}.json"


def cache_dir() -> Path:
    """The cache folder of the hub's client, from the same variables, read in the same way."""
    default = f"{os.environ.get('XDG_CACHE_HOME', '~/.cache')}/huggingface"
    home = os.environ.get("HF_HOME", default)
    named = os.environ.get("HF_HUB_CACHE", os.environ.get("HUGGINGFACE_HUB_CACHE", f"{home}/hub"))
    return Path(os.path.expandvars(Path(named).expanduser()))


def is_offline() -> bool:
    """Whether the hub's client was told to ask nobody."""
    told = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return told.upper() in ("1", "ON", "YES", "TRUE")
