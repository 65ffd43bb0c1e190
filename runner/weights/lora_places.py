"""Where the file of a LoRA is: in the small family, on this disk, or in a repository of the hub."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from runner.catalog.checkpoint import Checkpoint
from runner.config.choices import WeightsSource
from runner.config.run_config import Lora
from runner.errors import WeightsError
from runner.weights.files import SAFETENSORS, WeightFiles
from runner.weights.find import LORAS, MINI_DIR
from runner.weights.folder import CheckedFolder
from runner.weights.found import FoundCheckpoint
from runner.weights.hashes import DamagedBlobError, FileHashes
from runner.weights.hub import CachedRepo
from runner.weights.hub_find import with_missing

ROLE = "lora"
"""Of a repository that holds one, among all that is fetched."""
MINI = "mini:"
"""Before the name of a LoRA of the small family."""
MINI_LORAS = MINI_DIR / LORAS
REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*")
END = f".{SAFETENSORS}"
PICKLED = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
USUAL = "pytorch_lora_weights.safetensors"
"""The name that diffusers gives a LoRA's file: taken where there are several."""
ALLOWED = "a safetensors file with the LoRA of one model"


@dataclass(frozen=True)
class LoraPlace:
    """Where a LoRA's file is.

    Attributes:
        file: None: it is to be fetched from the hub first.
        repository: of the hub, that it is of; None: of none.
        packaged: its name in the small family; None: it is not of it.
    """

    file: Path | None
    repository: FoundCheckpoint | None = None
    packaged: str | None = None


def find_place(lora: Lora, key: str, hashes: FileHashes, *, may_download: bool) -> LoraPlace:
    """Find the file of a LoRA; nothing is fetched. What is on this disk is taken before the hub.

    Args:
        key: the config key of its path.
        may_download: what is not on this disk may be fetched later; else it is an error.

    Raises:
        WeightsError: there is none, there are several, or it is pickled.
    """
    if lora.path.startswith(MINI):
        _refuse_revision(lora, key)
        name = lora.path.removeprefix(MINI)
        return LoraPlace(_packaged(name, lora, key), packaged=name)
    try:
        path = Path(lora.path).expanduser().absolute()
        is_there = path.exists()
        if not is_there and _names_repository(lora.path):
            return _on_hub(lora, key, hashes, may_download=may_download)
        _refuse_revision(lora, key)
        return LoraPlace(_local(path, lora, key))
    except (OSError, ValueError, RuntimeError) as error:
        # ValueError: a zero byte in the path; RuntimeError: "~name" of an unknown user.
        problem = getattr(error, "strerror", None) or str(error)
        raise WeightsError(key, lora.path, f"cannot be read: {problem}", ALLOWED) from error


def packaged_file(name: str) -> Path | None:
    """The file of a LoRA of the small family, in this machine's own package; None: it has none."""
    return next((file for file in _packaged_files() if file.stem == name), None)


def _packaged_files() -> list[Path]:
    return sorted(MINI_LORAS.glob(f"*{END}"))


def _packaged(name: str, lora: Lora, key: str) -> Path:
    found = packaged_file(name)
    if found is None:
        has = tuple(f"{MINI}{file.stem}" for file in _packaged_files())
        raise WeightsError(key, lora.path, "is no LoRA of the small family", has)
    if lora.file is not None:
        problem = f"names a file, and {lora.path} is one"
        raise WeightsError(_beside(key, "file"), lora.file, problem, "null")
    return found


def _names_repository(path: str) -> bool:
    return REPOSITORY.fullmatch(path) is not None and not path.endswith((END, *PICKLED))


def _refuse_revision(lora: Lora, key: str) -> None:
    if lora.revision is not None:
        problem = f"is of a repository of the hub, and {lora.path} is none"
        raise WeightsError(_beside(key, "revision"), lora.revision, problem, "null")


def _local(path: Path, lora: Lora, key: str) -> Path:
    if path.is_dir():
        names = sorted(file.relative_to(path).as_posix() for file in path.iterdir())
        if lora.file is not None and (path / lora.file).is_file():
            names.append(lora.file)
        return path / _choose(names, lora, key, str(path))
    if lora.file is not None:
        problem = f"names a file of a folder or repository, and {lora.path} is none"
        raise WeightsError(_beside(key, "file"), lora.file, problem, "null")
    if not path.is_file():
        what = "is no regular file" if path.exists() else "no such file"
        allowed = f"{ALLOWED}, a folder that holds it, or owner/name of the hub"
        raise WeightsError(key, lora.path, what, allowed)
    _refuse_pickle(str(path), key, path)
    return path


def _on_hub(lora: Lora, key: str, hashes: FileHashes, *, may_download: bool) -> LoraPlace:
    repo, wanted = lora.path, lora.revision or "main"
    cached = CachedRepo(repo)
    commit = cached.commit_of(wanted)
    row = Checkpoint(repo=repo, pipeline="", modules=(), denoiser="")
    found = FoundCheckpoint(
        ROLE, row, key, WeightsSource.hub, repo, wanted, commit or wanted, None, None
    )
    file = None
    if commit is not None:
        found, file = _in_cache(found, commit, lora, hashes)
    if file is None and not may_download:
        raise WeightsError(
            key, repo, found.problem or "is no file or folder here, and not in the hub's cache",
            f"{ALLOWED}; `hf download {repo}` before; or weights=hub, which may download",
        )  # fmt: skip
    # Where the hub is not asked, what is here is all that there is to know.
    return LoraPlace(file, found if may_download else replace(found, listed=True))


def _in_cache(
    found: FoundCheckpoint, commit: str, lora: Lora, hashes: FileHashes
) -> tuple[FoundCheckpoint, Path | None]:
    """What of a commit is in the cache; and the file, where it is whole."""
    cached = CachedRepo(found.repo)
    snapshot, listing = cached.snapshot(commit), cached.listing(commit)
    where = f"{found.repo}@{commit}"
    if listing is not None:
        plain = [one for one in listing if ".." not in (path := PurePosixPath(one)).parts
                 and not path.is_absolute()]  # fmt: skip
        name = _choose(plain, lora, found.key, where)
        lacking = with_missing(found, [listing[name]], hashes)
        if lacking.missing:
            return lacking, None
    else:
        # Another program's download: of that file, or of others.
        names = [one.relative_to(snapshot).as_posix() for one in snapshot.rglob("*")]
        if lora.file not in (None, *names) or not any(one.endswith(END) for one in names):
            wanted = lora.file or "a safetensors file"
            return replace(found, problem=f"{wanted} of it is not on this disk"), None
        if lora.file is None and USUAL not in names:
            own = _beside(found.key, "file")
            problem = f"which of its files is the LoRA is not known; name it: {own}"
            return replace(found, problem=problem), None
        name = _choose(names, lora, found.key, where)
    file = snapshot / name
    try:
        sha256 = hashes.sha256(file)
    except DamagedBlobError as error:
        return replace(found, problem=f"{error.path} has other bytes than its name says"), None
    checked = CheckedFolder(
        path=snapshot,
        files={name: file},
        weights={name: WeightFiles(name, "", None, SAFETENSORS, (name,), None)},
        converted={},
        fingerprint=sha256,
        sizes={},
        bytes=file.stat().st_size,
        native_size=None,
        embedding_size=None,
        channels=0,
        schedulers={},
    )
    return replace(found, checked=checked, missing=(), listed=listing is not None), file


def _choose(names: Collection[str], lora: Lora, key: str, where: str) -> str:
    """The name of the LoRA's file, among those of a folder or a repository.

    Raises:
        WeightsError: there is none, there are several, or it is pickled.
    """
    safe = sorted(name for name in names if name.endswith(END))
    if lora.file is not None:
        own = _beside(key, "file")
        if lora.file not in names:
            raise WeightsError(own, lora.file, f"{where} has no such file", _shown(safe))
        _refuse_pickle(where, own, lora.file)
        return lora.file
    above = [name for name in safe if "/" not in name]
    if len(above) == 1:
        return above[0]
    if USUAL in above:
        return USUAL
    if safe:
        problem = f"holds {len(safe)} safetensors files" if above else "holds some in folders"
        raise WeightsError(key, where, problem, f"{_beside(key, 'file')}: {_shown(safe)}")
    pickled = next((name for name in sorted(names) if name.endswith(PICKLED)), None)
    if pickled is not None:
        _refuse_pickle(where, key, pickled)
    raise WeightsError(key, where, "holds no safetensors file", ALLOWED)


def _refuse_pickle(where: str, key: str, name: str | Path) -> None:
    if not str(name).endswith(PICKLED):
        return
    what = name if isinstance(name, Path) else f"{where}/{name}"
    raise WeightsError(
        key, what, "is pickled, and a LoRA is read from safetensors alone: a pickle can run code "
        "when it is read", "the same LoRA as safetensors",
    )  # fmt: skip


def _shown(names: Collection[str]) -> str:
    return ", ".join(list(names)[:5]) or "a repository or folder with a safetensors file"


def _beside(key: str, name: str) -> str:
    """Another key of the same entry: "lora[0].path" -> "lora[0].file"."""
    return f"{key.rpartition('.')[0]}.{name}"
