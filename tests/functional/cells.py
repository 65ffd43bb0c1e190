"""Runs cells on the small random checkpoints in this process, and gives their live pipelines."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from accelerate import cpu_offload
from PIL import Image

from helpers.composing import compose_config
from helpers.pixels import Pixels, pixels
from runner.catalog import versions
from runner.engine.batch_sizes import BatchSizes
from runner.engine.execute import execute
from runner.engine.observer import Loaded, NodeResult, Observer
from runner.engine.store import Store
from runner.engine.workers import in_process
from runner.graph.node import PipelineSpec
from runner.pipelines.module_graphs import choose_graphs
from runner.pipelines.offload import OffloadChoice, choose_offload, free_bytes
from runner.pipelines.pipelines import Pipelines
from runner.planning.memory import footprints_of
from runner.planning.plan import Plan
from runner.planning.planner import cache_dir, make_plan
from runner.system.machine import settle_device

VERSIONS = tuple(versions.VERSIONS)
PROMPT = "a red circle on blue"


class Drawn(Observer):
    """What one cell made, and what its pipelines read back as."""

    def __init__(self) -> None:
        self.loaded: list[Loaded] = []
        self.results: list[NodeResult] = []
        self.relieved: list[str] = []

    def pipeline_loaded(self, loaded: Loaded) -> None:
        self.loaded.append(loaded)

    def node_finished(self, result: NodeResult) -> None:
        self.results.append(result)

    @property
    def pixels(self) -> Pixels:
        """Of the last image."""
        value = self.results[-1].value
        assert isinstance(value, Image.Image)
        return pixels(value)

    @property
    def pictures(self) -> list[Pixels]:
        """Of all images."""
        values = (result.value for result in self.of("decode"))
        return [pixels(value) for value in values if isinstance(value, Image.Image)]

    def of(self, stage: str) -> list[NodeResult]:
        """The results of a stage."""
        return [result for result in self.results if result.node.stage == stage]

    def read_back(self, name: str) -> Any:
        """One fact of every pipeline's read-back, module -> value, in one dictionary."""
        found: dict[str, Any] = {}
        for loaded in self.loaded:
            found |= loaded.readback[name]
        return found


class Watched(Pipelines):
    """The runner's own, which can be asked for what it gave last, and may keep it all."""

    def __init__(self, *given: Any, keep_all: bool = False) -> None:
        super().__init__(*given)
        self._keep_all = keep_all
        self.given: dict[str, Any] = {}

    def get(self, spec: PipelineSpec) -> Any:
        live = super().get(spec)
        self.given["prior" if "Prior" in spec.pipeline else "decoder"] = live
        return live

    def evict_except(self, specs: Collection[PipelineSpec]) -> None:
        if not self._keep_all:
            super().evict_except(specs)


def small(weights: Path | str, output_dir: Path, version: str, *overrides: str) -> list[str]:
    """Overrides of a small cell: one image of 64 px by three steps, on the CPU."""
    has_prior = versions.VERSIONS[version].has_prior
    steps = ["prior.num_inference_steps=3"] if has_prior else []
    if versions.VERSIONS[version].sizes:
        steps.append("any_size=true")
    return [
        f"model={version}", f"weights={weights}", f"output_dir={output_dir}", "device=cpu",
        "height=64", "width=64", "tracking=none", "decoder.num_inference_steps=3",
        f"prompt={PROMPT}", "progress=quiet", *steps, *overrides,
    ]  # fmt: skip


def planned(weights: Path | str, output_dir: Path, version: str, *overrides: str) -> Plan:
    """The plan of a small cell."""
    return make_plan(compose_config(*small(weights, output_dir, version, *overrides)))


def opened(plan: Plan, *, keep_all: bool = False) -> Watched:
    """Pipelines for a plan."""
    device = settle_device(plan.run.device)
    found = plan.weights.checkpoints.values()
    held = footprints_of(plan, len(plan.images))
    free = free_bytes(device)
    offload: OffloadChoice = choose_offload(plan.run.offload, device, held, free)
    graphs = choose_graphs(plan.run.graphs, device, offload.mode, held, free)
    return Watched(found, device, offload, graphs, keep_all=keep_all)


def opened_by_layer(plan: Plan) -> Watched:
    """Pipelines for a plan, all loaded, with accelerate's hooks of `sequential` on each module."""
    pipelines = opened(plan, keep_all=True)
    for spec in {node.pipeline for node in plan.graph} - {None}:
        assert spec is not None
        for part in pipelines.get(spec).components.values():
            if isinstance(part, torch.nn.Module):
                cpu_offload(part, torch.device("cpu"))
                assert next(part.parameters()).is_meta
    return pipelines


def drawn(plan: Plan, pipelines: Pipelines) -> Drawn:
    """Run a plan. Raises what made a stage fail."""
    made = Drawn()
    store = Store(cache_dir(plan.run) / "results", plan.run.cache)
    sizes = BatchSizes(plan.profile.batch_size)
    opening = in_process(lambda: pipelines)
    outcome = execute(plan.graph, opening, store, [made], batch_sizes=sizes)
    for error in outcome.failed.values():
        raise error
    return made
