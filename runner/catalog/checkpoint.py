"""A published folder of weights: where it is, what it holds, and the class that runs it.

Nothing here imports diffusers: classes are named, and found later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

CLIP = "clip"
"""The pipeline of what measures pictures: no class of diffusers, but the runner's own."""


class Layout(Enum):
    """How a checkpoint's folder is laid out."""

    diffusers = "diffusers"
    transformers = "transformers"


@dataclass(frozen=True)
class Checkpoint:
    """One folder of weights and the pipeline that runs it.

    Attributes:
        repo: the published repository on the hub.
        folder: its name within the small family and within a `weights=<folder>`.
        pipeline: the diffusers class that the runner calls; a task's name for transformers.
        accepts: what model_index.json (or config.json) may name as its class.
        modules: the subfolders that hold weights, which must be there.
        denoiser: the one of them that is called at each step and tells the model's size.
        autoencoder: the one of them that decodes latents, of a role that draws; with the denoiser
            it tells the size of the pictures that the weights were trained at.
        embedding: the module and the key of its config.json that say how wide the image embedding
            is that passes from prior to decoder; None where none passes.
        without: components that this role does not use, and that are not loaded.
        scheduler_folders: schedulers that the checkpoint brings a config of its own for.
    """

    repo: str
    pipeline: str
    accepts: tuple[str, ...]
    modules: tuple[str, ...]
    denoiser: str
    autoencoder: str | None = None
    embedding: tuple[str, str] | None = None
    without: tuple[str, ...] = ()
    scheduler_folders: Mapping[str, str] = field(default_factory=dict)
    layout: Layout = Layout.diffusers

    @property
    def folder(self) -> str:
        """Its repository's name without the owner."""
        return self.repo.rpartition("/")[2]


def clip_of(prior: Checkpoint) -> Checkpoint:
    """The text and image encoders of a prior, which measure pictures."""
    return replace(
        prior,
        pipeline=CLIP,
        modules=("text_encoder", "image_encoder"),
        denoiser="image_encoder",
        embedding=None,
        without=("prior", "scheduler"),
    )
