"""Writes the trained parts as folders in the layout of diffusers, weights in float16.

What several checkpoints share is stored in one of them (`runner.weights.shared`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import diffusers
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel, VQModel
from torch import nn
from transformers import CLIPImageProcessorPil

from training.known import known_in_training
from training.loop import CHECKPOINT
from training.parts import (
    clip,
    depth,
    fine_tunes,
    kandinsky3,
    movq,
    polish,
    prior,
    texts,
    unet,
)
from training.parts.diffusion import build_scheduler
from training.tokenizers.byte_pairs import build_tokenizer
from training.tokenizers.unigrams import t5_tokenizer, xlm_roberta_tokenizer

PRIOR_FOLDER = "kandinsky-2-2-prior"
DECODER_FOLDER = "kandinsky-2-2-decoder"
INPAINT_FOLDER = "kandinsky-2-2-decoder-inpaint"
CONTROLNET_FOLDER = "kandinsky-2-2-controlnet-depth"
PRIOR_2_1_FOLDER = "kandinsky-2-1-prior"
DECODER_2_1_FOLDER = "kandinsky-2-1"
INPAINT_2_1_FOLDER = "kandinsky-2-1-inpaint"
KANDINSKY_3_FOLDER = "kandinsky-3"
DEPTH_FOLDER = "dpt-large"
DDPM_FOLDER = "ddpm_scheduler"
SHARED_FILE = "shared.json"
"""Which component lies in which other folder; read by `runner.weights.shared`."""

PRIOR_PARTS = ("prior", "image_encoder", "text_encoder", "tokenizer", "scheduler",
               "image_processor")  # fmt: skip
SHARED_MOVQ = {"movq": f"{DECODER_FOLDER}/movq"}

Model = TypeVar("Model", bound=nn.Module)


class Parts:
    """The trained parts under `work`, in float16; untrained ones as initialised, if allowed.

    Raises:
        FileNotFoundError: a part has no checkpoint, and that is not allowed.
    """

    def __init__(self, work: Path, *, allow_untrained: bool) -> None:
        self.work, self.allow_untrained = work, allow_untrained

    def trained(self, name: str) -> bool:
        """Whether a part has a checkpoint."""
        return (self.work / name / CHECKPOINT).exists()

    def part(self, name: str, build: Callable[[], Model], load: Callable[[Path], Model]) -> Model:
        """A part by its checkpoint's name."""
        if self.allow_untrained and not self.trained(name):
            print(f"export: {name} is untrained", flush=True)
            return build().eval().half()
        return load(self.work).half()

    def prior(self) -> dict[str, Any]:
        """The components of both priors."""
        encoders = self.part(clip.NAME, clip.Encoders, clip.load)
        return {
            "prior": self.part(prior.NAME, prior.build, prior.load),
            "image_encoder": encoders.vision,
            "text_encoder": encoders.text,
            "tokenizer": build_tokenizer(),
            "scheduler": prior.build_scheduler(),
            "image_processor": CLIPImageProcessorPil(
                size={"shortest_edge": clip.IMAGE_SIDE},
                crop_size={"height": clip.IMAGE_SIDE, "width": clip.IMAGE_SIDE},
                image_mean=list(clip.IMAGE_MEAN),
                image_std=list(clip.IMAGE_STD),
            ),
        }

    def movq(self) -> VQModel:
        """The autoencoder of all decoders, polished if it was."""
        polished = self.trained(polish.NAME)
        name, load = (polish.NAME, polish.load) if polished else (movq.NAME, movq.load)
        made: VQModel = self.part(name, movq.build, load)
        return made

    def decoder(self, name: str) -> dict[str, Any]:
        """The components of a decoder of 2.2 with the UNet `name`."""
        return {
            "unet": self._unet(name),
            "scheduler": build_scheduler(),
            "movq": self.movq(),
        }

    def decoder_2_1(self, name: str) -> dict[str, Any]:
        """The components of a decoder of 2.1 with the UNet `name`."""
        reader = self.part(texts.MULTILINGUAL, texts.MultilingualStudent, texts.load_multilingual)
        return {
            "text_encoder": reader.encoder,
            "tokenizer": xlm_roberta_tokenizer(),
            "unet": self._unet(name),
            "scheduler": scheduler_2_1(),
            "movq": self.movq(),
        }

    def kandinsky_3(self) -> dict[str, Any]:
        """The components of Kandinsky 3."""
        return {
            "tokenizer": t5_tokenizer(),
            "text_encoder": self.part(texts.T5, texts.T5Student, texts.load_t5).encoder,
            "unet": self.part(kandinsky3.NAME, kandinsky3.build, kandinsky3.load),
            "scheduler": build_scheduler(kandinsky3.VARIANCE_TYPE),
            "movq": self.movq(),
        }

    def _unet(self, name: str) -> UNet2DConditionModel:
        made: UNet2DConditionModel = self.part(
            name, partial(fine_tunes.fresh, name), partial(fine_tunes.load, name)
        )
        return made


@dataclass(frozen=True)
class Folder:
    """A checkpoint of the family: its pipeline's class, what it needs trained, and its components;
    of these, `shared` lie in the folder that is named.
    """

    name: str
    pipeline: str
    needs: tuple[str, ...]
    components: Callable[[Parts], dict[str, Any]]
    shared: Mapping[str, str] = field(default_factory=dict)


FOLDERS = (
    Folder(PRIOR_FOLDER, "KandinskyV22PriorPipeline", (clip.NAME, prior.NAME), Parts.prior),
    Folder(
        DECODER_FOLDER, "KandinskyV22Pipeline", (movq.NAME, unet.NAME),
        lambda parts: parts.decoder(unet.NAME),
    ),
    Folder(
        INPAINT_FOLDER, "KandinskyV22InpaintPipeline", (fine_tunes.INPAINT.name,),
        lambda parts: parts.decoder(fine_tunes.INPAINT.name), SHARED_MOVQ,
    ),
    Folder(
        CONTROLNET_FOLDER, "KandinskyV22ControlnetPipeline", (fine_tunes.CONTROLNET.name,),
        lambda parts: parts.decoder(fine_tunes.CONTROLNET.name), SHARED_MOVQ,
    ),
    Folder(
        PRIOR_2_1_FOLDER, "KandinskyPriorPipeline", (fine_tunes.UNET_2_1.name,), Parts.prior,
        {name: f"{PRIOR_FOLDER}/{name}" for name in PRIOR_PARTS},
    ),
    Folder(
        DECODER_2_1_FOLDER, "KandinskyPipeline", (fine_tunes.UNET_2_1.name,),
        lambda parts: parts.decoder_2_1(fine_tunes.UNET_2_1.name), SHARED_MOVQ,
    ),
    Folder(
        INPAINT_2_1_FOLDER, "KandinskyInpaintPipeline", (fine_tunes.INPAINT_2_1.name,),
        lambda parts: parts.decoder_2_1(fine_tunes.INPAINT_2_1.name),
        SHARED_MOVQ
        | {name: f"{DECODER_2_1_FOLDER}/{name}" for name in ("text_encoder", "tokenizer")},
    ),
    Folder(
        KANDINSKY_3_FOLDER, "Kandinsky3Pipeline", (texts.T5, kandinsky3.NAME), Parts.kandinsky_3,
        SHARED_MOVQ,
    ),
)  # fmt: skip
"""The first two are the family's core; the others are written once they are trained."""
CORE = FOLDERS[:2]


def run_export(work: Path, weights: Path, *, allow_untrained: bool = False) -> None:
    """Write the family's folders into `weights` from the checkpoints in `work`.

    Each folder is replaced at once: a reader sees the old one or the new one, complete. Parts of
    the core without a checkpoint raise FileNotFoundError; with `allow_untrained`, every folder is
    written, its untrained parts as initialised.
    """
    torch.manual_seed(0)
    parts = Parts(work, allow_untrained=allow_untrained)
    for folder in FOLDERS:
        if folder in CORE or allow_untrained or all(map(parts.trained, folder.needs)):
            pipeline = getattr(diffusers, folder.pipeline)(**folder.components(parts))
            replace_folder(weights / folder.name, partial(save_pipeline, pipeline, folder))
    if allow_untrained or parts.trained(depth.NAME):
        estimator = parts.part(depth.NAME, depth.build, depth.load)
        replace_folder(weights / DEPTH_FOLDER, partial(save_depth, estimator))
    known_in_training().write(weights)


def scheduler_2_1() -> DDIMScheduler:
    """DDIM, as the released 2.1 has it: it ends at the first noise level, and knows no variance."""
    # Plain, without the list of values that diffusers holds for defaults and would reset.
    own = {key: value for key, value in build_scheduler().config.items() if key[0] != "_"}
    del own["variance_type"]
    changed = {"set_alpha_to_one": False, "steps_offset": 1, "clip_sample": False}
    made: DDIMScheduler = DDIMScheduler.from_config({**own, **changed})
    return made


def save_pipeline(pipeline: Any, folder: Folder, path: Path) -> None:
    """Write a pipeline's folder, without what lies in others."""
    pipeline.save_pretrained(path, safe_serialization=True)
    for component in folder.shared:
        shutil.rmtree(path / component)
    if folder.shared:
        (path / SHARED_FILE).write_text(json.dumps(dict(folder.shared), indent=2) + "\n")
    if folder.name == DECODER_2_1_FOLDER:
        build_scheduler().save_pretrained(path / DDPM_FOLDER)


def save_depth(estimator: Any, path: Path) -> None:
    """Write the depth estimator's folder."""
    estimator.save_pretrained(path, safe_serialization=True)
    depth.build_processor().save_pretrained(path)


def replace_folder(folder: Path, save: Callable[[Path], None]) -> None:
    """Save next to `folder`, then rename it into place."""
    fresh, old = (folder.with_name(f".{folder.name}.{state}") for state in ("new", "old"))
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    save(fresh)
    for config in fresh.rglob("config.json"):
        load_as_float32(config)
    for file in fresh.rglob("*.safetensors"):
        file.chmod(0o644)  # safetensors writes files that only their owner can read
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def load_as_float32(config: Path) -> None:
    """Name float32 as the default type of a transformers model.

    transformers would otherwise load the type of the file, diffusers loads float32: mixed.
    """
    content = json.loads(config.read_text())
    if "dtype" in content:
        content["dtype"] = "float32"
        config.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
