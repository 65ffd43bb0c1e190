"""Finds the files of judges, in folders and in the hub's cache, and checks them; no network."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

from runner.catalog.judges import Judge, Part
from runner.catalog.memory import ModuleSize
from runner.config.choices import WeightsSource
from runner.errors import WeightsError
from runner.weights.files import PICKLED, SAFETENSORS, WeightFiles
from runner.weights.folder import CheckedFolder
from runner.weights.found import FoundCheckpoint
from runner.weights.hashes import DamagedBlobError, FileHashes, fingerprint
from runner.weights.hub import CachedRepo
from runner.weights.hub_find import with_missing
from runner.weights.pickled import find_converted, read_pickled_header
from runner.weights.safetensors_header import DamagedFileError, Header, read_header
from runner.weights.settings import read_json

REPOSITORY = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>\S+))?")
WHERE = "a folder, or owner/name of the hub (owner/name@revision)"
BESIDE = ("tokenizer_config.json", "special_tokens_map.json")
"""Read beside a tokenizer where they are there."""


@dataclass(frozen=True)
class AskedJudge:
    """A judge, with where the config says that its parts are.

    Attributes:
        role: of its first part among a run's checkpoints; that of another one is
            "<role>_<argument>".
        key: of the arguments, for messages: "metrics.<name>.arguments".
        places: argument -> folder or repository; None: the published repository.
    """

    role: str
    judge: Judge
    key: str
    places: Mapping[str, str | None]

    def role_of(self, part: Part) -> str:
        """The role of a part."""
        is_first = part is self.judge.parts[0]
        return self.role if is_first else f"{self.role}_{part.argument}"


@dataclass(frozen=True)
class _Place:
    """Either a folder, or a repository with a branch, tag or commit."""

    folder: Path | None
    repo: str
    revision: str | None = None


def find_judge(
    asked: AskedJudge, hashes: FileHashes, *, may_download: bool
) -> dict[str, FoundCheckpoint]:
    """The parts of a judge, by role. The first one stands for all of them: its files are those of
    all parts, each in the folder that its row names.

    Args:
        may_download: what is not on this disk may be fetched later; else it is an error.

    Raises:
        WeightsError: a part is nowhere, damaged, or of another model.
    """
    first = _place(asked, asked.judge.parts[0], None)
    found = []
    for part in asked.judge.parts:
        place = _place(asked, part, first)
        one = _find(asked, part, place, hashes)
        if one.checked is None and not may_download:
            repo = f"{place.repo}@{place.revision}" if place.revision else place.repo
            raise WeightsError(
                one.key, repo, one.problem or "is no folder and not in the hub's cache",
                f"a folder; `hf download {place.repo}` before; or weights=hub, which may download",
            )  # fmt: skip
        found.append(one)
    return {found[0].role: _together(found), **{one.role: one for one in found[1:]}}


def _place(asked: AskedJudge, part: Part, first: _Place | None) -> _Place:
    key, told = f"{asked.key}.{part.argument}", asked.places.get(part.argument)
    if told is not None:
        folder = Path(told).expanduser()
        if folder.is_dir():
            return _Place(folder.absolute(), str(asked.judge.checkpoint(part).repo))
        named = REPOSITORY.fullmatch(told)
        if named is None:
            raise WeightsError(key, told, "is no folder, and no name of a repository", WHERE)
        return _Place(None, named["repo"], named["revision"])
    if first is not None:
        # A folder may hold all parts.
        holds_all = first.folder is not None and _choose(_names(first.folder), part) is not None
        if holds_all or part.repo is None:
            return first
    return _Place(None, str(part.repo))


def _find(asked: AskedJudge, part: Part, place: _Place, hashes: FileHashes) -> FoundCheckpoint:
    key, checkpoint = f"{asked.key}.{part.argument}", asked.judge.checkpoint(part)
    role = asked.role_of(part)
    if place.folder is not None:
        checked = _check(place.folder, _names(place.folder), part, key, hashes)
        source = WeightsSource.folder
        return FoundCheckpoint(role, checkpoint, key, source, place.repo, None, None, checked)
    wanted, cached = place.revision or "main", CachedRepo(place.repo)
    commit = cached.commit_of(wanted)
    found = FoundCheckpoint(
        role, checkpoint, key, WeightsSource.hub, place.repo, wanted, commit or wanted, None, None
    )
    if commit is None:
        return found
    snapshot, listing = cached.snapshot(commit), cached.listing(commit)
    names: Collection[str] = _names(snapshot) if listing is None else listing
    chosen = _choose(names, part)
    if listing is None and chosen is None:
        # Another program's download, of other files.
        return replace(found, problem=f"{_wanted(part)} of it is not on this disk")
    if listing is not None and chosen is not None:
        lacking = with_missing(found, [listing[name] for name in chosen], hashes)
        if lacking.missing:
            return lacking
    try:
        checked = _check(snapshot, names, part, key, hashes)
    except DamagedBlobError as error:
        return replace(found, problem=f"{error.path} has other bytes than its name says")
    return replace(found, checked=checked, missing=())


def _together(parts: Sequence[FoundCheckpoint]) -> FoundCheckpoint:
    """The first part, with the files of all."""
    first, checked = parts[0], [one.checked for one in parts]
    absent = next((one for one in parts if one.checked is None), None)
    if absent is not None:
        if absent is first:
            return first
        return replace(first, checked=None, problem=f"{absent.repo} is not on this disk")
    whole = [one for one in checked if one is not None]
    joined = replace(
        whole[0],
        files={name: file for one in whole for name, file in one.files.items()},
        weights={name: files for one in whole for name, files in one.weights.items()},
        converted={name: file for one in whole for name, file in one.converted.items()},
        fingerprint=fingerprint((str(n), one.fingerprint) for n, one in enumerate(whole)),
        sizes={name: size for one in reversed(whole) for name, size in one.sizes.items()},
        bytes=sum(one.bytes for one in whole),
    )
    return replace(first, checked=joined)


def _names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []


def _choose(names: Collection[str], part: Part) -> tuple[str, ...] | None:
    """Those of a folder's files that the part is read from; None: it lacks some."""
    weights = next((name for name in part.weights if name in names), None)
    settings = next((some for some in part.settings if set(some) <= set(names)), None)
    if (part.weights and weights is None) or (part.settings and settings is None):
        return None
    beside = [name for name in BESIDE if name in names and not part.weights]
    return tuple(sorted({*([weights] if weights else []), *(settings or ()), *beside}))


def _wanted(part: Part) -> str:
    """The files of a part, in words."""
    sets = [" with ".join(some) for some in part.settings]
    return ", and ".join(" or ".join(names) for names in (part.weights, sets) if names)


def _check(
    folder: Path, names: Collection[str], part: Part, key: str, hashes: FileHashes
) -> CheckedFolder:
    chosen = _choose(names, part)
    if chosen is None:
        raise WeightsError(key, folder, f"has not {_wanted(part)}", WHERE)
    for name in chosen:
        if not (folder / name).is_file():
            raise WeightsError(key, folder / name, "is no regular file", "a whole folder")
        if name.endswith("config.json"):
            told = read_json(folder / name, key)
            if absent := [one for one in part.says if one not in told]:
                raise WeightsError(key, folder / name, f"does not say {', '.join(absent)}", WHERE)
    inner = "" if part.folder == "." else f"{part.folder}/"
    sha256 = hashes.sha256_of({f"{inner}{name}": folder / name for name in chosen})
    weights, converted, header = {}, {}, None
    for name in (name for name in chosen if name in part.weights):
        is_safe = name.endswith(SAFETENSORS)
        header = _header(folder / name, part, key)
        kind, place = SAFETENSORS if is_safe else PICKLED, f"{inner}{name}"
        weights[part.folder] = WeightFiles(part.folder, "model", None, kind, (place,), None)
        if not is_safe:
            converted[part.folder] = find_converted([sha256[place]], hashes)
    return CheckedFolder(
        path=folder,
        files={f"{inner}{name}": folder / name for name in chosen},
        weights=weights,
        converted=converted,
        fingerprint=fingerprint(sha256.items()),
        sizes=dict(_sizes(part, header)),
        bytes=sum((folder / name).stat().st_size for name in chosen),
        native_size=None,
        embedding_size=None,
        channels=0,
        schedulers={},
    )


def _header(file: Path, part: Part, key: str) -> Header:
    """What a file of weights holds, without any code of it being run."""
    try:
        header = read_header(file) if file.suffix == ".safetensors" else read_pickled_header(file)
    except DamagedFileError as error:
        raise WeightsError(key, file, str(error), "a whole file: copy it again") from error
    except OSError as error:
        raise WeightsError(key, file, f"cannot be read: {error.strerror}") from error
    for name, dimensions in part.tensors.items():
        shape = header.shapes.get(name)
        if shape is None or len(shape) != dimensions:
            said = f"{name} has the shape {list(shape)}" if shape else f"has no {name}"
            raise WeightsError(key, file, f"is another model: {said}", f"one like {part.repo}")
    return header


def _sizes(part: Part, header: Header | None) -> Iterator[tuple[str, ModuleSize]]:
    """Of the part's own weights, and of "." for those who ask for a checkpoint's parameters."""
    numbers = [prod(shape) for shape in header.shapes.values()] if header is not None else []
    if part.folder != ".":
        yield ".", ModuleSize(0)
    if numbers:
        yield part.folder, ModuleSize(sum(numbers), 0, max(numbers))
