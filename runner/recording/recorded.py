"""What is read of a recorded config and environment, and its types: records come from anyone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.system.typed_json import read_as
from runner.system.untrusted import Finite


@dataclass(frozen=True)
class RecordedName:
    """A group of the config that is named."""

    name: str = ""


@dataclass(frozen=True)
class RecordedModel:
    """The group `model`."""

    version: str = ""


@dataclass(frozen=True)
class RecordedTracking:
    """The group `tracking`."""

    tracker: str = ""
    uri: str | None = None
    experiment: str | None = None


@dataclass(frozen=True)
class RecordedItem:
    """An item of `interpolate.items`."""

    text: str | None = None
    image: str | None = None
    weight: Finite | None = None


@dataclass(frozen=True)
class RecordedItems:
    """The section `interpolate`."""

    items: Sequence[RecordedItem] = ()


@dataclass(frozen=True)
class RecordedConfig:
    """Keys of a recorded config that are read again; records of earlier versions may lack some."""

    model: RecordedModel = field(default_factory=RecordedModel)
    task: RecordedName = field(default_factory=RecordedName)
    tracking: RecordedTracking = field(default_factory=RecordedTracking)
    interpolate: RecordedItems = field(default_factory=RecordedItems)
    prompt_file: str | None = None
    bench: bool = False


@dataclass(frozen=True)
class RecordedWeights:
    """A checkpoint of a recorded environment."""

    sha256: str | None = None


@dataclass(frozen=True)
class RecordedPicture:
    """An input picture of a recorded environment."""

    path: str
    sha256: str


@dataclass(frozen=True)
class RecordedLora(RecordedPicture):
    """The file of a LoRA; and the repository of the hub and its commit, where it is of one."""

    repo: str | None = None
    revision: str | None = None


@dataclass(frozen=True)
class RecordedEnvironment:
    """Entries of a recorded environment that are read again."""

    libraries: Mapping[str, str | None] = field(default_factory=dict)
    weights: Mapping[str, RecordedWeights] = field(default_factory=dict)
    pictures: Mapping[str, RecordedPicture] = field(default_factory=dict)
    loras: Mapping[str, RecordedLora] = field(default_factory=dict)


def read_config(config: Mapping[str, Any], file: Path | None = None) -> RecordedConfig:
    """The keys of a recorded config that are read again. Raises FieldError."""
    return read_as(RecordedConfig, config, file, place="config")


def read_environment(
    environment: Mapping[str, Any], file: Path | None = None
) -> RecordedEnvironment:
    """The entries of a recorded environment that are read again. Raises FieldError."""
    return read_as(RecordedEnvironment, environment, file, place="environment")


def check_recorded(config: Mapping[str, Any], environment: Mapping[str, Any], file: Path) -> None:
    """Check the types of what is read again. Raises FieldError."""
    read_config(config, file)
    read_environment(environment, file)
