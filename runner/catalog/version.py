"""Version: a Kandinsky generation, with all facts that the runner needs, as one row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from runner.catalog.checkpoint import Checkpoint

PRIOR, TEXT, DECODER = "prior", "text", "decoder"
"""Roles of a version's checkpoints: those that embed texts, and the one that draws."""


class Fault(Enum):
    """A fault in diffusers' pipelines of a version, which `corrections=on` corrects.

    `runner.planning.corrections` says where one acts. The names are part of records and keys.
    """

    sizes_exchanged = "img2img: height and width are taken for each other"
    noise_of_its_own = "img2img: noise is added by hard-coded betas"
    mask_grown = "inpaint: more is repainted than the mask says, or less where it is small"
    pictures_not_fitted = "input pictures are stretched to the size, or decide it"
    texts_filled_up = "of two texts, the longer one is cut, or the shorter one is changed by it"
    guidance_raised = "the guidance scale means 1 more than it says"
    negative_draws = "a negative prompt changes the noise of what it is compared with"
    negative_not_told = "combined: the decoder is not told the negative prompt"
    texts_draw_in_turn = "interpolate: the noise of each text depends on the texts before it"


@dataclass(frozen=True)
class Rounding:
    """How the pipelines round a size in pixels that the model cannot draw."""

    multiple: int
    up: bool

    def rounded(self, size: int) -> int:
        """The size that is drawn."""
        return (size + (self.multiple - 1 if self.up else 0)) // self.multiple * self.multiple


UP_TO_64, DOWN_TO_8 = Rounding(64, up=True), Rounding(8, up=False)
CUT = Rounding(1, up=False)
"""More is drawn, and cut to the size."""


@dataclass(frozen=True)
class UnfitOption:
    """A value of a scheduler option that gives wrong pictures with a version.

    Attributes:
        option: its key below `scheduler`.
        value: as the config names it.
        allowed: the other values.
    """

    option: str
    value: str | bool
    why: str
    allowed: tuple[str, ...]


PICTURES_SHARED = (
    "a call takes one; diffusers' inpainting would blend all its images with the first's"
)
"""Why the images of one decoder call have the same input pictures."""


@dataclass(frozen=True, eq=False)
class Version:
    """A version.

    Attributes:
        name: its name in the config.
        title: its name for display, after "Kandinsky".
        tasks: for each task that it can do, the checkpoints by role ("depth", "prior", "text",
            "decoder"), in the order in which they are needed.
        variants: for each published variant of its models, the tasks; {}: there is one.
        refusals: why it cannot do a task, where it is another reason than the task's own.
        in_small_family: whether the small family has it.
        clip: the default CLIP for metrics of its pictures.
        native_size: pixels, where the weights themselves do not tell.
        sizes: (width, height) of the pictures that it was published for; (): any within the next
            two bounds. Others are drawn where `any_size` says so.
        size_multiple: 8 pixels a latent, and the UNet halves latents three times. diffusers
            silently rounds other sizes (downscale_height_and_width), or ends in an error.
        max_size: pixels.
        max_steps: noise levels that it was trained on: no schedule has more steps.
        max_leading_steps: the most with `timestep_spacing=leading`, where its pipelines refuse
            more; None: all.
        flow: trained by flow matching, so that its denoiser predicts velocities, and not noise.
        unfit_options: values of scheduler options that give wrong pictures.
        text_stage: the stage that encodes texts where there is no prior. Its tensors have the
            names of the decoder's arguments.
        texts_apart: it encodes one text by itself, the negative one in a node of its own.
        text_templates: task -> name -> what is read around a text, and how many of its tokens
            before the text are not handed on; the first is the default. {}: texts are read as
            they are.
        picture_tokens: tokens of a picture that the text encoder reads, at most.
        cleaned_with: packages that change a text before it is read, where they are installed.
        special_texts: a regular expression of what a text may not hold, as it is obeyed; "": none.
        lora_roles: roles whose module that is called at each step takes LoRAs in diffusers.
        dispatched: attention of its denoiser is computed by diffusers' dispatcher, not by a class
            of processors for each backend.
        doubted_precisions: precision -> what to know of it.
        always_corrected: why there is no `corrections=off`; "": there is.
        decoder_reads_prompt: the decoder also takes the texts, beside the prior's embedding.
        texts_keep_length: the denoiser is given as many tokens as a text has, so that it is
            compiled for each length.
        guidance_added: the number that its pipelines add to a guidance scale above 1.
        batch_shares: inputs, beside pictures, that all images of one decoder call have in common,
            each with the reason.
        sized_by_picture: a decoder that starts from a picture has the picture's size, and takes
            no height or width.
        decodes_raw: pictures come as the autoencoder decodes them, around [-1, 1], except those
            that start from a picture; False: always within [0, 1].
        result: the field of the pipelines' output that holds the pictures.
        mask_grown_by: the argument of its inpainting pipeline that says whether the repainted
            area grows; None: it always does.
        faults: faults of its pipelines.
        rounds: tasks for which diffusers draws a size near the one that was asked; it ends in an
            error for the others, or where a hint has that size.
        draws_exchanged: tasks with `Fault.sizes_exchanged` that nevertheless give a picture where
            height and width differ.
        draws_without_steps: tasks that give a picture where `strength` leaves no step to run.
    """

    name: str
    title: str
    tasks: Mapping[str, Mapping[str, Checkpoint]]
    clip: Checkpoint
    native_size: int
    variants: Mapping[str, Mapping[str, Mapping[str, Checkpoint]]] = field(default_factory=dict)
    in_small_family: bool = True
    refusals: Mapping[str, str] = field(default_factory=dict)
    sizes: tuple[tuple[int, int], ...] = ()
    size_multiple: int = 64
    max_size: int = 4096
    max_steps: int = 1000
    max_leading_steps: int | None = None
    flow: bool = False
    unfit_options: tuple[UnfitOption, ...] = ()
    text_stage: str = "encode_text"
    texts_apart: bool = False
    text_templates: Mapping[str, Mapping[str, tuple[str, int]]] = field(default_factory=dict)
    picture_tokens: int = 0
    cleaned_with: tuple[str, ...] = ()
    special_texts: str = ""
    lora_roles: tuple[str, ...] = ()
    dispatched: bool = False
    doubted_precisions: Mapping[str, str] = field(default_factory=dict)
    always_corrected: str = ""
    decoder_reads_prompt: bool = False
    texts_keep_length: bool = False
    guidance_added: int = 0
    batch_shares: Mapping[str, str] = field(default_factory=dict)
    sized_by_picture: bool = False
    decodes_raw: bool = True
    result: str = "images"
    mask_grown_by: str | None = None
    faults: frozenset[Fault] = frozenset()
    rounds: Mapping[str, Rounding] = field(default_factory=dict)
    draws_exchanged: tuple[str, ...] = ()
    draws_without_steps: tuple[str, ...] = ()

    @property
    def has_prior(self) -> bool:
        """Whether texts become an image embedding first. Without a prior, one stage draws noise."""
        return any(PRIOR in roles for roles in self.tasks.values())

    def of_variant(self, variant: str | None) -> Version:
        """The version with the checkpoints of a variant; None: of the first."""
        return self if variant is None else replace(self, tasks=self.variants[variant])

    @property
    def denoiser(self) -> str:
        """The module of its decoders that is called at each step."""
        return next(roles[DECODER].denoiser for roles in self.tasks.values())
