"""Version x task -> checkpoints and pipeline classes: a table.

What else a new version or task needs is listed in ARCHITECTURE.md. Nothing here imports diffusers:
classes are named, and found later.
Source of the names: https://huggingface.co/docs/diffusers/api/pipelines/kandinsky and the pages
next to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from runner.config.choices import SchedulerName, Task, Version
from runner.errors import ConfigError


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
        without: components that this role does not use, and that are not loaded.
        scheduler_folders: schedulers that the checkpoint brings a config of its own for.
    """

    repo: str
    pipeline: str
    accepts: tuple[str, ...]
    modules: tuple[str, ...]
    denoiser: str
    without: tuple[str, ...] = ()
    scheduler_folders: Mapping[str, str] = field(default_factory=dict)
    layout: Layout = Layout.diffusers

    @property
    def folder(self) -> str:
        """Its repository's name without the owner."""
        return self.repo.rpartition("/")[2]


@dataclass(frozen=True)
class Row:
    """What a task of a version is made of.

    Attributes:
        checkpoints: by role ("prior", "text", "depth", "decoder"), in the order in which they are
            needed.
        schedulers: those that give right results with the decoder.
        native_size: pixels, where the weights themselves do not tell.
        size_multiple: diffusers silently rounds other sizes (downscale_height_and_width).
    """

    version: Version
    task: Task
    checkpoints: Mapping[str, Checkpoint]
    native_size: int
    schedulers: tuple[SchedulerName, ...] = tuple(SchedulerName)
    size_multiple: int = 64
    max_size: int = 4096


PRIOR_MODULES = ("prior", "image_encoder", "text_encoder")
PRIOR_2_1 = Checkpoint(
    repo="kandinsky-community/kandinsky-2-1-prior",
    pipeline="KandinskyPriorPipeline",
    accepts=("KandinskyPriorPipeline",),
    modules=PRIOR_MODULES,
    denoiser="prior",
)
DECODER_2_1 = Checkpoint(
    repo="kandinsky-community/kandinsky-2-1",
    pipeline="KandinskyPipeline",
    accepts=("KandinskyPipeline", "KandinskyImg2ImgPipeline"),
    modules=("text_encoder", "unet", "movq"),
    denoiser="unet",
    scheduler_folders={SchedulerName.ddpm.name: "ddpm_scheduler"},
)
IMG2IMG_2_1 = replace(DECODER_2_1, pipeline="KandinskyImg2ImgPipeline")
INPAINT_2_1 = replace(
    DECODER_2_1,
    repo="kandinsky-community/kandinsky-2-1-inpaint",
    pipeline="KandinskyInpaintPipeline",
    accepts=("KandinskyInpaintPipeline",),
)
PRIOR_2_2 = Checkpoint(
    repo="kandinsky-community/kandinsky-2-2-prior",
    pipeline="KandinskyV22PriorPipeline",
    accepts=("KandinskyV22PriorPipeline", "KandinskyV22PriorEmb2EmbPipeline"),
    modules=PRIOR_MODULES,
    denoiser="prior",
)
PRIOR_FROM_IMAGE_2_2 = replace(PRIOR_2_2, pipeline="KandinskyV22PriorEmb2EmbPipeline")
DECODER_2_2 = Checkpoint(
    repo="kandinsky-community/kandinsky-2-2-decoder",
    pipeline="KandinskyV22Pipeline",
    accepts=("KandinskyV22Pipeline", "KandinskyV22Img2ImgPipeline"),
    modules=("unet", "movq"),
    denoiser="unet",
)
IMG2IMG_2_2 = replace(DECODER_2_2, pipeline="KandinskyV22Img2ImgPipeline")
INPAINT_2_2 = replace(
    DECODER_2_2,
    repo="kandinsky-community/kandinsky-2-2-decoder-inpaint",
    pipeline="KandinskyV22InpaintPipeline",
    accepts=("KandinskyV22InpaintPipeline",),
)
CONTROLNET_2_2 = replace(
    DECODER_2_2,
    repo="kandinsky-community/kandinsky-2-2-controlnet-depth",
    pipeline="KandinskyV22ControlnetPipeline",
    accepts=("KandinskyV22ControlnetPipeline", "KandinskyV22ControlnetImg2ImgPipeline"),
)
CONTROLNET_IMG2IMG_2_2 = replace(CONTROLNET_2_2, pipeline="KandinskyV22ControlnetImg2ImgPipeline")
CLIP = "clip"
CLIP_2_2 = replace(PRIOR_2_2, pipeline=CLIP, modules=("text_encoder", "image_encoder"),
                   denoiser="image_encoder", without=("prior", "scheduler"))  # fmt: skip
CLIP_2_1 = replace(CLIP_2_2, repo=PRIOR_2_1.repo, accepts=PRIOR_2_1.accepts)
CLIPS = {
    Version.kandinsky2_1: CLIP_2_1,
    Version.kandinsky2_2: CLIP_2_2,
    Version.kandinsky3: CLIP_2_2,  # it has none of its own
}
"""What measures a version's pictures where nothing else is asked for: its prior's CLIP."""

DEPTH = Checkpoint(
    # What transformers' pipeline("depth-estimation") takes where none is named.
    repo="Intel/dpt-large",
    pipeline="depth-estimation",
    accepts=("DPTForDepthEstimation", "GLPNForDepthEstimation", "DepthAnythingForDepthEstimation",
             "ZoeDepthForDepthEstimation"),
    modules=(".",),
    denoiser=".",
    layout=Layout.transformers,
)  # fmt: skip
DECODER_3 = Checkpoint(
    repo="kandinsky-community/kandinsky-3",
    pipeline="Kandinsky3Pipeline",
    accepts=("Kandinsky3Pipeline", "Kandinsky3Img2ImgPipeline"),
    modules=("unet", "movq"),
    denoiser="unet",
    without=("text_encoder", "tokenizer"),
)
IMG2IMG_3 = replace(DECODER_3, pipeline="Kandinsky3Img2ImgPipeline")
TEXT_3 = replace(
    DECODER_3, modules=("text_encoder",), denoiser="text_encoder", without=("unet", "movq")
)


def _rows(
    version: Version, native_size: int, tasks: Mapping[Task, Mapping[str, Checkpoint]]
) -> tuple[Row, ...]:
    return tuple(Row(version, task, roles, native_size) for task, roles in tasks.items())


CATALOG: tuple[Row, ...] = (
    *_rows(Version.kandinsky2_1, 512, {
        Task.text2img: {"prior": PRIOR_2_1, "decoder": DECODER_2_1},
        Task.img2img: {"prior": PRIOR_2_1, "decoder": IMG2IMG_2_1},
        Task.inpaint: {"prior": PRIOR_2_1, "decoder": INPAINT_2_1},
        Task.interpolate: {"prior": PRIOR_2_1, "decoder": DECODER_2_1},
    }),
    *_rows(Version.kandinsky2_2, 512, {
        Task.text2img: {"prior": PRIOR_2_2, "decoder": DECODER_2_2},
        Task.img2img: {"prior": PRIOR_2_2, "decoder": IMG2IMG_2_2},
        Task.inpaint: {"prior": PRIOR_2_2, "decoder": INPAINT_2_2},
        Task.interpolate: {"prior": PRIOR_2_2, "decoder": DECODER_2_2},
        Task.controlnet: {"depth": DEPTH, "prior": PRIOR_2_2, "decoder": CONTROLNET_2_2},
        Task.controlnet_img2img: {
            "depth": DEPTH, "prior": PRIOR_FROM_IMAGE_2_2, "decoder": CONTROLNET_IMG2IMG_2_2,
        },
    }),
    *_rows(Version.kandinsky3, 1024, {
        Task.text2img: {"text": TEXT_3, "decoder": DECODER_3},
        Task.img2img: {"text": TEXT_3, "decoder": IMG2IMG_3},
    }),
)  # fmt: skip

NO_CONTROLNET = "the depth ControlNet was published for Kandinsky 2.2 alone"
REFUSED: Mapping[tuple[Version, Task], str] = {
    (Version.kandinsky2_1, Task.controlnet): NO_CONTROLNET,
    (Version.kandinsky2_1, Task.controlnet_img2img): NO_CONTROLNET,
    (Version.kandinsky3, Task.inpaint): "no inpainting model of Kandinsky 3 was published",
    (Version.kandinsky3, Task.interpolate): "Kandinsky 3 has no prior whose embeddings could be "
    "mixed",
    (Version.kandinsky3, Task.controlnet): NO_CONTROLNET,
    (Version.kandinsky3, Task.controlnet_img2img): NO_CONTROLNET,
}
"""Why a version cannot do a task."""


def row_of(version: Version, task: Task) -> Row:
    """The catalog's row.

    Raises:
        ConfigError: there is no such model; says what is possible instead.
    """
    for row in CATALOG:
        if row.version is version and row.task is task:
            return row
    tasks = ", ".join(row.task.name for row in CATALOG if row.version is version)
    versions = ", ".join(row.version.name for row in CATALOG if row.task is task)
    raise ConfigError(
        "task", task.name, f"model={version.name} cannot: {REFUSED[version, task]}",
        f"task={task.name} with model={versions}; or model={version.name} with task={tasks}",
    )  # fmt: skip
