"""Finds the pictures that a recorded run started from: where they were, or kept beside the record.

A run keeps its input pictures in `inputs/` as the model saw them. Read again, at the size that they
have there, they give the model the same pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.errors import ConfigError
from runner.images.png import DamagedPictureError, pixel_sha256, read_png
from runner.planning.pictures import is_address
from runner.recording.recorded import RecordedPicture, read_environment
from runner.runs.find import RunRecord
from runner.system.hashes import file_sha256


@dataclass(frozen=True)
class Source:
    """A picture that the config names.

    Attributes:
        key: of the config: "inputs.image", "interpolate.items[1].image".
        named: its path or address there.
        kept_as: its name among the record's input pictures.
        recorded: None in records of earlier versions.
    """

    key: str
    named: str
    kept_as: str
    recorded: RecordedPicture | None

    def find(self) -> tuple[str | None, str]:
        """The file with the recorded bytes, where the config or the record says (an address whose
        bytes are not recorded: that); else None, and what is wrong, as the end of a sentence.
        """
        if self.recorded is None:
            known = is_address(self.named) or Path(self.named).expanduser().is_file()
            return (self.named, "") if known else (None, "is not here")
        problem = "is not here"
        for path in (self.named, self.recorded.path):
            if is_address(path) or not (file := Path(path).expanduser()).is_file():
                continue
            try:
                if file_sha256(file) == self.recorded.sha256:
                    return path, ""
            except OSError as error:
                problem = f"cannot be read ({error.strerror})"
                continue
            problem = "has changed since"
        return None, problem


def with_sources(
    record: RunRecord, config: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The config with pictures that are there in place of those that are gone or have changed.

    Returns:
        the config; and which kept pictures it names instead, and why, each as a line of text.

    Raises:
        ConfigError: a picture is gone or has changed, and none is kept, or what is kept is not
            what the run had.
    """
    sources = list(_sources(record, config))
    found = {source.key: source.find() for source in sources}
    if all(file is not None for file, _ in found.values()):
        return _moved(config, {key: file for key, (file, _) in found.items() if file}), ()
    kept = {source.key: _kept(record, source.kept_as) for source in sources}
    if any(file is None for file in kept.values()):
        lost = next(s for s in sources if found[s.key][0] is None)
        if is_address(lost.named):
            return dict(config), ()  # it is asked for
        problem = f"{found[lost.key][1]}, and no copy of it is kept beside the record"
        raise ConfigError(
            lost.key, lost.named, problem,
            "the picture where it was, or the run's folder with its inputs/",
        )  # fmt: skip
    changed = _moved(config, {key: str(file) for key, file in kept.items()})
    changed = _with_kept_mask(record, changed)
    # The size may have been that of the original picture.
    changed |= {"height": record.images[0].height, "width": record.images[0].width}
    return changed, tuple(
        f"{source.key}: {source.named} {found[source.key][1]}; {kept[source.key]} is taken"
        for source in sources
        if found[source.key][0] is None
    )


def _sources(record: RunRecord, config: Mapping[str, Any]) -> Iterator[Source]:
    recorded = read_environment(record.environment).pictures
    inputs = config.get("inputs") or {}
    for name in ("image", "mask", "hint"):
        if inputs.get(name) is not None:
            key = f"inputs.{name}"
            yield Source(key, str(inputs[name]), name, recorded.get(key))
    names: dict[str, str] = {}
    items = (config.get("interpolate") or {}).get("items") or ()
    for number, item in enumerate(items):
        if item.get("image") is not None:
            key = f"interpolate.items[{number}].image"
            own = recorded.get(key)
            # Named as by `Node.ancestors`: the same picture twice is one node.
            same = own.sha256 if own is not None else str(item["image"])
            count = len(names) + 1
            name = names.setdefault(same, f"image.{count}" if count > 1 else "image")
            yield Source(key, str(item["image"]), name, own)


def _kept(record: RunRecord, name: str) -> Path | None:
    """The input picture that the record names. Raises ConfigError: it is another one."""
    for image in record.images:
        file = record.kept(image, name)
        if file is None:
            continue
        try:
            pixels = pixel_sha256(read_png(file))
        except DamagedPictureError as error:
            raise ConfigError("run", record.source, f"its picture {file} {error}") from error
        if image.inputs_sha256.get(name, pixels) != pixels:
            problem = f"its picture {file} has changed since the run"
            raise ConfigError("run", record.source, problem)
        return file
    return None


def _with_kept_mask(record: RunRecord, config: dict[str, Any]) -> dict[str, Any]:
    """A box counts from the original picture's corner: the mask that it became is taken."""
    inputs = config.get("inputs") or {}
    if inputs.get("mask") is None and inputs.get("mask_box") is None:
        return config
    mask = _kept(record, "mask")
    if mask is None:
        raise ConfigError("run", record.source, "has not kept its mask in inputs/")
    own = {**inputs, "mask": str(mask), "mask_box": None, "mask_invert": False}
    return {**config, "inputs": own}


def _moved(config: Mapping[str, Any], files: Mapping[str, str]) -> dict[str, Any]:
    """The config with these files, by key."""
    changed = deepcopy(dict(config))
    for key, file in files.items():
        if key.startswith("inputs."):
            changed["inputs"][key.removeprefix("inputs.")] = file
        else:
            number = int(key[len("interpolate.items[") :].partition("]")[0])
            changed["interpolate"]["items"][number]["image"] = file
    return changed
