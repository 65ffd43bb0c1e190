"""The part of `kandinsky plan` that says where weights are, and what is to be done for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from runner.planning.plan import Plan
from runner.system.text import exact, format_bytes, pluralize
from runner.system.user_cache import user_cache_dir
from runner.weights.complete import newest_commit
from runner.weights.found import FoundCheckpoint


def weights_lines(checkpoints: Iterable[FoundCheckpoint]) -> Iterator[str]:
    """A line for each checkpoint."""
    told = set[Path]()
    for found in checkpoints:
        making = found.making
        same = making is not None and making.target in told
        yield f"  {found.role:<8} {'of the same files' if same else _where(found)}"
        if making is not None:
            told.add(making.target)


def lora_lines(plans: Sequence[Plan]) -> Iterator[str]:
    """A line for each LoRA; with its weight, where all cells give it one."""
    weights: dict[tuple[str, str], set[float]] = {}
    for found in (one for plan in plans for one in plan.weights.checkpoints.values()):
        for lora in found.loras:
            what = ""
            if lora.is_here:
                what = f"rank {lora.rank}, {pluralize(lora.layers, 'layer')} of the "
            what += f"{found.role}, weight "
            where = str(lora.path) if lora.repository is None else _where(lora.repository)
            weights.setdefault((where, what), set()).add(lora.weight)
    for (where, what), given in weights.items():
        yield f"  {'lora':<8} {where}: {what}{', '.join(map(exact, sorted(given)))}"


def _where(found: FoundCheckpoint) -> str:
    if found.checked is None:
        will = "download" if found.checkpoint.original is None else "download and convert"
        where = f"not on disk; a run will {will} it"
        if found.missing:
            files, size = len(found.missing), format_bytes(found.missing_bytes)
            where = f"{pluralize(files, 'file')} not on disk, {size}; a run will {will} it"
        elif found.making is not None:
            where = "a run will convert it"
        elif found.problem is not None:
            where = f"{where} ({found.problem})"
        if found.making is not None:
            size = format_bytes(found.making.bytes)
            where += f", which takes up to {size} in {found.making.target}"
    elif found.random is not None:
        numbers = sum(found.checked.parameters.values())
        where = f"{numbers / 1e6:,.1f} million numbers, made on the device; nothing is read"
    else:
        where = f"{found.checked.path}, {format_bytes(found.checked.bytes)}"
        if found.checked.converted:
            where += f", pickled: kept as safetensors in {user_cache_dir()}"
    if found.variant is not None:
        where = f"variant {found.variant}, {where}"
    newest = newest_commit(found.repo, found.wanted) if found.wanted else None
    if newest is not None and found.checked is not None and newest != found.revision:
        where += f"; {found.wanted} is now at {newest[:8]} (kandinsky download --newest)"
    revision = f"@{found.revision}" if found.revision else ""
    if found.random is not None:
        return f"{found.repo} ({found.random.name}), random: {where}"
    name = f"{found.repo}{revision}" if found.source.name == "hub" else found.source.name
    return f"{name}: {where}"
