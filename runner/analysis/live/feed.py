"""Reads a sweep's folder again and again, for a page that fills while the sweep runs."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from runner.analysis.comparison.pairing import PICTURE_AXES
from runner.analysis.reading import read_results
from runner.analysis.report.gather import facts_of, inputs_of, read_findings
from runner.analysis.results import SweepResult
from runner.analysis.votes.record import VOTES
from runner.recording.manifest import MANIFEST, Manifest
from runner.recording.sweep_record import is_running
from runner.system.untrusted import UntrustedError, path_below, read_regular

THUMBS, IMAGES = "thumbs/", "images/"


@dataclass(frozen=True)
class News:
    """The data of the page at one time.

    Attributes:
        version: changes when anything in the folder does.
        data: for the page's script.
        result: what was read.
    """

    version: str
    data: dict[str, Any]
    result: SweepResult


class Feed:
    """The news of a folder of a sweep or a run. Threads may share one.

    Manifests are read again only where their file has changed: a sweep that runs writes those of a
    few cells, and the machine has better things to do than to read the others.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._manifests: dict[Path, tuple[tuple[int, int], Manifest]] = {}
        self._pictures: dict[str, Path] = {}
        self._news: News | None = None
        self._seen: object = None

    def news(self) -> News:
        """What there is now.

        Raises:
            ConfigError: the folder holds neither a sweep nor a run, or cannot be read.
        """
        with self._lock:
            seen = self._state()
            if self._news is None or seen != self._seen:
                self._news, self._seen = self._read(), seen
            return self._news

    def picture(self, name: str) -> Path | None:
        """The file of a picture that news has named: a page may still ask for what is in them no
        more, as a cell began anew.
        """
        return self._pictures.get(name)

    def _read(self) -> News:
        result = read_results(self.folder, self._manifest)
        facts = facts_of(result, *read_findings(self.folder))
        urls = []
        for file, pixels in _pictures(result):
            name = file.relative_to(self.folder).as_posix()
            self._pictures[name] = file
            urls.append([f"{kind}{quote(name)}?{pixels[:16]}" for kind in (THUMBS, IMAGES)])
        data = {**asdict(facts), "pictures": urls}
        said = json.dumps(data, sort_keys=True).encode()
        version = hashlib.sha256(said).hexdigest()[:16]
        swept = (axis for axis, values in result.axes.items() if len(values) > 1)
        # People choose between settings: prompts and seeds, which tell pictures apart, come last.
        voted = sorted(swept, key=lambda axis: axis in PICTURE_AXES)
        data["live"] = {"version": version, "vote": voted}
        return News(version, data, result)

    def _state(self) -> object:
        """What changes when the folder's records do."""
        found: list[object] = [is_running(self.folder)]
        for file in (self.folder, *self._records()):
            try:
                status = file.stat()
            except OSError:
                continue
            found.append((file, status.st_mtime_ns, status.st_size))
        return found

    def _records(self) -> Iterator[Path]:
        yield from self.folder.glob("*.json")
        yield from self.folder.glob(f"*/{MANIFEST}")
        yield from self.folder.glob("comparison*/*.json")
        yield from self.folder.glob(VOTES)

    def _manifest(self, file: Path) -> Manifest:
        status = file.stat()
        seen = status.st_mtime_ns, status.st_size
        if file not in self._manifests or self._manifests[file][0] != seen:
            self._manifests[file] = seen, Manifest.read_file(file)
        return self._manifests[file][1]


def _pictures(result: SweepResult) -> Iterator[tuple[Path, str]]:
    """The images, then the input pictures, and what tells their pixels from others."""
    for image in result.images():
        yield image.file, image.record.sha256
    hashes = {
        image.inputs[name].name: pixels
        for image in result.images()
        for name, pixels in image.record.inputs_sha256.items()
        if name in image.inputs
    }
    for name, file in inputs_of(result).items():
        yield file, hashes.get(name, "")


def read_picture(folder: Path, file: Path) -> bytes | None:
    """The bytes of a picture in a folder that may have come from somebody else."""
    try:
        return read_regular(path_below(folder, file.relative_to(folder).as_posix()))
    except (OSError, UntrustedError):
        return None
