"""Builds pipelines with random weights from configs, without a file of weights."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

import torch
from torch import Tensor, nn

from runner.catalog.checkpoint import Checkpoint, Layout
from runner.config.choices import RandomSize
from runner.graph.node import PipelineSpec
from runner.pipelines.assemble import RENAMED
from runner.pipelines.load import pipeline_class
from runner.pipelines.random_tokenizers import TOKENIZERS
from runner.pipelines.transformers_models import OWN_PIPELINES
from runner.weights.folder import CheckedFolder
from runner.weights.random_weights import component_class, component_config, resized
from runner.weights.settings import config_name, read_json

LIBRARIES = {"kandinsky": "diffusers.pipelines.kandinsky"}
"""The modules of those "libraries" of an index that are a part of diffusers."""

TOKENS = "vocabulary"
"""The key of our tokenizer configs that no class knows."""

MODULATION = 0.02
"""Of the MoVQ's spatial norms, which multiply by the latents: those of random weights are large,
and pictures would overflow in half precision."""


def build(
    spec: PipelineSpec,
    checkpoint: Checkpoint,
    checked: CheckedFolder,
    size: RandomSize,
    *,
    held: str,
    drawn: str,
) -> Any:
    """The pipeline with random weights and its own scheduler; equal weights at each call.

    Args:
        held: the device that the weights are on.
        drawn: the device that draws the numbers; each kind draws others.
    """
    maker = Maker(checkpoint, checked, size, getattr(torch, spec.dtype), held, drawn)
    if checkpoint.layout is Layout.transformers:
        estimator: Any = OWN_PIPELINES[checkpoint.pipeline]
        return estimator(maker.module("."), maker.image_processor("."))
    index = read_json(checked.files["model_index.json"], "weights")
    names = [name for name, given in index.items() if isinstance(given, list)]
    parts = {name: maker.component(name) for name in names if name not in checkpoint.without}
    if checkpoint.pipeline in OWN_PIPELINES:
        own: Any = OWN_PIPELINES[checkpoint.pipeline]
        return own(**parts)
    pipeline = pipeline_class(checkpoint)(**parts, **dict.fromkeys(checkpoint.without))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


class Maker:
    """Makes the components of one checkpoint. Arguments: see `build`."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        checked: CheckedFolder,
        size: RandomSize,
        dtype: torch.dtype,
        held: str,
        drawn: str,
    ) -> None:
        self._checkpoint = checkpoint
        self._checked = checked
        self._files = checked.files
        self._size = size
        self._dtype = dtype
        self._held = held
        self._drawn = drawn

    def component(self, name: str) -> Any:
        """A component of the model_index.json."""
        if name in self._checkpoint.modules:
            return self.module(name)
        class_name = component_class(self._files, self._checkpoint, name)[1]
        if class_name in TOKENIZERS:
            told = read_json(self._files[f"{name}/tokenizer_config.json"], "weights")
            told.pop("tokenizer_class")
            return TOKENIZERS[class_name](told.pop(TOKENS), **told)
        if f"{name}/preprocessor_config.json" in self._files:
            return self.image_processor(name)
        config = read_json(self._files[f"{name}/scheduler_config.json"], "weights")
        scheduler_class = getattr(importlib.import_module("diffusers"), class_name)
        return scheduler_class.from_config(config)

    def image_processor(self, name: str) -> Any:
        """The image processor, in the class that needs no torchvision."""
        prefix = "" if name == "." else f"{name}/"
        config = read_json(self._files[f"{prefix}preprocessor_config.json"], "weights")
        class_name = config.pop("feature_extractor_type", "CLIPImageProcessor")
        config = resized(config, class_name, self._size, self._files)
        processor = getattr(importlib.import_module("transformers"), RENAMED[class_name])
        return processor(**config)

    def module(self, name: str) -> Any:
        """A model with its random weights, in eval mode."""
        model = empty_module(self._files, self._checkpoint, name, self._size)
        folder = self._files[config_name(name)].parent
        self._fill(model, crc32(f"{folder.parent.name}/{folder.name}".encode()))
        return model.eval()

    @torch.no_grad()
    def _fill(self, model: Any, seed: int) -> None:
        generator = torch.Generator(self._drawn).manual_seed(seed)
        named = str(self._dtype).removeprefix("torch.")
        keeps = named in self._checkpoint.keeps_float32_at
        kept = self._checkpoint.keeps_float32 if keeps else ()
        made: dict[int, nn.Parameter] = {}  # of tied parameters, each is seen more than once
        for path, module in model.named_modules():
            for key, empty in list(module.named_parameters(recurse=False)):
                if id(empty) not in made:
                    whole = any(part in f".{path}.{key}" for part in kept)
                    dtype = torch.float32 if whole else self._dtype
                    noise = torch.empty(empty.shape, dtype=dtype, device=self._drawn)
                    values = suited(module, key, noise.normal_(generator=generator))
                    made[id(empty)] = nn.Parameter(values.to(self._held), requires_grad=False)
                setattr(module, key, made[id(empty)])
            for key, buffer in list(module.named_buffers(recurse=False)):
                dtype = self._dtype if buffer.is_floating_point() else buffer.dtype
                module.register_buffer(
                    key,
                    buffer.to(self._held, dtype),
                    persistent=key not in module._non_persistent_buffers_set,
                )
        _steady(model)


def empty_module(
    files: Mapping[str, Path], checkpoint: Checkpoint, name: str, size: RandomSize
) -> Any:
    """A model whose parameters have shapes and no values; its buffers are made as always.

    Args:
        files: name within the checkpoint -> file, of its configs.
    """
    from accelerate import init_empty_weights

    library, class_name = component_class(files, checkpoint, name)
    config = component_config(files, checkpoint, name, size)
    module_class = getattr(importlib.import_module(LIBRARIES.get(library, library)), class_name)
    with init_empty_weights():
        if library == "diffusers" or (library, class_name) == checkpoint.own_parts.get(name):
            return module_class.from_config(config)
        model = module_class(module_class.config_class(**config))
    model.tie_weights()  # each parameter was replaced by one of its own
    return model


def suited(module: nn.Module, key: str, noise: Tensor) -> Tensor:
    """Standard normal `noise`, scaled in place as the parameter `key` of `module` needs: a weight
    keeps its input's size, a norm passes it on.
    """
    if isinstance(module, nn.Embedding):
        return noise
    if key == "bias":
        return noise.mul_(0.1)
    if key == "weight" and noise.ndim == 1:  # a norm
        return noise.mul_(0.1).add_(1)
    if key == "weight":
        return noise.div_((noise.numel() / len(noise)) ** 0.5)
    if key == "clip_std":
        return noise.fill_(1)  # it multiplies the embeddings
    return noise.mul_(0.5)  # positions, marker tokens


def _steady(model: Any) -> None:
    """Let pictures be neither infinite nor of one colour."""
    from diffusers.models.attention_processor import SpatialNorm

    for norm in (module for module in model.modules() if isinstance(module, SpatialNorm)):
        norm.conv_y.weight.mul_(MODULATION)
        norm.conv_y.bias.add_(1)
        norm.conv_b.weight.mul_(MODULATION)
    if type(model).__name__ == "DPTForDepthEstimation":
        # Depths go through a last ReLU, which must not make them all zero.
        model.head.head[4].weight.abs_()
