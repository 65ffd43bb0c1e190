"""Repositories of the stand-in: folders, with the hashes and the listings that the hub gives."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

LARGE = (".safetensors", ".bin", ".pt", ".ckpt", ".model", "tokenizer.json")
"""Ends of names of files that the published repositories keep in Git LFS, whatever their size."""
POINTER_BYTES = 134
DATE = "2023-10-09T11:33:20.000Z"


@dataclass(frozen=True)
class File:
    """A file of a revision.

    Attributes:
        blob: sha1 of git's blob: of the content, or of the pointer that stands for it in Git LFS.
        sha256: of the content; None for a file that is kept in git itself.
    """

    path: Path
    size: int
    blob: str
    sha256: str | None

    @property
    def etag(self) -> str:
        """What the hub's cache names the file after."""
        return self.sha256 or self.blob

    def sibling(self, name: str) -> dict[str, Any]:
        """Its entry in what `?blobs` tells of a model."""
        entry: dict[str, Any] = {"rfilename": name, "size": self.size, "blobId": self.blob}
        if self.sha256:
            lfs = {"sha256": self.sha256, "size": self.size, "pointerSize": POINTER_BYTES}
            entry["lfs"] = lfs
        return entry

    def leaf(self, name: str) -> dict[str, Any]:
        """Its entry in a tree."""
        entry: dict[str, Any] = {
            "type": "file", "oid": self.blob, "size": self.size, "path": name,
        }  # fmt: skip
        if self.sha256:
            lfs = {"oid": self.sha256, "size": self.size, "pointerSize": POINTER_BYTES}
            entry["lfs"] = lfs
        return entry


@dataclass(frozen=True)
class Revision:
    """The files of a commit, by their names in the repository."""

    commit: str
    files: Mapping[str, File]

    def tree(self, below: str, *, recursive: bool) -> list[dict[str, Any]]:
        """Entries below a folder (`""`: all); empty where there is no such folder."""
        start = f"{below}/" if below else ""
        leaves, folders = [], set()
        for name, file in self.files.items():
            if not name.startswith(start):
                continue
            parts = name.removeprefix(start).split("/")
            folders |= {start + "/".join(parts[:end]) for end in range(1, len(parts))}
            if recursive or len(parts) == 1:
                leaves.append(file.leaf(name))
        shown = sorted(folder for folder in folders if recursive or "/" not in folder[len(start) :])
        branches = [
            {"type": "directory", "oid": _sha1(folder.encode()), "size": 0, "path": folder}
            for folder in shown
        ]
        return branches + leaves


class Repository:
    """A repository: its revisions by name and by commit, and whether it is gated."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.gated = False
        self._named: dict[str, Revision] = {}
        self._commits: dict[str, Revision] = {}
        self.revision("main", folder)

    @property
    def commit(self) -> str:
        """The commit that main is at."""
        return self._named["main"].commit

    @property
    def names(self) -> list[str]:
        """Names of its revisions."""
        return list(self._named)

    def revision(self, name: str, folder: Path) -> str:
        """Let a branch or `refs/pr/<number>` be at the files of `folder`. Returns the commit.

        Commits that it was at before stay to be had.
        """
        files = {
            str(path.relative_to(folder)): _file(path, path.stat().st_size, path.stat().st_mtime_ns)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        listing = "".join(f"{name}\0{file.blob}\n" for name, file in files.items())
        revision = Revision(_sha1(f"{self.name}\n{listing}".encode()), files)
        self._named[name] = self._commits[revision.commit] = revision
        return revision.commit

    def move_main(self, folder: Path) -> str:
        """A newer commit on main."""
        return self.revision("main", folder)

    def list_as(self, sizes: Mapping[str, int]) -> None:
        """List main's large files as published ones, which are for plans: none can be fetched.

        Args:
            sizes: pattern of a file's name -> its bytes.
        """
        main = self._named["main"]
        files = dict(main.files)
        for pattern, size in sizes.items():
            large = [n for n, file in files.items() if file.sha256 and fnmatch(n, pattern)]
            assert large, f"{self.name} has no {pattern}"
            files |= {name: replace(files[name], size=size) for name in large}
        self._named["main"] = self._commits[main.commit] = replace(main, files=files)

    def at(self, name: str) -> Revision | None:
        """The revision of a branch, of a pull request or of a commit; None: no such revision."""
        return self._named.get(name) or self._commits.get(name)

    def with_sha256(self, sha256: str) -> File | None:
        """The large file with this content."""
        every = (file for revision in self._commits.values() for file in revision.files.values())
        return next((file for file in every if file.sha256 == sha256), None)

    def described(self, revision: Revision, *, blobs: bool) -> dict[str, Any]:
        """What the hub tells of a model."""
        siblings = [
            file.sibling(name) if blobs else {"rfilename": name}
            for name, file in revision.files.items()
        ]
        return {
            "_id": _sha1(self.name.encode())[:24], "id": self.name, "modelId": self.name,
            "author": self.name.partition("/")[0], "sha": revision.commit, "lastModified": DATE,
            "createdAt": DATE, "private": False, "gated": "auto" if self.gated else False,
            "disabled": False, "downloads": 0, "likes": 0, "tags": [], "siblings": siblings,
        }  # fmt: skip

    def refs(self, *, pull_requests: bool) -> dict[str, Any]:
        """What the hub tells of the names of revisions."""
        entries = [
            {
                "name": name.removeprefix("refs/"),
                "ref": name if name.startswith("refs/") else f"refs/heads/{name}",
                "targetCommit": revision.commit,
            }
            for name, revision in self._named.items()
        ]
        pulled = [entry for entry in entries if entry["ref"].startswith("refs/pr/")]
        branches = [entry for entry in entries if entry not in pulled]
        told: dict[str, Any] = {"branches": branches, "tags": [], "converts": []}
        return told | ({"pullRequests": pulled} if pull_requests else {})


@cache
def _file(path: Path, size: int, changed: int) -> File:
    """The file; hashed once as long as its size and its time of change stay."""
    content = path.read_bytes()
    if not path.name.endswith(LARGE):
        return File(path, size, _blob(content), None)
    sha256 = hashlib.sha256(content).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
    return File(path, size, _blob(pointer.encode()), sha256)


def _blob(content: bytes) -> str:
    return _sha1(b"blob %d\0" % len(content) + content)


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()
