"""What records say of a cell's LoRAs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runner.config.lora import KEY
from runner.planning.plan import Plan
from runner.system.text import exact
from runner.weights.found import FoundLora


def describe_loras(plan: Plan) -> dict[str, dict[str, Any]]:
    """Config key ("lora[0].path") -> the file that was taken, by content; {}: there are none."""
    return {
        lora.key: {
            "path": str(lora.path), "sha256": lora.sha256, "role": role, "weight": lora.weight,
            "rank": lora.rank, "layers": lora.layers, **_repository(lora),
        }
        for role, lora in _loras(plan)
    }  # fmt: skip


def with_lora_params(params: dict[str, str], plan: Plan) -> dict[str, str]:
    """Parameters of MLflow, with one for each value of a LoRA in place of the list of all: named as
    an axis of a sweep names them.
    """
    if KEY not in params:
        return params
    own = {
        f"{lora.key.replace('[', '.').partition(']')[0]}.{name}": value
        for role, lora in _loras(plan)
        for name, value in {
            "path": str(lora.path), "weight": exact(lora.weight), "role": role,
            "rank": lora.rank, "sha256": lora.sha256, **_repository(lora),
        }.items()
    }  # fmt: skip
    return {**{name: value for name, value in params.items() if name != KEY}, **own}


def _repository(lora: FoundLora) -> dict[str, str]:
    """The repository of the hub and its commit, where it is of one."""
    found = lora.repository
    return {} if found is None else {"repo": found.repo, "revision": str(found.revision)}


def _loras(plan: Plan) -> Iterator[tuple[str, FoundLora]]:
    for role, found in plan.weights.checkpoints.items():
        for lora in found.loras:
            yield role, lora
