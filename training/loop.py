"""The loop every part shares: AdamW, an EMA of the weights, checkpoints, a progress line, a curve.

Every step draws from generators seeded by (seed, part, step), so there is no random state to carry
over: a run that resumes from a checkpoint makes the same weights, bit for bit, as one that was
never stopped. The learning rate warms up, stays, and falls to zero over the last steps, so a
budget can still be lowered while the rate stays: stop, and resume with fewer steps.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from training.steps import Captured, Draws, Learner, Lesson, Losses, Measure, batches

CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class Budget:
    """How long and how fast a part learns. `cooldown` and `warmup` count steps."""

    steps: int
    peak_lr: float
    warmup: int = 100
    cooldown: int = 500
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.99)
    ema_decay: float = 0.998
    checkpoint_every: int = 250
    report_every: int = 50
    batch: int = 32
    """Pictures a step, for parts that have no number of their own."""

    def lr(self, step: int) -> float:
        """Learning rate of `step`, counted from 0."""
        rise = min(1.0, (step + 1) / max(1, self.warmup))
        fall = min(1.0, (self.steps - step) / max(1, min(self.cooldown, self.steps)))
        return self.peak_lr * min(rise, fall)


@dataclass
class Run:
    """A part in training: its live weights, their EMA, and how far it has come."""

    name: str
    model: nn.Module
    ema: nn.Module
    step: int
    seconds: float
    history: list[dict[str, float]]


def train(
    name: str,
    model: nn.Module,
    lesson: Measure | Lesson,
    budget: Budget,
    folder: Path,
    seed: int,
    on_checkpoint: Callable[[Run], None] | None = None,
) -> Run:
    """Train `model` in `folder` up to `budget.steps`, resuming from the checkpoint there, if any.

    The lesson returns scalar losses; weights, EMA and optimiser are saved every
    `budget.checkpoint_every` steps and at the end. The EMA copy is returned in eval mode.
    """
    folder.mkdir(parents=True, exist_ok=True)
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    on_gpu = isinstance(lesson, Lesson) and learned[0].is_cuda
    optimizer = torch.optim.AdamW(
        learned,
        torch.tensor(budget.peak_lr, device=learned[0].device) if on_gpu else budget.peak_lr,
        betas=budget.betas,
        weight_decay=budget.weight_decay,
        capturable=on_gpu,
    )
    run = Run(name, model, copy.deepcopy(model).eval(), 0, 0.0, [])
    if (folder / CHECKPOINT).exists():
        load_checkpoint(run, optimizer, folder / CHECKPOINT)
    started = time.monotonic() - run.seconds
    means: dict[str, Tensor] = {}
    model.train()
    learner = Learner(model, optimizer)
    take = steps_of(lesson, learner, name, seed, range(run.step, budget.steps))
    while run.step < budget.steps:
        learner.set_lr(budget.lr(run.step))
        losses = take(run.step)
        run.step += 1
        follow(run.ema, model, min(budget.ema_decay, run.step / (10 + run.step)))
        for key, value in losses.items():
            means[key] = 0.95 * means.get(key, value) + 0.05 * value
        if run.step % budget.report_every == 0 or run.step == budget.steps:
            run.seconds = time.monotonic() - started
            told = {key: value.item() for key, value in means.items()}
            run.history.append({"step": run.step, **told})
            shown = " ".join(f"{key} {value:.4f}" for key, value in told.items())
            print(f"{name} {run.step}/{budget.steps} {run.seconds:.0f}s {shown}", flush=True)
        if run.step % budget.checkpoint_every == 0 or run.step == budget.steps:
            run.seconds = time.monotonic() - started
            save_checkpoint(run, optimizer, folder / CHECKPOINT)
            draw_curve(run, folder / "loss.png")
            if on_checkpoint is not None:
                on_checkpoint(run)
    return run


def steps_of(
    lesson: Measure | Lesson, learner: Learner, name: str, seed: int, steps: range
) -> Callable[[int], Losses]:
    """What takes each of the steps, in their order: a `Lesson` on a GPU as CUDA graphs."""
    if not isinstance(lesson, Lesson):
        return lambda step: learner.learn(lesson(learner.model, step, Draws.of(seed, name, step)))
    device = learner.learned[0].device
    drawn = batches(lesson, seed, name, steps, device)
    if device.type == "cuda":
        captured = Captured(learner, lesson.measure)
        return lambda _: captured.take(next(drawn))
    return lambda _: learner.learn(lesson.measure(learner.model, next(drawn)))


@torch.no_grad()
def follow(ema: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the EMA's parameters towards the model's by `1 - decay`; copy its buffers."""
    torch._foreach_lerp_(list(ema.parameters()), list(model.parameters()), 1 - decay)
    for kept, live in zip(ema.buffers(), model.buffers(), strict=True):
        kept.copy_(live)


def save_checkpoint(run: Run, optimizer: torch.optim.Optimizer, path: Path) -> None:
    """Write weights, EMA and optimiser to one safetensors file; all at once or not at all."""
    tensors = {f"model/{key}": value for key, value in run.model.state_dict().items()}
    tensors |= {f"ema/{key}": value for key, value in run.ema.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{key}": value for key, value in state.items()}
    notes = {
        "step": str(run.step),
        "seconds": str(run.seconds),
        "history": json.dumps(run.history),
    }
    fresh = path.with_suffix(".tmp")
    save_file({key: value.contiguous().clone() for key, value in tensors.items()}, fresh, notes)
    fresh.replace(path)


def load_checkpoint(run: Run, optimizer: torch.optim.Optimizer, path: Path) -> None:
    """Put what `save_checkpoint` wrote back into `run` and `optimizer`."""
    notes, tensors = read_checkpoint(path)
    run.model.load_state_dict(under("model/", tensors))
    run.ema.load_state_dict(under("ema/", tensors))
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in under("optimizer/", tensors).items():
        index, field = key.split("/")
        state.setdefault(int(index), {})[field] = value
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )
    run.step = int(notes["step"])
    run.seconds = float(notes["seconds"])
    run.history = json.loads(notes["history"])


def load_ema(model: nn.Module, folder: Path) -> nn.Module:
    """Load the EMA weights of the checkpoint in `folder` into `model`, frozen and in eval mode."""
    _, tensors = read_checkpoint(folder / CHECKPOINT)
    model.load_state_dict(under("ema/", tensors))
    return model.eval().requires_grad_(False)


def read_checkpoint(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Notes and tensors (on CPU) of a checkpoint file."""
    with safe_open(path, framework="pt") as file:
        return file.metadata(), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The entries whose key starts with `prefix`, without it."""
    return {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}


def draw_curve(run: Run, path: Path) -> None:
    """Draw every reported loss over the steps, on a log scale."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for key in keys_of(run.history):
        points = [(row["step"], row[key]) for row in run.history if row.get(key, 0) > 0]
        axes.plot(*zip(*points, strict=True), label=key) if points else None
    axes.set(xlabel="step", yscale="log", title=run.name)
    axes.legend()
    figure.savefig(path, dpi=90)


def keys_of(history: Iterable[dict[str, float]]) -> list[str]:
    """Names of what was reported, in order of first sight."""
    return [key for key in dict.fromkeys(k for row in history for k in row) if key != "step"]
