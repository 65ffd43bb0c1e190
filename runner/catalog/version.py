"""A Kandinsky generation: all that the runner has to know of it, as one row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from runner.catalog.checkpoint import Checkpoint

PRIOR, TEXT, DECODER = "prior", "text", "decoder"
"""The roles that a version's checkpoints may have: what embeds texts, and what draws."""


class Fault(Enum):
    """What diffusers' pipelines of a version do wrong; `stages/corrections.py` puts it right."""

    sizes_exchanged = "img2img: height and width are taken for each other"
    noise_of_its_own = "img2img: noise is added by hard-coded betas"
    mask_grown = "inpaint: more is repainted than the mask says"
    texts_filled_up = "of two texts in a batch, the shorter one is changed by the longer one"


@dataclass(frozen=True)
class UnfitOption:
    """A value of a scheduler's option that gives wrong pictures.

    Attributes:
        option: its key below `scheduler`.
        value: as the config names it.
        allowed: the other values.
    """

    option: str
    value: str | bool
    why: str
    allowed: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Version:
    """A version.

    Attributes:
        name: the config's option.
        title: how people write it, after "Kandinsky".
        tasks: for each task that it can do, the checkpoints by role ("depth", "prior", "text",
            "decoder"), in the order in which they are needed.
        clip: what measures its pictures where nothing else is asked for.
        native_size: pixels, where the weights themselves do not tell.
        size_multiple: diffusers silently rounds other sizes (downscale_height_and_width).
        max_size: pixels.
        max_steps: noise levels that it was trained on: no schedule has more steps.
        schedulers: names of those that give right results; None: all for noise levels.
        unfit_options: what does not go with its schedule.
        text_stage: the stage that encodes texts where there is no prior. Its tensors carry the
            names of the decoder's arguments.
        decoder_reads_prompt: the decoder is told the texts, too, beside the prior's embedding.
        guidance_added: what its pipelines add to a guidance scale above 1.
        batched_tasks: those of which one call of the decoder may draw several images: diffusers
            mixes up batches of all others (docs/diffusers.md).
        sized_by_picture: a decoder that starts from a picture takes its size from that, and no
            height or width.
        decodes_raw: pictures come as the autoencoder decodes them, around [-1, 1], but for those
            that start from a picture; False: always within [0, 1].
        result: the field of the pipelines' output that holds the pictures.
        faults: what is put right while its decoder is called.
    """

    name: str
    title: str
    tasks: Mapping[str, Mapping[str, Checkpoint]]
    clip: Checkpoint
    native_size: int
    size_multiple: int = 64
    max_size: int = 4096
    max_steps: int = 1000
    schedulers: tuple[str, ...] | None = None
    unfit_options: tuple[UnfitOption, ...] = ()
    text_stage: str = "encode_text"
    decoder_reads_prompt: bool = False
    guidance_added: int = 0
    batched_tasks: tuple[str, ...] = ()
    sized_by_picture: bool = False
    decodes_raw: bool = True
    result: str = "images"
    faults: frozenset[Fault] = frozenset()

    @property
    def has_prior(self) -> bool:
        """Whether texts become an image embedding first. Without a prior, one stage draws noise."""
        return any(PRIOR in roles for roles in self.tasks.values())

    @property
    def denoiser(self) -> str:
        """The module of its decoders that is called at each step."""
        return next(roles[DECODER].denoiser for roles in self.tasks.values())
