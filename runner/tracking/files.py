"""Puts the files that records name among the artifacts of MLflow runs."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from runner.errors import TrackingError
from runner.images.png import DamagedPictureError
from runner.images.thumbnails import png_size, thumbnail_webp
from runner.tracking.artifacts import check_artifact
from runner.tracking.pictures import IMAGES, KEY, chart_files
from runner.tracking.spool import SPOOLS, file_of_record

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

MISSING = "runner.missing_file"
"""Tag that names a file which was not there any more."""


class ArtifactFiles:
    """The artifacts of runs.

    Where they lie in a folder, files of runs are there as hard links: no picture takes space
    twice. Nothing changes a written file, so what holds for one name holds for the other.

    Args:
        output_dir: files are delivered from this folder alone.
        own_artifacts: where all artifacts must lie; None: the server, or a store of the user's,
            decides.
    """

    def __init__(self, client: MlflowClient, output_dir: Path, own_artifacts: Path | None) -> None:
        self._client = client
        self._output_dir = output_dir
        self._own_artifacts = own_artifacts
        self._locations: dict[str, str] = {}

    def put(self, run: str, record: Mapping[str, Any]) -> None:
        """Put the file of a record of the kind "file", "table" or "picture" into a run.

        Raises:
            TrackingError: it would lie outside of the output folder, or its key is none.
        """
        path = file_of_record(self._output_dir, record["path"])
        if path is None or not path.is_file():
            # Deleted by the user meanwhile: later records are delivered all the same.
            self._client.set_tag(run, MISSING, Path(record["path"]).name)
        elif record["kind"] == "picture":
            self._put_picture(run, path, record["key"], int(record["time_ms"]))
        else:
            self._put(run, path, record.get("folder"), path.name)

    def _put_picture(self, run: str, path: Path, key: str, time_ms: int) -> None:
        if not KEY.fullmatch(key):
            raise TrackingError(f"{key!r:.100} is no key of a picture")
        thumbnail = None
        try:
            files = chart_files(key, time_ms, *png_size(path))
            thumbnail = thumbnail_webp(path) if files.is_thumbnail else None
        except DamagedPictureError:  # as it is: it is what the run has
            files = chart_files(key, time_ms, 1, 1)
        self._drop_plain(run, path.name)
        self._put(run, path, IMAGES, files.full)
        if thumbnail is None:
            self._put(run, path, IMAGES, files.small)
            return
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder, files.small)
            made.write_bytes(thumbnail)
            self._put(run, made, IMAGES, files.small, link=False)

    def _drop_plain(self, run: str, name: str) -> None:
        """Remove a picture that was logged as a file before: MLflow's pages show no picture of a
        run that has both kinds.
        """
        parts = urlsplit(self._location(run))
        if parts.scheme == "file" and not parts.netloc:
            if self._own_artifacts is not None:
                check_artifact(self._location(run), self._own_artifacts, f"{IMAGES}/{name}")
            Path(unquote(parts.path), IMAGES, name).unlink(missing_ok=True)

    def _location(self, run: str) -> str:
        if run not in self._locations:
            self._locations[run] = self._client.get_run(run).info.artifact_uri
        return self._locations[run]

    def _put(
        self, run: str, path: Path, folder: str | None, name: str, *, link: bool = True
    ) -> None:
        location = self._location(run)
        if self._own_artifacts is not None:
            check_artifact(location, self._own_artifacts, f"{folder or '.'}/{name}")
        parts = urlsplit(location)
        if parts.scheme == "file" and not parts.netloc:
            # Spools write some of their files anew, and are private.
            link = link and SPOOLS not in path.parts
            _place(path, Path(unquote(parts.path), folder or "", name), link)
        elif name == path.name:
            self._client.log_artifact(run, str(path), folder)
        else:
            with tempfile.TemporaryDirectory() as temporary:
                named = Path(temporary, name)
                named.symlink_to(path.absolute())
                self._client.log_artifact(run, str(named), folder)


def _place(source: Path, target: Path, link: bool) -> None:
    """Make `target` the file that `source` is: a hard link where there can be one, else a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{secrets.token_hex(16)}.part")
    try:
        linked = False
        if link:
            with contextlib.suppress(OSError):  # another file system, or one without links
                os.link(os.path.realpath(source), fresh)
                linked = True
        if not linked:
            shutil.copyfile(source, fresh)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)  # is left where both were the same file already
