"""What is known of a checkpoint before it is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner.catalog.checkpoint import Checkpoint
from runner.catalog.memory import Footprint, footprint
from runner.config.choices import Precision, RandomSize, WeightsSource
from runner.weights.files import find_weight_files
from runner.weights.folder import CheckedFolder
from runner.weights.hub import RemoteFile

DENOISING = ("prior", "decoder")
"""Roles whose `Checkpoint.denoiser` is called at each step."""


@dataclass(frozen=True)
class Making:
    """A folder that is made of a repository's files (`Checkpoint.original`), once they are there.

    Attributes:
        bytes: that it takes at most.
    """

    source: Path
    target: Path
    bytes: int


@dataclass(frozen=True)
class FoundLora:
    """A LoRA's file, checked by its header.

    Attributes:
        key: the config key that names it, for messages.
        path: the file.
        weight: what its part is multiplied by.
        ranks: of its layers, each once, in order.
        layers: how many layers of the model it changes.
        numbers: of all its tensors.
        module: the name that stands before those of its tensors; "": none.
        alpha: that of its layers where no tensor tells; None: the rank of each.
        alphas: ends of layers' names -> their alpha, where it is another one.
        packaged: its name in the small family; None: it is not of it.
        repository: of the hub, that it is of; None: of none. While it is not on this disk, `path`
            is only for display, and of the file no more is known than the hub lists.
    """

    key: str
    path: Path
    sha256: str
    weight: float
    ranks: tuple[int, ...]
    layers: int
    numbers: int
    module: str = ""
    alpha: float | None = None
    alphas: tuple[tuple[str, float], ...] = ()
    packaged: str | None = None
    repository: FoundCheckpoint | None = field(default=None, compare=False)

    @property
    def is_here(self) -> bool:
        """Whether its file is on this disk."""
        return self.repository is None or self.repository.checked is not None

    @property
    def rank(self) -> str:
        """For display: "4", or "4 to 16"."""
        if not self.ranks:
            return "not known"
        least, most = self.ranks[0], self.ranks[-1]
        return str(least) if least == most else f"{least} to {most}"


@dataclass(frozen=True)
class FoundCheckpoint:
    """A checkpoint, and the facts known of it before it is loaded.

    Attributes:
        key: the config key that names it, for messages.
        repo: the configured repository or the catalog's; only for logs if the source is no hub.
        wanted: the branch, tag or commit that is asked for; None for local folders.
        revision: the commit on the hub, or `wanted` where that is not known; None for folders.
        checked: None while a hub checkpoint is not whole on this disk.
        missing: files that are to be fetched; None: the hub must be asked which.
        damaged: those of `missing` that are there, with other bytes than the hub lists.
        problem: why what is on this disk is not enough, where anything is.
        listed: whether it is known which files the repository has; else `checked` only has what
            such a checkpoint must have.
        making: what is to be done with the files before they can be used.
        random: the size of random weights, which are made; None: weights of files.
        loras: those that are added to its denoiser, in this order.
    """

    role: str
    checkpoint: Checkpoint
    key: str
    source: WeightsSource
    repo: str
    wanted: str | None
    revision: str | None
    checked: CheckedFolder | None
    missing: tuple[RemoteFile, ...] | None = ()
    damaged: tuple[RemoteFile, ...] = ()
    problem: str | None = None
    listed: bool = True
    making: Making | None = None
    random: RandomSize | None = None
    loras: tuple[FoundLora, ...] = ()

    @property
    def identity(self) -> str:
        """The text that represents the weights in a node's key."""
        if self.checked is not None:
            return self.checked.fingerprint
        kind = f" as {self.checkpoint.folder}" if self.checkpoint.original is not None else ""
        return f"{self.repo}@{self.revision}{kind}, not on disk"

    @property
    def denoises(self) -> bool:
        """Whether it has a module that is called at each step."""
        return self.role in DENOISING

    @property
    def variant(self) -> str | None:
        """The variants of the files; None: they have none, or are not known yet."""
        if self.checked is not None:
            return self.checked.variant
        names = {file.name for file in self.missing or ()}
        chosen = (one for m in self.checkpoint.modules for one in find_weight_files(names, m))
        return ", ".join(sorted({one.variant for one in chosen if one.variant})) or None

    @property
    def missing_bytes(self) -> int:
        """Bytes that are to be fetched, as far as it is known."""
        return sum(file.bytes for file in self.missing or ())

    @property
    def parameters(self) -> int:
        """Number of parameters of the module that is called at each step; 0 if not known."""
        return self.checked.parameters[self.checkpoint.denoiser] if self.checked else 0

    def footprint(
        self, precision: Precision, pixels: int, quantized: Mapping[str, str] | None = None
    ) -> Footprint:
        """What its pipeline takes of a device's memory.

        Args:
            pixels: of all images of one call.
            quantized: module -> the method that quantises it; None: none is.
        """
        assert self.checked is not None
        sizes = dict(self.checked.sizes)
        if self.loras:
            own, added = sizes[self.checkpoint.denoiser], sum(one.numbers for one in self.loras)
            sizes[self.checkpoint.denoiser] = replace(own, numbers=own.numbers + added)
        return footprint(
            sizes,
            precision.bytes,
            keeps=precision.value in self.checkpoint.keeps_float32_at,
            pixels=pixels,
            denoiser=self.checkpoint.denoiser,
            autoencoder=self.checkpoint.autoencoder,
            channels=self.checked.channels,
            held=self.checkpoint.held,
            by_layer=self.checkpoint.of_diffusers,
            quantized=quantized or {},
        )


def fetched_of(checkpoints: Iterable[FoundCheckpoint]) -> list[FoundCheckpoint]:
    """Each of them once, and the repositories of their LoRAs: all that may have to be fetched."""
    given = list(checkpoints)
    repositories = (lora.repository for found in given for lora in found.loras)
    loras = {(one.identity, one.missing): one for one in repositories if one is not None}
    return [*loras.values(), *distinct(given)]


def distinct(checkpoints: Iterable[FoundCheckpoint]) -> list[FoundCheckpoint]:
    """Each checkpoint once. The roles of one repository are several, with files of their own."""
    return list({(one.identity, one.checkpoint.without): one for one in checkpoints}.values())
