"""The exported family in diffusers' pipelines, for judging what they draw: 2.0 in the runner's own,
for diffusers has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    Kandinsky3Pipeline,
    KandinskyPipeline,
    KandinskyPriorPipeline,
    KandinskyV22Pipeline,
    KandinskyV22PriorPipeline,
)
from diffusers.pipelines.kandinsky.text_encoder import MultilingualCLIP
from numpy.typing import NDArray
from transformers import T5EncoderModel, XLMRobertaTokenizer

from runner.kandinsky2_0.pipeline_kandinsky2_0 import KandinskyV20Pipeline
from training.components import as_mt5
from training.export import (
    DDPM_FOLDER,
    DECODER_2_1_FOLDER,
    DECODER_FOLDER,
    KANDINSKY_2_0_FOLDER,
    KANDINSKY_3_FOLDER,
    PRIOR_FOLDER,
    READS_2_0,
)

SIDE = 128
FOLDERS = {
    "2.0": KANDINSKY_2_0_FOLDER,
    "2.1": DECODER_2_1_FOLDER,
    "2.2": DECODER_FOLDER,
    "3": KANDINSKY_3_FOLDER,
}
"""Version -> the folder of what draws."""


class Pipelines:
    """The exported family in float32. Folders of a version are read when it is first drawn with;
    what they share is loaded once.

    Args:
        weights: the folder that holds them.
    """

    def __init__(self, weights: Path) -> None:
        self.weights = weights
        self.prior = self._loaded(KandinskyV22PriorPipeline, PRIOR_FOLDER)
        self.decoder = self._loaded(KandinskyV22Pipeline, DECODER_FOLDER)

    @cached_property
    def prior_2_1(self) -> Any:
        """The prior of 2.1: that of 2.2 in its own pipeline."""
        made = KandinskyPriorPipeline(**self.prior.components)
        made.set_progress_bar_config(disable=True)
        return made

    @cached_property
    def decoder_2_1(self) -> Any:
        """The decoder of 2.1."""
        return self._loaded(KandinskyPipeline, DECODER_2_1_FOLDER, movq=self.decoder.movq)

    @cached_property
    def kandinsky_3(self) -> Any:
        """All of 3."""
        return self._loaded(Kandinsky3Pipeline, KANDINSKY_3_FOLDER, movq=self.decoder.movq)

    @cached_property
    def kandinsky_2_0(self) -> Any:
        """All of 2.0."""
        kinds = {
            "tokenizer": XLMRobertaTokenizer,
            "text_encoder": MultilingualCLIP,
            "text_encoder_2": T5EncoderModel,
        }
        reads = {
            name: kind.from_pretrained(self.weights / READS_2_0[name], local_files_only=True)
            for name, kind in kinds.items()
        }
        reads["text_encoder_2"] = as_mt5(reads["text_encoder_2"])
        return self._loaded(KandinskyV20Pipeline, KANDINSKY_2_0_FOLDER, **reads)

    def _loaded(self, kind: Any, folder: str, **shared: Any) -> Any:
        made = kind.from_pretrained(
            self.weights / folder, dtype=torch.float32, local_files_only=True, **shared
        )
        made.set_progress_bar_config(disable=True)
        return made

    def has(self, version: str) -> bool:
        """Whether the weights have this version."""
        return (self.weights / FOLDERS[version]).is_dir()

    def draw(
        self,
        version: str,
        prompts: Sequence[str],
        seeds: Sequence[int],
        *,
        scheduler: str,
        prior_steps: int,
        prior_guidance: float,
        steps: int,
        guidance: float,
    ) -> Iterator[NDArray[np.uint8]]:
        """Pictures, uint8 [128, 128, 3]; each stage's generator starts from the picture's seed.

        2.0 and 2.2 draw all at once, the others one by one: diffusers mixes up their batches.
        """
        prior = {"num_inference_steps": prior_steps, "guidance_scale": prior_guidance}
        size = {"height": SIDE, "width": SIDE, "num_inference_steps": steps}
        how = {**size, "guidance_scale": guidance}
        with self._scheduled(version, scheduler):
            if version == "2.2":
                told = self.prior(list(prompts), generator=generators(seeds), **prior)
                yield from map(
                    np.asarray, self.decoder(**told, generator=generators(seeds), **how).images
                )
                return
            if version == "2.0":
                made = self.kandinsky_2_0(list(prompts), generator=generators(seeds), **how)
                yield from map(np.asarray, made.images)
                return
            for prompt, seed in zip(prompts, seeds, strict=True):
                if version == "2.1":
                    told = self.prior_2_1(prompt, generator=generators([seed])[0], **prior)
                    made = self.decoder_2_1(prompt, **told, generator=generators([seed])[0], **how)
                else:
                    # Its pipeline adds 1 to what others call the guidance scale.
                    how_3 = {**size, "guidance_scale": guidance - 1}
                    made = self.kandinsky_3(prompt, generator=generators([seed])[0], **how_3)
                yield np.asarray(made.images[0])

    @contextmanager
    def _scheduled(self, version: str, scheduler: str) -> Iterator[None]:
        """The version's decoder with DDIM or DDPM for a while."""
        names = {
            "2.0": "kandinsky_2_0", "2.1": "decoder_2_1", "2.2": "decoder", "3": "kandinsky_3",
        }  # fmt: skip
        decoder = getattr(self, names[version])
        own = decoder.scheduler
        if scheduler == "ddim":
            use_ddim(decoder)
        elif isinstance(own, DDIMScheduler):  # the others' own one is DDPM
            folder = self.weights / FOLDERS[version]
            ddpm = DDPMScheduler.from_pretrained(
                folder, subfolder=DDPM_FOLDER, local_files_only=True
            )
            decoder.register_modules(scheduler=ddpm)
        try:
            yield
        finally:
            decoder.register_modules(scheduler=own)


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    """One from each seed."""
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def use_ddim(decoder: Any) -> None:
    """Swap the decoder's scheduler for DDIM.

    A left-over `variance_type` would keep the variance channels in the prediction, and the default
    `clip_sample` would cut latents at 1.
    """
    config = dict(decoder.scheduler.config)
    config.pop("variance_type", None)
    decoder.register_modules(scheduler=DDIMScheduler.from_config({**config, "clip_sample": False}))
