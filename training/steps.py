"""One step of training: on any device, or on a GPU as a CUDA graph of the whole step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random

import torch
from torch import Generator, Tensor, nn
from torch.utils.data import DataLoader, Dataset

Losses = dict[str, Tensor]
"""What a step measures; the loop minimises the one called "loss"."""
Batch = dict[str, Tensor]
WORKERS = 4
"""Processes that draw batches ahead of a GPU."""
USUAL = 3
"""Steps of a batch's shape that run as usual before its graph is captured."""


@dataclass(frozen=True)
class Draws:
    """The random sources of one step: Python's for scenes and words, torch's for tensors (CPU)."""

    python: Random
    torch: Generator

    @classmethod
    def of(cls, seed: int, part: str, step: int) -> Draws:
        """Sources that depend on nothing but the three arguments."""
        digest = sha256(f"{seed}/{part}/{step}".encode()).digest()
        number = int.from_bytes(digest[:7], "big")
        return cls(Random(number), Generator().manual_seed(number))


Measure = Callable[[nn.Module, int, Draws], Losses]
"""Draws a step's batch and measures the model on it."""


@dataclass(frozen=True)
class Lesson:
    """A `Measure` in three parts. `draw` works on the CPU, so that other processes can do it while
    a GPU is busy. `prepare` moves on from there with frozen models. `measure` works on the device
    alone, so that a CUDA graph can keep it.
    """

    draw: Callable[[Draws], Batch]
    prepare: Callable[[Batch], Batch]
    measure: Callable[[nn.Module, Batch], Losses]


class Drawn(Dataset[Batch]):
    """The batches of a lesson, by step."""

    def __init__(self, lesson: Lesson, seed: int, part: str) -> None:
        self.lesson, self.seed, self.part = lesson, seed, part

    def __getitem__(self, step: int) -> Batch:
        return self.lesson.draw(Draws.of(self.seed, self.part, step))


def batches(
    lesson: Lesson, seed: int, part: str, steps: range, device: torch.device
) -> Iterator[Batch]:
    """Prepared batches, one a step, on `device`; drawn ahead by other processes if it is a GPU."""
    on_gpu = device.type == "cuda"
    loader = DataLoader(
        Drawn(lesson, seed, part),
        batch_size=None,
        sampler=steps,
        num_workers=WORKERS if on_gpu else 0,
        prefetch_factor=8 if on_gpu else None,
        pin_memory=on_gpu,
    )
    for batch in loader:
        moved = {key: value.to(device, non_blocking=True) for key, value in batch.items()}
        with torch.no_grad():
            prepared = lesson.prepare(moved)
        yield prepared


@dataclass
class Learner:
    """A model with its optimiser, taken one step further at a time."""

    model: nn.Module
    optimizer: torch.optim.Optimizer

    def learn(self, losses: Losses) -> Losses:
        """Move the weights along the gradient of the loss, clipped to norm 1."""
        self.optimizer.zero_grad()
        torch.autograd.backward(losses["loss"])
        nn.utils.clip_grad_norm_(self.learned, 1.0)
        self.optimizer.step()
        return {key: value.detach() for key, value in losses.items()}

    @property
    def learned(self) -> list[nn.Parameter]:
        """What is trained."""
        return [one for group in self.optimizer.param_groups for one in group["params"]]

    def set_lr(self, lr: float) -> None:
        """The learning rate of the next step."""
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(lr)  # a captured step reads it there
            else:
                group["lr"] = lr


@dataclass
class Captured:
    """Steps of a lesson on a GPU. Most of the small models' time there goes into launching
    kernels one by one; a graph launches all of a step at once, and computes the same.

    A graph is kept for each shape of a batch.
    """

    learner: Learner
    measure: Callable[[nn.Module, Batch], Losses]
    stream: torch.cuda.Stream = field(default_factory=torch.cuda.Stream)
    met: dict[tuple[torch.Size, ...], int] = field(default_factory=dict)
    kept: dict[tuple[torch.Size, ...], tuple[torch.cuda.CUDAGraph, Batch, Losses]] = field(
        default_factory=dict
    )

    def take(self, batch: Batch) -> Losses:
        """One step; its losses are overwritten by the next one."""
        shape = tuple(value.shape for value in batch.values())
        self.met[shape] = self.met.get(shape, 0) + 1
        if self.met[shape] <= USUAL:
            return self.take_as_usual(batch)
        if shape not in self.kept:
            self.kept[shape] = self.capture(batch)
        graph, inputs, losses = self.kept[shape]
        for key, value in batch.items():
            inputs[key].copy_(value)
        graph.replay()
        return losses

    def take_as_usual(self, batch: Batch) -> Losses:
        """On a stream of its own, as what is captured later must be."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            losses = self.learner.learn(self.measure(self.learner.model, batch))
        torch.cuda.current_stream().wait_stream(self.stream)
        return losses

    def capture(self, batch: Batch) -> tuple[torch.cuda.CUDAGraph, Batch, Losses]:
        """Record a step, without taking it."""
        inputs = {key: value.clone() for key, value in batch.items()}
        graph = torch.cuda.CUDAGraph()
        self.learner.optimizer.zero_grad()  # to None: the graph is to have gradients of its own
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            losses = self.learner.learn(self.measure(self.learner.model, inputs))
        return graph, inputs, losses
