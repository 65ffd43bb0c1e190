"""PipelineSpec -> live pipeline. Loads each checkpoint once; pipelines share modules."""

from __future__ import annotations

import inspect
import time
from collections import Counter
from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from runner.catalog.offload import Moves
from runner.catalog.quantization import PACKAGES, captured
from runner.config.choices import Graphs
from runner.engine.first_calls import note_first_call
from runner.engine.observer import Compiled, GraphsHeld, Loaded
from runner.graph.node import Node, PipelineSpec
from runner.pipelines import compilation, quantization
from runner.pipelines.attention import set_attention
from runner.pipelines.cuda_graphs import PoolMemory
from runner.pipelines.device import free_memory, memory_bytes, peak_memory_bytes
from runner.pipelines.energy import Counter as EnergyCounter
from runner.pipelines.energy import open_counter
from runner.pipelines.load import load, pipeline_class
from runner.pipelines.loras import can_switch, loras_differ, set_loras
from runner.pipelines.module_graphs import GraphChoice, drop_graphs, held_graphs, record_calls
from runner.pipelines.offload import OffloadChoice, place, prefetches
from runner.pipelines.random_weights import build
from runner.pipelines.read_back import check, read_back
from runner.pipelines.scheduler_swap import (
    published_scheduler,
    scheduler_changes,
    swap_scheduler,
)
from runner.pipelines.transformers_models import OwnPipeline
from runner.system.imports import sparing, without
from runner.weights.folder import CheckedFolder
from runner.weights.found import FoundCheckpoint


class Pipelines:
    """Live pipelines for one machine.

    Args:
        checkpoints: those of the run; a spec's is found by fingerprint and class.
        device: "cpu", "cuda", "cuda:N" or "mps".
        offload: the mode; may be stepped down after running out of memory.
        graphs: whether denoisers run as graphs; may be turned off after running out of memory.
            None: they do not.
    """

    def __init__(
        self,
        checkpoints: Collection[FoundCheckpoint],
        device: str,
        offload: OffloadChoice,
        graphs: GraphChoice | None = None,
    ) -> None:
        self._checkpoints = {(f.identity, f.checkpoint.pipeline): f for f in checkpoints}
        self._loras = {lora.sha256: lora for found in checkpoints for lora in found.loras}
        self._device = device
        self._offload = offload
        self._graphs = graphs or GraphChoice(Graphs.off, False, "as configured")
        self._graph_memory = PoolMemory()
        self._code: Path | None = None
        self._code_counts = Counter[str]()
        self._bases: dict[PipelineSpec, Any] = {}
        self._live: dict[PipelineSpec, Any] = {}
        self._loaded: list[Loaded] = []

    def get(self, spec: PipelineSpec) -> Any:
        """The pipeline of a spec, on its device, with all settings applied and read back.

        Raises:
            StageError: it cannot be loaded, or a setting does not read back as it was set.
        """
        self._settle_loras(spec)
        if spec not in self._live:
            started = time.perf_counter()
            pipeline = self._assembled(spec)
            place(pipeline, self._device, self._offload.mode)
            found = self._checked(spec, pipeline)
            self._live[spec] = pipeline
            self._loaded.append(Loaded(spec, time.perf_counter() - started, found))
        return self._live[spec]

    def _checked(self, spec: PipelineSpec, pipeline: Any) -> dict[str, Any]:
        """What is read back of a live pipeline. Raises StageError where it is not as requested."""
        left = self._checkpoints[spec.weights, spec.pipeline].checkpoint.unquantized
        found = read_back(pipeline, left, spec.loras)
        found["scheduler_changes"] = self._scheduler_changes(spec, pipeline)
        found["offload"] = {
            "mode": self._offload.mode.name,
            "reason": self._offload.reason,
            "prefetched": prefetches(pipeline),
        }
        if (kind := self._graphs.kind) is not None:
            found["graphs"] = {"kind": kind.name, **self._graphs_read_back(spec, pipeline)}
        check(spec, pipeline, self._offload.mode, found, self._loras)
        return found

    def _settle_loras(self, spec: PipelineSpec) -> None:
        """Have the module that a spec's pipeline shares with others compute with its LoRAs."""
        base, found = self._bases.get(spec.base), self._checkpoints[spec.weights, spec.pipeline]
        if base is None or not found.denoises:
            return
        module = getattr(base, found.checkpoint.denoiser)
        if not can_switch(spec, self._offload.mode) and loras_differ(module, spec.loras):
            self._forget(spec.base)
        elif set_loras(module, spec.loras, self._loras):
            compilation.lay_out(module, spec.compile)  # what was added
            drop_graphs(base)  # captured with other layers

    def _forget(self, key: PipelineSpec) -> None:
        """Unload the modules of a base, to load them anew."""
        drop_graphs(self._bases[key])
        del self._bases[key]
        self._live = {spec: live for spec, live in self._live.items() if spec.base != key}
        free_memory(self._device)

    def evict_except(self, specs: Collection[PipelineSpec]) -> None:
        """Unload all pipelines but these: a 10B text encoder is freed before the UNet is loaded."""
        bases = {spec.base for spec in specs}
        for spec in self._bases.keys() - bases:
            # No name for the pipeline here: it would still be there while memory is freed.
            drop_graphs(self._bases[spec])
        dropped = [spec for spec in self._live if spec not in specs]
        self._live = {spec: live for spec, live in self._live.items() if spec in specs}
        self._bases = {spec: base for spec, base in self._bases.items() if spec in bases}
        if dropped:
            free_memory(self._device)

    def unload(self) -> None:
        """Unload everything."""
        self.evict_except(())

    def check_used(self, spec: PipelineSpec) -> None:
        """After a run: raises StageError where compiled code should have been used and was not."""
        if spec.compile is not None:
            denoiser = self._checkpoints[spec.weights, spec.pipeline].checkpoint.denoiser
            module = getattr(self._live[spec], denoiser)
            compilation.check_called(denoiser, module, spec.compile)

    def relieve(self) -> str | None:
        """After running out of memory: the next offload mode.

        Returns:
            what was changed, for the log; None where no mode is left.
        """
        before = self._offload.mode
        if self._graphs.turn_off("out of memory with them"):
            changed = "out of memory with CUDA graphs: going on without"
        elif self._offload.step_down():
            mode = self._offload.mode.name
            changed = f"out of memory with offload={before.name}: going on with {mode}"
        else:
            return None
        self.evict_except(())
        free_memory(self._device)  # also of modules that were only partly moved
        return changed

    def pop_loaded(self) -> list[Loaded]:
        """Pipelines that were loaded since the last call."""
        loaded, self._loaded = self._loaded, []
        return loaded

    def peak_memory_bytes(self) -> int | None:
        """Peak device memory since the last call; None on a CPU."""
        peak = peak_memory_bytes(self._device)
        return None if peak is None else self._graph_memory.whole_peak(peak)

    def graphs(self, spec: PipelineSpec) -> GraphsHeld | None:
        """The graphs of a pipeline; None where it runs without."""
        live = self._live.get(spec)
        return None if live is None else held_graphs(live)

    def pop_compiled(self, node: Node, seconds: float) -> Compiled | None:
        """What was compiled since the last call, in which the node took so long."""
        if node.pipeline is None or not node.pipeline.is_compiled:
            return None
        before, self._code_counts = self._code_counts, compilation.code_counts()
        new = self._code_counts - before
        if not new:
            return None
        if self._code is not None:
            note_first_call(self._code, node, seconds, compiled=new["made"] > 0)
        return Compiled(new["made"], new["taken"], self._code is not None)

    def memory(self) -> tuple[int, int] | None:
        """Device memory that is held, and all that could be, in bytes; None on a CPU."""
        return memory_bytes(self._device)

    def joules(self) -> float | None:
        """The reading of the device's energy counter; None where it has none."""
        return None if self._energy is None else self._energy()

    @cached_property
    def _energy(self) -> EnergyCounter | None:
        return open_counter(self._device)

    def _assembled(self, spec: PipelineSpec) -> Any:
        """The spec's pipeline class and scheduler, with modules shared between pipelines."""
        found = self._checkpoints[spec.weights, spec.pipeline]
        base = self._base(spec, found)
        if spec.scheduler is None and type(base).__name__ == spec.pipeline:
            return base
        if isinstance(base, OwnPipeline):
            return base
        wanted = pipeline_class(found.checkpoint)
        taken = inspect.signature(wanted.__init__).parameters
        components = {name: part for name, part in base.components.items() if name in taken}
        if spec.scheduler is not None:
            published = published_scheduler(base.scheduler, spec.scheduler.name, found)
            components["scheduler"] = swap_scheduler(published, spec.scheduler)
        # The same modules with another class or scheduler: nothing is loaded twice.
        with sparing():
            pipeline = wanted(**components)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def _scheduler_changes(self, spec: PipelineSpec, pipeline: Any) -> list[dict[str, Any]]:
        if spec.scheduler is None:
            return []
        found = self._checkpoints[spec.weights, spec.pipeline]
        published = published_scheduler(
            self._base(spec, found).scheduler, spec.scheduler.name, found
        )
        return scheduler_changes(published, pipeline.scheduler)

    def _base(self, spec: PipelineSpec, found: FoundCheckpoint) -> Any:
        key = spec.base
        if key not in self._bases:
            assert found.checked is not None, "weights are fetched before anything runs"
            # Which libraries would import with the first class they load.
            with without(PACKAGES), sparing():
                base = self._read(spec, found, found.checked)
            self._quantize(base, spec, found)
            set_attention(base, spec.attention, spec.slice_size)
            if spec.loras:
                set_loras(getattr(base, found.checkpoint.denoiser), spec.loras, self._loras)
            if spec.is_compiled:
                self._code = compilation.keep_code(self._device)
                self._code_counts = compilation.code_counts()
            if spec.compile is not None:
                module = getattr(base, found.checkpoint.denoiser)
                compilation.compile_module(module, spec.compile)
                compilation.check_set(found.checkpoint.denoiser, module, spec.compile)
            if self._graphs.used and self._is_captured(spec, found):
                module = getattr(base, found.checkpoint.denoiser)
                record_calls(module, self._device, self._graph_memory, self._graphs)
            self._bases[key] = base
        return self._bases[key]

    def _quantize(self, base: Any, spec: PipelineSpec, found: FoundCheckpoint) -> None:
        whole = self._offload.mode.moves is Moves.PIPELINE
        left, dtype = found.checkpoint.unquantized, getattr(torch, spec.dtype)
        held = self._device if whole else "cpu"
        quantization.quantize_modules(base, spec.quantized, left, dtype, held)

    def _is_captured(self, spec: PipelineSpec, found: FoundCheckpoint) -> bool:
        possible = captured(dict(spec.quantized), found.checkpoint.denoiser)
        return found.denoises and not spec.is_compiled and possible

    def _graphs_read_back(self, spec: PipelineSpec, pipeline: Any) -> dict[str, Any]:
        used, reason = held_graphs(pipeline) is not None, self._graphs.reason
        if self._graphs.used and not used:
            reason = "nothing is called at each step"
            if spec.is_compiled:
                reason = "it is compiled"
            elif (found := self._checkpoints[spec.weights, spec.pipeline]).denoises:
                quantized = not self._is_captured(spec, found)
                reason = "it is quantised" if quantized else "hooks take its calls"
        return {"used": used, "reason": reason}

    def _read(self, spec: PipelineSpec, found: FoundCheckpoint, checked: CheckedFolder) -> Any:
        # What is to be quantised goes to the device layer by layer.
        whole = self._offload.mode.moves is Moves.PIPELINE and not spec.quantized
        if found.random is None:
            # Not on a CPU, where weights are mapped, and all processes share their pages.
            direct = whole and self._device.startswith("cuda")
            held = self._device if direct else None
            return load(spec, found.checkpoint, checked, held=held)
        held = self._device if whole else "cpu"
        return build(spec, found.checkpoint, checked, found.random, held=held, drawn=self._device)
