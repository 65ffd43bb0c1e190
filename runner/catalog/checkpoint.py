"""Checkpoint: a published folder of weights, what it holds, and the class that runs it.

Nothing here imports diffusers: classes are named here and imported later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from runner.catalog.memory import UNET_AND_MOVQ, Held

CLIP = "clip"
"""The pipeline name of the CLIP for metrics: the runner's own class, none of diffusers."""


class Layout(Enum):
    """How a checkpoint's folder is laid out."""

    diffusers = "diffusers"
    transformers = "transformers"


@dataclass(frozen=True)
class Trait:
    """A tensor that a module's weights must have: what they are, whatever their files claim.

    Attributes:
        module: the subfolder of the weights.
        tensor: its name.
        axis, size: the length that it must have along an axis; None: any shape.
        meaning: what that length says, for messages; also the key of the module's config.json
            that must say the same.
        said: what the config.json says where the weights are so; None: the length.
    """

    module: str
    tensor: str
    axis: int | None = None
    size: int | None = None
    meaning: str = ""
    said: bool | None = None

    @property
    def in_config(self) -> int | None:
        """The value that the module's config.json must have."""
        return self.size if self.said is None else self.said


@dataclass(frozen=True)
class Tokens:
    """How much of a text an encoder reads.

    Attributes:
        most: tokens, with those that mark the ends; None: as its tokenizer_config.json says.
        folder: the tokenizer's folder.
        reader: the encoder in words, where the checkpoint has several.
        ends: how many of them mark the ends; None: as many as its tokenizer adds.
        cleaned: whether diffusers cleans a text before it.
    """

    most: int | None = None
    folder: str = "tokenizer"
    reader: str | None = None
    ends: int | None = None
    cleaned: bool = False


@dataclass(frozen=True)
class Original:
    """A repository in the layout of a model's own code, of which the runner makes a folder.

    Attributes:
        converter: the module that makes it: `python -m CONVERTER SOURCE TARGET`, the folder of the
            repository's files and the new one. What is wrong is told on stdout, with the exit
            status of its error. While it writes it holds `.lock` beside the new folder, and what
            is not whole is there in `.*.part`.
        files: those that it cannot do without. In their folders it reads settings and
            tokenizers, too, where they are there.
    """

    converter: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Checkpoint:
    """One folder of weights and the pipeline that runs it.

    Attributes:
        repo: the published repository on the hub.
        folder: its folder's name in the small family and in a `weights=<folder>`.
        pipeline: the class that the runner calls; a task's name for transformers.
        library: the module in which that class is found.
        own_parts: components whose classes are the runner's own -> module and class: exactly
            these may be named by its index, beside those of diffusers and transformers.
        named: the folder's name, where it is not that of the repository.
        original: the layout of its repository, where it is another one than that of the folder.
        traits: what its weights must be. Class names are not compared: the published inpainting
            model of 2.1 names a text2img pipeline.
        architectures: what a transformers config.json may name; unused for diffusers.
        modules: the subfolders with weights, all of which must exist.
        denoiser: the module that is called at each step; its size counts as the model's.
        autoencoder: the module that decodes latents, of a role that draws; with the denoiser it
            gives the size of the pictures that the weights were trained at.
        embedding: module and key of its config.json that give the width of the image embedding
            that passes from prior to decoder; None where none passes.
        tokens: how much each of its encoders reads of a text; none: it reads no text.
        without: components that this role does not use, so that they are not loaded.
        keeps_float32: layers, by a part of their tensors' names, that the library keeps in
            float32 where the others are not.
        keeps_float32_at: the types of the others at which it does.
        quantizes: key of the section `quantize` -> the modules that it means here.
        typed: layers, by a part of their tensors' names, whose callers cast what they are given to
            the type of their weights, so that these cannot be quantised.
        scheduler_folders: schedulers for which the checkpoint has a config of its own.
        held: what its modules hold while they draw.
        repeated: classes of the denoiser's blocks that repeat, each of which can be compiled once
            (`_repeated_blocks` of diffusers' class).
    """

    repo: str
    pipeline: str
    modules: tuple[str, ...]
    denoiser: str
    traits: tuple[Trait, ...] = ()
    architectures: tuple[str, ...] = ()
    autoencoder: str | None = None
    embedding: tuple[str, str] | None = None
    tokens: tuple[Tokens, ...] = ()
    without: tuple[str, ...] = ()
    keeps_float32: tuple[str, ...] = ()
    keeps_float32_at: tuple[str, ...] = ("float16",)
    quantizes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    typed: tuple[str, ...] = ()
    scheduler_folders: Mapping[str, str] = field(default_factory=dict)
    held: Held = UNET_AND_MOVQ
    repeated: tuple[str, ...] = ()
    layout: Layout = Layout.diffusers
    library: str = "diffusers"
    own_parts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    named: str | None = None
    original: Original | None = None

    @property
    def of_diffusers(self) -> bool:
        """Whether a pipeline of diffusers runs it, and not one of the runner's own."""
        return self.layout is Layout.diffusers and self.pipeline != CLIP

    @property
    def unquantized(self) -> tuple[str, ...]:
        """Layers, by a part of their tensors' names, that no method of quantisation takes."""
        return (*self.keeps_float32, *self.typed)

    @property
    def folder(self) -> str:
        """Its folder's name: that of the repository without the owner, unless it has another."""
        return self.named or self.repo.rpartition("/")[2]


def in_channels(module: str, channels: int) -> Trait:
    """A UNet of so many input channels: 4 of latents, 5 of a masked picture, 4 of a hint."""
    return Trait(module, "conv_in.weight", 1, channels, "in_channels")


def clip_of(prior: Checkpoint) -> Checkpoint:
    """The CLIP for metrics: the text and image encoders of a prior."""
    return replace(
        prior,
        pipeline=CLIP,
        modules=("text_encoder", "image_encoder"),
        denoiser="image_encoder",
        embedding=None,
        traits=(),
        without=("prior", "scheduler"),
        quantizes={},
    )
