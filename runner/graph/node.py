"""A node of the graph and its key, as plain data.

A node's key is the hash of all that decides its result: stage and its version, plain parameters,
the pipeline (weights by content, dtype, attention, scheduler, kind of device), library versions
and the keys of its inputs.
How it is run (offload, threads, folders) is no part of it.
The idea, keys before anything runs, follows allenai/tango's steps.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"
"""What can be hashed and written as JSON, and nothing else."""


KEY_LENGTH = 32


@dataclass(frozen=True)
class SchedulerSpec:
    """The scheduler to swap in, by its name in the config, with its options."""

    name: str
    options: tuple[tuple[str, str | int | float | bool], ...] = ()


@dataclass(frozen=True)
class CompileSpec:
    """How `torch.compile` treats the module that is called at each step.

    Attributes:
        mode: "default", "reduce-overhead", "max-autotune"; None: it is not compiled.
        channels_last: memory format of its weights.
        regional: its blocks are compiled, each kind once, and not the whole.
    """

    mode: str | None
    fullgraph: bool
    channels_last: bool
    regional: bool = False


@dataclass(frozen=True)
class LoraSpec:
    """A LoRA that is added to the module that is called at each step.

    Attributes:
        weights: hash of its file (never its path).
        weight: what its part is multiplied by.
    """

    weights: str
    weight: float


@dataclass(frozen=True)
class PipelineSpec:
    """A diffusers pipeline: everything about it that decides the pixels.

    Attributes:
        pipeline: diffusers class name, or the name of a transformers task.
        weights: fingerprint of the checkpoint's files (never its path).
        dtype: torch dtype name: float32, float16, bfloat16.
        attention: backend name.
        slice_size: attention heads at a time, for the sliced backend; None: half of them.
        scheduler: None leaves the checkpoint's own.
        without: components of the checkpoint that are not loaded.
        compile: None: not compiled, memory format unchanged.
        device: kind of device (cpu, cuda or mps); each kind sums in an order of its own.
        quantized: modules whose weights are kept in fewer bits, each with its method, by name.
        loras: in the order in which they are added.
    """

    pipeline: str
    weights: str
    dtype: str
    attention: str
    slice_size: int | None
    scheduler: SchedulerSpec | None
    without: tuple[str, ...] = ()
    compile: CompileSpec | None = None
    device: str = "cpu"
    quantized: tuple[tuple[str, str], ...] = ()
    loras: tuple[LoraSpec, ...] = ()

    @property
    def is_compiled(self) -> bool:
        """Whether its denoiser is called as compiled code."""
        return self.compile is not None and self.compile.mode is not None

    @property
    def base(self) -> PipelineSpec:
        """What decides the modules: pipelines that differ in class or scheduler share them, and
        those that differ in LoRAs, which are added and taken out.
        """
        return replace(self, pipeline="", scheduler=None, loras=())

    @property
    def identity(self) -> dict[str, Any]:
        """Values for keys and records. What came later is left out where it is not used, so that
        earlier keys stay.
        """
        unused = {name for name in ("quantized", "loras") if not getattr(self, name)}
        found = {name: value for name, value in asdict(self).items() if name not in unused}
        if self.compile is not None and not self.compile.regional:
            del found["compile"]["regional"]
        return found


@dataclass(frozen=True)
class Node:
    """One piece of work.

    Attributes:
        stage: its name in `runner.graph.stage_table.STAGES`.
        stage_version: raised when the stage's code changes its results.
        params: plain values that decide the result.
        inputs: input name -> node whose result it is.
        pipeline: the pipeline that it runs on; None for stages without a model.
        libraries: name -> version of the libraries that decide the result.
        files: name -> path of a file that it reads; no part of the key, `params` hold the hashes.
        label: for display; no part of the key.
        denoises: whether it calls the module that LoRAs are added to; else they are no part of the
            key. It runs on the same pipeline as those that do, so that nothing is loaded twice.
    """

    stage: str
    stage_version: int
    params: Mapping[str, Plain]
    inputs: Mapping[str, Node] = field(default_factory=dict)
    pipeline: PipelineSpec | None = None
    libraries: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict, compare=False)
    label: str = field(default="", compare=False)
    denoises: bool = field(default=True, compare=False)

    def __post_init__(self) -> None:
        for name in ("params", "inputs", "libraries", "files"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def __reduce__(self) -> tuple[type[Node], tuple[object, ...]]:
        # Read-only mappings cannot be pickled.
        values = (getattr(self, one.name) for one in fields(self))
        return Node, tuple(dict(v) if isinstance(v, MappingProxyType) else v for v in values)

    @cached_property
    def key(self) -> str:
        """Hex digest of all that decides the result."""
        identity = {
            "stage": self.stage,
            "version": self.stage_version,
            "params": dict(self.params),
            "inputs": {name: node.key for name, node in self.inputs.items()},
            "pipeline": self.pipeline_identity,
            "libraries": dict(self.libraries),
        }
        text = json.dumps(identity, sort_keys=True, ensure_ascii=False, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]

    @property
    def pipeline_identity(self) -> dict[str, Any] | None:
        """What of the pipeline decides the result."""
        if self.pipeline is None:
            return None
        return (self.pipeline if self.denoises else replace(self.pipeline, loras=())).identity

    def ancestors(self) -> dict[str, Node]:
        """All nodes that it needs, directly or indirectly, by the names of the inputs."""
        found: dict[str, Node] = {}
        for name, needed in self.inputs.items():
            for key, ancestor in {name: needed, **needed.ancestors()}.items():
                if ancestor in found.values():
                    continue
                number = sum(known.partition(".")[0] == key for known in found)
                found[f"{key}.{number + 1}" if number else key] = ancestor
        return found

    def lineage(self) -> dict[str, Node]:
        """The node itself, by the name of its stage, and its ancestors."""
        return {self.stage: self, **self.ancestors()}

    def integer(self, name: str) -> int:
        """A whole-number parameter."""
        value = self.params[name]
        assert isinstance(value, int), name
        return value

    def text(self, name: str) -> str:
        """A text parameter."""
        value = self.params[name]
        assert isinstance(value, str), name
        return value

    def number(self, name: str) -> float:
        """A parameter that is a number."""
        value = self.params[name]
        assert isinstance(value, int | float), name
        return value

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and self.key == other.key
