"""Pipelines that outlive a command: what the next one wants too is loaded already.

The engine has pipelines unloaded as soon as no stage of its own needs them. Here they are set aside
instead, and leave memory only when it is needed: for others, or because it ran out.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from runner.engine.observer import Loaded
from runner.graph.node import PipelineSpec
from runner.pipelines import compilation
from runner.pipelines.compilation import code_counts
from runner.pipelines.device import free_memory
from runner.pipelines.module_graphs import drop_graphs, held_graphs
from runner.pipelines.offload import free_bytes
from runner.pipelines.pipelines import Pipelines
from runner.pipelines.quantization import held_bytes
from runner.system.files import size_and_time
from runner.system.machine import available_memory
from runner.weights.found import FoundCheckpoint

SPARE = 0.1
"""Share of the machine's memory that pipelines which nobody needs now leave free."""


@dataclass(frozen=True)
class Source:
    """The files of a checkpoint, as they were when it was read: each with its size and time."""

    files: tuple[tuple[Path, int, int], ...]

    @classmethod
    def of(cls, found: FoundCheckpoint) -> Source:
        """Of a checkpoint, as its files are now."""
        paths = sorted(found.checked.files.values()) if found.checked is not None else []
        return cls(tuple((path, *size_and_time(path)) for path in paths))

    @property
    def is_unchanged(self) -> bool:
        """Whether all of them are still as they were."""
        return all(size_and_time(path) == (size, time) for path, size, time in self.files)


class KeptPipelines(Pipelines):
    """Live pipelines for one command after another; made anew for each, from those of the last.

    Attributes:
        needed: bytes of the device that the command takes at once, at most.
    """

    needed = 0

    def __init__(self, *settings: Any) -> None:
        super().__init__(*settings)
        self._sources: dict[PipelineSpec, Source] = {}
        self._told: set[PipelineSpec] = set()

    def adopt(self, before: KeptPipelines) -> None:
        """Take over what the last command has loaded, and this one would load in the same way:
        files are those that were read, and the offload mode is the same.
        """
        same_mode = before._offload.mode == self._offload.mode
        if before._device != self._device or not same_mode or not self._captures_as(before):
            before.unload()
            return
        kept = {spec for spec, source in before._sources.items() if source.is_unchanged}
        for spec in before._bases.keys() - kept:
            drop_graphs(before._bases[spec])
        self._bases = {spec: base for spec, base in before._bases.items() if spec in kept}
        self._live = {spec: one for spec, one in before._live.items() if spec.base in kept}
        self._sources = {spec: before._sources[spec] for spec in self._bases}
        whole = len(self._bases) == len(before._bases)
        before._bases, before._live = {}, {}
        self._graph_memory = before._graph_memory
        if any(spec.is_compiled for spec in self._bases):
            self._code, self._code_counts = compilation.keep_code(self._device), code_counts()
        if not whole:
            free_memory(self._device)

    def _captures_as(self, before: KeptPipelines) -> bool:
        """Whether denoisers that the last command has loaded are graphs or not, as asked."""
        was, now = before._graphs, self._graphs
        return was.used == now.used and (not now.used or was.configured == now.configured)

    def get(self, spec: PipelineSpec) -> Any:
        """See `Pipelines.get`. What a command finds loaded is read back and checked for it."""
        self._settle_loras(spec)
        if spec.base not in self._bases:
            self._make_room(spec)
        if spec in self._live and spec not in self._told:
            self._loaded.append(self._read_again(spec))
        self._told.add(spec)
        return super().get(spec)

    def evict_except(self, specs: Collection[PipelineSpec]) -> None:
        """Set all pipelines but these aside."""
        self._told &= set(specs)

    def relieve(self) -> str | None:
        """After running out of memory: unload what is set aside; then as `Pipelines.relieve`."""
        if self._unload_aside():
            return "out of memory: what earlier stages and commands had loaded is unloaded"
        relief = super().relieve()
        self.unload()
        return relief

    def unload(self) -> None:
        """Unload everything, also what is set aside."""
        super().evict_except(())
        self._forget_sources()

    def peak_memory_bytes(self) -> int | None:
        """Peak device memory since the last call, without what is set aside."""
        peak = super().peak_memory_bytes()
        return None if peak is None else max(0, peak - self._bytes_aside())

    def memory(self) -> tuple[int, int] | None:
        """See `Pipelines.memory`: without what is set aside, as the peak."""
        if (found := super().memory()) is None:
            return None
        held, room = found
        aside = self._bytes_aside()
        return max(0, held - aside), max(0, room - aside)

    @property
    def names(self) -> tuple[str, ...]:
        """What is loaded, for display."""
        return tuple(sorted({f"{spec.pipeline} {spec.dtype}" for spec in self._live}))

    def _base(self, spec: PipelineSpec, found: FoundCheckpoint) -> Any:
        source = Source.of(found)  # before it is read
        base = super()._base(spec, found)
        self._sources.setdefault(spec.base, source)
        return base

    def _read_again(self, spec: PipelineSpec) -> Loaded:
        started = time.perf_counter()
        found = self._checked(spec, self._live[spec])
        return Loaded(spec, time.perf_counter() - started, found)

    def _make_room(self, spec: PipelineSpec) -> None:
        """Before a pipeline is loaded: unload what is set aside, where both may not fit."""
        free = free_bytes(self._device)
        if free is not None:
            held = torch.cuda.memory_allocated(self._device) + self._graph_memory.held
            if free - held < self.needed:
                self._unload_aside()
            return
        memory = available_memory()
        if memory is None or memory[0] < self.needed + SPARE * memory[1]:
            self._unload_aside()

    @property
    def _aside(self) -> set[PipelineSpec]:
        return self._bases.keys() - {spec.base for spec in self._told}

    def _unload_aside(self) -> bool:
        if not (aside := self._aside):
            return False
        super().evict_except({spec for spec in self._live if spec.base not in aside})
        self._forget_sources()
        return True

    def _forget_sources(self) -> None:
        self._sources = {spec: self._sources[spec] for spec in self._bases}

    def _bytes_aside(self) -> int:
        bases = [self._bases[spec] for spec in self._aside]
        parts = [part for base in bases for part in base.components.values()]
        modules = [part for part in parts if isinstance(part, torch.nn.Module)]
        graphs = [held for base in bases if (held := held_graphs(base)) is not None]
        return held_bytes(*modules, kind="cuda") + sum(one.held_bytes for one in graphs)
