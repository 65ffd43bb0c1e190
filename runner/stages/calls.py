"""What all calls of diffusers' pipelines have in common: generators, callbacks, arguments."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch

from runner.errors import StageError
from runner.graph.node import Node
from runner.graph.values import OnStep, Value
from runner.stages.finite import check_finite

GENERATOR_STATE = "generator_state"
"""Where a stage's generator stands after it (uint8): with `seeding=shared` the next goes on."""


def started_generator(node: Node, inputs: Mapping[str, Value], name: str) -> torch.Generator:
    """A CPU generator: from where the stage of input `name` left it, if there is one that used
    it, and else from the node's seed.
    """
    return _started(node.integer("seed"), inputs.get(name))


def generator_for(seed: int, seeding: str, inputs: Mapping[str, Value]) -> torch.Generator:
    """That of a decoder: with `seeding=shared` it goes on from the last stage that used it."""
    if seeding != "shared":
        return _started(seed, None)
    return _started(seed, inputs.get("negative" if "negative" in inputs else "prior"))


def _started(seed: int, before: Value | None) -> torch.Generator:
    generator = torch.Generator("cpu").manual_seed(seed)
    if isinstance(before, dict) and GENERATOR_STATE in before:
        generator.set_state(before[GENERATOR_STATE])
    return generator


def call(pipeline: Any, on_step: OnStep, steps: int, arguments: Mapping[str, Any]) -> Any:
    """Call a pipeline with arguments that it really has: several swallow unknown ones silently.

    Raises:
        StageError: an argument is none of the pipeline's.
    """
    known = inspect.signature(pipeline.__call__).parameters
    if unknown := sorted(arguments.keys() - known.keys()):
        raise StageError(f"{type(pipeline).__name__} takes no {', '.join(unknown)}")
    # With small models on a CPU a twentieth of the time is autograd's bookkeeping. Elsewhere it is
    # nothing, and hooks may be moving weights, which are not to become tensors of this mode.
    on_cpu = pipeline._execution_device.type == "cpu"
    with torch.inference_mode(mode=on_cpu):
        return pipeline(**arguments, **_step_callback(known, on_step, steps))


def _step_callback(known: Mapping[str, Any], on_step: OnStep, steps: int) -> dict[str, Any]:
    """The newer callback, the older one, or none: 2.1's prior has neither."""

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
