"""What a plan's batches are: as text, and how many images the first of them may have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.catalog.memory import UNCERTAINTY
from runner.catalog.version import DECODER, PICTURES_SHARED
from runner.graph.node import Node
from runner.graph.stage_table import BATCHED_PARAM
from runner.planning.plan import Plan
from runner.planning.quantization import quantized_modules
from runner.planning.specs import lora_specs, precision_of


def batch_lines(plan: Plan) -> Iterator[str]:
    """How many images and texts go into one call, and which do not go together, with the reason."""
    if plan.run.batch_size == 1:
        return
    if plan.batch_size == 1:
        yield "one image in each call: on a CPU larger calls are not faster"
        return
    most = f"up to {plan.batch_size}" if plan.batch_size else "as many as memory holds"
    node = plan.images[0].node
    with_texts = any(BATCHED_PARAM in n.params for n in plan.graph if n.stage != node.stage)
    yield f"in one call: {most} images{', or texts' if with_texts else '; texts one by one'}"
    if BATCHED_PARAM not in node.params:
        yield "images one by one: pictures are left as diffusers takes them"
        return
    if plan.pictures and not plan.run.task.mixes:
        yield f"only images of the same pictures: {PICTURES_SHARED}"
    for name, why in plan.run.version.batch_shares.items():
        yield f"only images of the same {name}: {why}"


def first_size(plans: Sequence[Plan], node: Node, memory: int | None) -> int | None:
    """How many nodes like this one a device of so much memory holds at once, by reckoning.

    Args:
        memory: bytes; None: not known.

    Returns:
        None where it is not known, or nothing is reckoned of such a node.
    """
    spec = node.pipeline
    for plan in plans:
        found = plan.weights.checkpoints[DECODER]
        size = (node.params.get("height"), node.params.get("width"))
        quantized = quantized_modules(plan.run, found.checkpoint, DECODER)
        alike = spec is not None and (spec.weights, spec.quantized, spec.loras) == (
            found.identity, quantized, lora_specs(found),
        )  # fmt: skip
        if memory is not None and alike and size == (plan.height, plan.width):
            pixels = plan.height * plan.width
            held = found.footprint(precision_of(plan.run, DECODER), pixels, dict(quantized))
            # A layer is unpacked beside what is held: never more than one.
            unpacked = max(held.unpacked.values(), default=0)
            free = memory * (1 - UNCERTAINTY) - held.all_weights - unpacked
            return max(1, int(free // max(held.activations.values())))
    return None
