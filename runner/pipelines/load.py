"""Loads a checkpoint's folder as a live pipeline."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from logging import LogRecord
from typing import Any

import torch

from runner.catalog.checkpoint import Checkpoint
from runner.errors import RunnerError, StageError
from runner.graph.node import PipelineSpec
from runner.pipelines.assemble import assembled
from runner.pipelines.judges import JUDGES
from runner.pipelines.meta_init import DrawingNothing
from runner.pipelines.transformers_models import OWN_PIPELINES
from runner.weights.folder import CheckedFolder

NEEDLESS = (
    # The small Kandinsky 2.0 shares a file with its Kandinsky 3: both classes have the same layers.
    "You are using a model of type `t5` to instantiate a model of type `mt5`",
    "requires torchvision",
    "Expected types for image_processor",
    "cannot run with `cpu` device",
    "The following part of your input was truncated",
    "Token indices sequence length is longer than",
    "Ignoring clean_up_tokenization_spaces",
    "['temb'] are not expected by SlicedAttnProcessor",
)
"""Warnings to hide, by a part of their text. The next two are about the image processor: the one
that works without torchvision is the one that the weights name, even where torchvision is. The
third is about half precision on a CPU: it does run, and the plan has warned that it is slow. The
two after it are about prompts that are cut: the plan has named the words that are lost. The last
is of the KL autoencoder, which hands a time embedding on that it does not have.
"""

RANK = "LOCAL_RANK"


def quiet_libraries() -> None:
    """Hide progress bars, and warnings on which a user cannot act, or that a plan has given."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    for handler in (
        *transformers_logging.get_logger("transformers").handlers,
        *diffusers_logging.get_logger("diffusers").handlers,
    ):
        handler.addFilter(_is_needed)


def _is_needed(record: LogRecord) -> bool:
    said = record.getMessage()
    return not any(needless in said for needless in NEEDLESS)


def load(
    spec: PipelineSpec,
    checkpoint: Checkpoint,
    checked: CheckedFolder,
    *,
    held: str | None = None,
) -> Any:
    """The pipeline with its own scheduler.

    Args:
        held: the device that each weight is put on as it is read, where diffusers can: in memory
            that it asks for at once, and with no copy in another precision on the CPU. None: as
            diffusers reads them, on the CPU. What judges pictures or finds depth ignores it.

    Raises:
        StageError: diffusers or transformers cannot load it.
    """
    dtype = getattr(torch, spec.dtype)
    try:
        own: Any = {**OWN_PIPELINES, **JUDGES}.get(checkpoint.pipeline)
        if own is not None:
            with assembled(checked) as path, DrawingNothing():
                return own.from_folder(path, dtype)
        with assembled(checked) as path, _current(held), DrawingNothing():
            pipeline = pipeline_class(checkpoint).from_pretrained(
                str(path),
                dtype=dtype,
                use_safetensors=True,
                local_files_only=True,
                **dict.fromkeys(checkpoint.without),
                **_held_on(held),
            )
    except (RunnerError, torch.OutOfMemoryError):  # the latter: offload may be stepped down
        raise
    except Exception as error:
        raise StageError(
            f"{checked.path} cannot be loaded as {spec.pipeline}: {type(error).__name__}: "
            f"{_first_line(error)}"
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _held_on(held: str | None) -> dict[str, str]:
    """diffusers' word for a device: its kind alone."""
    return {} if held is None else {"device_map": torch.device(held).type}


@contextmanager
def _current(held: str | None) -> Iterator[None]:
    """Have the kind of a device mean this one of several: to torch, and to transformers, which
    takes the number in LOCAL_RANK.
    """
    if held is None or torch.device(held).type != "cuda":
        yield
        return
    before = os.environ.get(RANK)
    with torch.cuda.device(held):
        os.environ[RANK] = str(torch.cuda.current_device())
        try:
            yield
        finally:
            if before is None:
                del os.environ[RANK]
            else:
                os.environ[RANK] = before


def pipeline_class(checkpoint: Checkpoint) -> Any:
    """The class of diffusers, or the runner's own, that runs a checkpoint."""
    return getattr(importlib.import_module(checkpoint.library), checkpoint.pipeline)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else ""
