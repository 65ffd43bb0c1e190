"""Shared by all calls of diffusers pipelines: generators, callbacks, checked arguments."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch

from runner.errors import StageError
from runner.graph.node import Node
from runner.graph.stage_table import GENERATOR
from runner.graph.values import OnStep, Value
from runner.stages.finite import check_finite

GENERATOR_STATE = "generator_state"
"""A generator's state after a stage (uint8): with `seeding=shared` the next continues from it."""


def started_generator(node: Node, inputs: Mapping[str, Value]) -> torch.Generator:
    """A prior's CPU generator: continued from the stage before it if that used one, else started
    from the node's seed.
    """
    return _started(node.integer("seed"), inputs.get(GENERATOR))


def generator_for(node: Node, inputs: Mapping[str, Value]) -> torch.Generator:
    """A decoder's generator: with `seeding=shared`, continued from the last stage that used it."""
    seed, negative = node.integer("seed"), node.inputs.get("negative")
    if node.text("seeding") != "shared":
        return _started(seed, None)
    went_on = negative is not None and GENERATOR in negative.inputs
    return _started(seed, inputs.get("negative" if went_on else "prior"))


def _started(seed: int, before: Value | None) -> torch.Generator:
    generator = torch.Generator("cpu").manual_seed(seed)
    if isinstance(before, dict) and GENERATOR_STATE in before:
        generator.set_state(before[GENERATOR_STATE])
    return generator


def call(pipeline: Any, on_step: OnStep, steps: int, arguments: Mapping[str, Any]) -> Any:
    """Call a pipeline, after checking its arguments: several pipelines ignore unknown ones.

    Raises:
        StageError: the pipeline has no such argument.
    """
    known = inspect.signature(pipeline.__call__).parameters
    if unknown := sorted(arguments.keys() - known.keys()):
        raise StageError(f"{type(pipeline).__name__} takes no {', '.join(unknown)}")
    # With small models on a CPU, autograd's bookkeeping is a twentieth of the time. Elsewhere it
    # is negligible, and weights that hooks move must not become inference tensors.
    on_cpu = pipeline._execution_device.type == "cpu"
    with torch.inference_mode(mode=on_cpu):
        return pipeline(**arguments, **_step_callback(known, on_step, steps))


def _step_callback(known: Mapping[str, Any], on_step: OnStep, steps: int) -> dict[str, Any]:
    """The pipeline's newer or older callback argument; empty for 2.1's prior, which has neither."""

    def at_step_end(pipeline: Any, step: int, timestep: Any, values: Any) -> Any:
        on_step(step + 1, steps)
        return values

    if "callback_on_step_end" in known:
        return {"callback_on_step_end": at_step_end}
    if "callback" in known:
        return {"callback": lambda step, timestep, latents: on_step(step + 1, steps)}
    return {}


def steps_run(node: Node) -> int:
    """How many denoising steps diffusers runs: `strength` cuts the schedule from its start."""
    steps = node.integer("num_inference_steps")
    if "strength" not in node.params:
        return steps
    return min(int(steps * node.number("strength")), steps)


def finite_on_cpu(node: Node, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors as they are stored. Raises NonFiniteError where one holds NaN or infinity."""
    for name, tensor in tensors.items():
        check_finite(node, name, tensor)
    return {name: tensor.detach().cpu() for name, tensor in tensors.items()}
