"""Version x task -> checkpoints and pipeline classes: a table.

A new version or task is a row here, a function in `runner.tasks` where the stages are new, an
option in `conf/`, and a test. Nothing here imports diffusers: classes are named, and found later.
Source of the names: https://huggingface.co/docs/diffusers/api/pipelines/kandinsky_v22
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runner.config.schema import SchedulerName, Task, Version
from runner.errors import ConfigError


@dataclass(frozen=True)
class Checkpoint:
    """One diffusers folder and the pipeline that runs it.

    Attributes:
        repo: the published repository on the hub.
        folder: its name within the small family and within a `weights=<folder>`.
        pipeline: the diffusers class that the runner calls.
        accepts: what model_index.json may name as its class.
        modules: the subfolders that hold weights, which must be there.
        denoiser: the one of them that is called at each step and tells the model's size.
    """

    repo: str
    folder: str
    pipeline: str
    accepts: tuple[str, ...]
    modules: tuple[str, ...]
    denoiser: str


@dataclass(frozen=True)
class Row:
    """What a task of a version is made of.

    Attributes:
        checkpoints: by role ("prior", "decoder"), in the order in which they are needed.
        schedulers: those that give right results with the decoder.
        native_size: pixels, where the weights themselves are not on disk to tell.
        size_multiple: diffusers silently rounds other sizes up (downscale_height_and_width).
    """

    version: Version
    task: Task
    checkpoints: Mapping[str, Checkpoint]
    schedulers: tuple[SchedulerName, ...]
    native_size: int
    size_multiple: int = 64
    max_size: int = 4096


PRIOR_2_2 = Checkpoint(
    repo="kandinsky-community/kandinsky-2-2-prior",
    folder="kandinsky-2-2-prior",
    pipeline="KandinskyV22PriorPipeline",
    accepts=("KandinskyV22PriorPipeline", "KandinskyV22PriorEmb2EmbPipeline"),
    modules=("prior", "image_encoder", "text_encoder"),
    denoiser="prior",
)
DECODER_2_2 = Checkpoint(
    repo="kandinsky-community/kandinsky-2-2-decoder",
    folder="kandinsky-2-2-decoder",
    pipeline="KandinskyV22Pipeline",
    accepts=("KandinskyV22Pipeline", "KandinskyV22Img2ImgPipeline"),
    modules=("unet", "movq"),
    denoiser="unet",
)

CATALOG: tuple[Row, ...] = (
    Row(
        version=Version.kandinsky2_2,
        task=Task.text2img,
        checkpoints={"prior": PRIOR_2_2, "decoder": DECODER_2_2},
        schedulers=(SchedulerName.ddim, SchedulerName.ddpm),
        native_size=512,
    ),
)


def row_of(version: Version, task: Task) -> Row:
    """The catalog's row.

    Raises:
        ConfigError: there is no such model; says which tasks the version has.
    """
    for row in CATALOG:
        if row.version is version and row.task is task:
            return row
    possible = [row.task.name for row in CATALOG if row.version is version]
    raise ConfigError("task", task.name, f"Kandinsky {version.value} has no model for it", possible)
