"""Folders -> live pipelines, as their checkpoints have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from runner.catalog import Checkpoint, Layout
from runner.errors import StageError
from runner.graph import PipelineSpec
from runner.weights.shared import whole

NEEDLESS = "requires torchvision"
"""transformers on the image processor: the one without torchvision is what the weights name."""


def quiet_libraries() -> None:
    """Silence what a user cannot act on. Warnings that matter stay, such as a prompt cut short."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    for handler in transformers_logging.get_logger("transformers").handlers:
        handler.addFilter(lambda record: NEEDLESS not in record.getMessage())


def load(spec: PipelineSpec, checkpoint: Checkpoint, folder: Path, variant: str | None) -> Any:
    """The pipeline with its own scheduler, on the CPU.

    Raises:
        StageError: diffusers or transformers cannot load it.
    """
    dtype = getattr(torch, spec.dtype)
    try:
        if checkpoint.layout is Layout.transformers:
            return DepthEstimator(folder, dtype, variant)
        import diffusers

        pipeline_class = getattr(diffusers, checkpoint.pipeline)
        with whole(folder) as path:
            pipeline = pipeline_class.from_pretrained(
                str(path),
                dtype=dtype,
                variant=variant,
                use_safetensors=True,
                local_files_only=True,
                **dict.fromkeys(checkpoint.without),
            )
    except Exception as error:
        raise StageError(
            f"{folder} cannot be loaded as {spec.pipeline}: {type(error).__name__}: "
            f"{_first_line(error)}"
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


class DepthEstimator:
    """transformers' depth estimation, with what the runner asks of any pipeline."""

    scheduler = None

    def __init__(self, folder: Path, dtype: torch.dtype, variant: str | None) -> None:
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation

        self.model = AutoModelForDepthEstimation.from_pretrained(
            str(folder), dtype=dtype, variant=variant, use_safetensors=True, local_files_only=True
        )
        self._processor = AutoImageProcessor.from_pretrained(str(folder), local_files_only=True)
        self._execution_device = torch.device("cpu")
        self._waits_on_cpu = False

    @property
    def components(self) -> dict[str, Any]:
        """The one module."""
        return {"model": self.model}

    def place(self, device: str, *, offloaded: bool) -> None:
        """Where the model runs; offloaded, it is there only during a call."""
        self._execution_device = torch.device(device)
        self._waits_on_cpu = offloaded
        self.model.to("cpu" if offloaded else device)

    @property
    def is_offloaded(self) -> bool:
        """Whether the model waits on the CPU between calls."""
        return self._waits_on_cpu

    def __call__(self, picture: Any) -> dict[str, Any]:
        """{"depth": a grey picture of the picture's size, ...}, as transformers makes it."""
        from transformers import DepthEstimationPipeline

        class InFullPrecision(DepthEstimationPipeline):  # type: ignore[misc]
            """numpy, which makes the picture, knows no bfloat16."""

            def postprocess(self, outputs: Any) -> Any:
                outputs["predicted_depth"] = outputs["predicted_depth"].float()
                return super().postprocess(outputs)

        self.model.to(self._execution_device)
        estimate = InFullPrecision(
            model=self.model,
            image_processor=self._processor,
            device=self._execution_device,
            dtype=self.model.dtype,
        )
        found: dict[str, Any] = estimate(picture)
        if self._waits_on_cpu:
            self.model.to("cpu")
        return found


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else ""
