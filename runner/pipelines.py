"""PipelineSpec -> live diffusers pipeline. Loads each checkpoint once; pipelines share modules."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from runner import hardware
from runner.catalog import CATALOG
from runner.config.schema import OffloadMode
from runner.errors import StageError
from runner.events import Loaded
from runner.graph import PipelineSpec
from runner.schedulers import swapped_scheduler

NEEDLESS = "requires torchvision"
"""transformers on the image processor: the one without torchvision is what the weights name."""


class Pipelines:
    """Live pipelines for one machine.

    Args:
        folders: fingerprint of a checkpoint -> its folder and variant.
        device: "cpu", "cuda", "cuda:N" or "mps".
        offload: where weights wait while not in use.
    """

    def __init__(
        self,
        folders: Mapping[str, tuple[Path, str | None]],
        device: str,
        offload: OffloadMode,
    ) -> None:
        self._folders = folders
        self._device = device
        self._offload = offload
        self._bases: dict[PipelineSpec, Any] = {}
        self._live: dict[PipelineSpec, Any] = {}
        self._loaded: list[Loaded] = []

    def get(self, spec: PipelineSpec) -> Any:
        """The pipeline of a spec, on its device, with scheduler and attention as asked for.

        Raises:
            StageError: it cannot be loaded, or what was set is not what is read back.
        """
        if spec not in self._live:
            started = time.perf_counter()
            pipeline = self._base(replace(spec, scheduler=None))
            if spec.scheduler is not None:
                # Same modules, another scheduler: nothing is loaded twice.
                scheduler = swapped_scheduler(pipeline.scheduler, spec.scheduler)
                pipeline = type(pipeline)(**{**pipeline.components, "scheduler": scheduler})
                pipeline.set_progress_bar_config(disable=True)
            hardware.place(pipeline, self._device, self._offload)
            readback = hardware.read_back(pipeline, self._device, self._offload)
            hardware.check(spec, self._offload, readback)
            self._live[spec] = pipeline
            self._loaded.append(Loaded(spec, time.perf_counter() - started, readback))
        return self._live[spec]

    def pop_loaded(self) -> list[Loaded]:
        """What was loaded since the last call."""
        loaded, self._loaded = self._loaded, []
        return loaded

    def peak_memory_bytes(self) -> int | None:
        """Peak device memory since the last call; None on a CPU."""
        return hardware.peak_memory_bytes(self._device)

    def _base(self, spec: PipelineSpec) -> Any:
        """The checkpoint with its own scheduler."""
        if spec not in self._bases:
            folder, variant = self._folders[spec.weights]
            pipeline = _load(spec, folder, variant)
            pipeline.set_progress_bar_config(disable=True)
            hardware.set_attention(pipeline, spec.attention, spec.slice_size)
            self._bases[spec] = pipeline
        return self._bases[spec]


def quiet_libraries() -> None:
    """Silence what a user cannot act on. Warnings that matter stay, such as a prompt cut short."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    for handler in transformers_logging.get_logger("transformers").handlers:
        handler.addFilter(lambda record: NEEDLESS not in record.getMessage())


def _load(spec: PipelineSpec, folder: Path, variant: str | None) -> Any:
    pipeline_class = _pipeline_class(spec.pipeline)
    try:
        return pipeline_class.from_pretrained(
            str(folder),
            dtype=getattr(torch, spec.dtype),
            variant=variant,
            use_safetensors=True,
            local_files_only=True,
        )
    except Exception as error:
        raise StageError(
            f"{folder} cannot be loaded as {spec.pipeline}: {type(error).__name__}: "
            f"{_first_line(error)}"
        ) from error


def _pipeline_class(name: str) -> Any:
    known = {c.pipeline for row in CATALOG for c in row.checkpoints.values()}
    assert name in known, f"{name} is in no row of the catalog"
    import diffusers

    return getattr(diffusers, name)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else ""
