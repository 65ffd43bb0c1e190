"""RunConfig -> Plan: all checks, all keys, the whole graph, and no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runner.catalog import Row, row_of
from runner.config.run_config import RunConfig
from runner.config.schema import AttentionBackend, OffloadMode, WeightsSource
from runner.errors import ConfigError
from runner.graph import Graph, Node
from runner.machine import PIXEL_LIBRARIES, cpu_cores, is_installed, settled_device, versions
from runner.mini.vocabulary import unknown_words
from runner.tasks import TASKS, ImageRequest, Materials
from runner.weights.find import FoundWeights, find_weights
from runner.weights.hashes import FileHashes

SMALL_MODEL_PARAMETERS = 50_000_000
"""Below this, one CPU thread beats several: the threads wait for each other longer than they
compute, and while another process keeps a core busy they are up to 60 times slower."""


SHOWN_WORDS = 8


@dataclass(frozen=True)
class PlannedImage:
    """An image, and the node that draws it."""

    request: ImageRequest
    node: Node


@dataclass(frozen=True)
class Plan:
    """What one cell will do, complete before it begins.

    Attributes:
        device: "cpu", "cuda", "cuda:N" or "mps".
        threads: CPU threads; `threads_reason` says why, for the log.
        warnings: what the user should know and may go on in spite of.
    """

    run: RunConfig
    row: Row
    weights: FoundWeights
    graph: Graph
    images: tuple[PlannedImage, ...]
    height: int
    width: int
    device: str
    threads: int
    threads_reason: str
    warnings: tuple[str, ...]


def cache_dir(run: RunConfig) -> Path:
    """Where stage results and file hashes are kept."""
    return run.output_dir / ".cache"


def make_plan(run: RunConfig, *, download: bool = False) -> Plan:
    """Check a run against its weights and the machine, and lay out its graph.

    Args:
        download: fetch hub weights that are not on disk. Without it their nodes' keys are
            provisional.

    Raises:
        ConfigError: anything that would fail later and can be known now.
    """
    row = row_of(run.version, run.task)
    _check_scheduler(run, row)
    device = settled_device(run.device)
    _check_attention(run)
    _check_offload(run, device)
    hashes = FileHashes(cache_dir(run) / "file-hashes.json")
    weights = find_weights(row, run.weights, hashes=hashes, download=download)
    native = weights.native_size or row.native_size
    height = _checked_size("height", run.height or native, row)
    width = _checked_size("width", run.width or native, row)
    threads, threads_reason = _threads(run, weights, device)
    materials = Materials(run, weights, versions(PIXEL_LIBRARIES))
    build = TASKS[run.version, run.task]
    requests = [
        ImageRequest(index, prompt, seed, height, width)
        for index, (prompt, seed) in enumerate((p, s) for p in run.prompts for s in run.seeds)
    ]
    images = tuple(PlannedImage(request, build(materials, request)) for request in requests)
    return Plan(
        run=run,
        row=row,
        weights=weights,
        graph=Graph(image.node for image in images),
        images=images,
        height=height,
        width=width,
        device=device,
        threads=threads,
        threads_reason=threads_reason,
        warnings=tuple(_warnings(run, device)),
    )


def _check_scheduler(run: RunConfig, row: Row) -> None:
    if run.scheduler.name not in row.schedulers:
        raise ConfigError(
            "scheduler",
            run.scheduler.name.name,
            f"gives wrong pictures with Kandinsky {row.version.value}",
            [scheduler.name for scheduler in row.schedulers],
        )


def _check_attention(run: RunConfig) -> None:
    if run.attention.backend is AttentionBackend.xformers and not is_installed("xformers"):
        others = [b.name for b in AttentionBackend if b is not AttentionBackend.xformers]
        raise ConfigError("attention", "xformers", "the package xformers is not installed", others)


def _check_offload(run: RunConfig, device: str) -> None:
    if run.offload is not OffloadMode.none and device == "cpu":
        raise ConfigError(
            "offload", run.offload.name, "needs an accelerator, and this run is on the CPU",
            ["none"],
        )  # fmt: skip


def _checked_size(key: str, size: int, row: Row) -> int:
    step = row.size_multiple
    if size % step or not step <= size <= row.max_size:
        lower = min(max(size // step, 1) * step, row.max_size)
        upper = min(lower + step, row.max_size)
        near = f"nearest: {lower}" + (f" or {upper}" if lower < size < upper else "")
        raise ConfigError(
            key, size, "the model cannot make this size",
            f"multiples of {step} from {step} to {row.max_size} ({near})",
        )  # fmt: skip
    return size


def _threads(run: RunConfig, weights: FoundWeights, device: str) -> tuple[int, str]:
    cores = cpu_cores()
    if run.threads is not None:
        return run.threads, "as configured"
    if device != "cpu":
        return cores, "all cores, the work is on the accelerator"
    parameters = max(found.parameters for found in weights.checkpoints.values())
    if 0 < parameters < SMALL_MODEL_PARAMETERS:
        return 1, f"the model is small: {parameters / 1e6:.1f} million parameters"
    return cores, "all cores, the model is large"


def _warnings(run: RunConfig, device: str) -> list[str]:
    warnings = []
    if run.weights.source is WeightsSource.mini:
        texts = [*run.prompts, *([run.negative_prompt] if run.negative_prompt else [])]
        unknown = {text: words for text in texts if (words := unknown_words(text))}
        if unknown:
            distinct = list(dict.fromkeys(word for found in unknown.values() for word in found))
            shown = ", ".join(map(repr, distinct[:SHOWN_WORDS]))
            more = f" and {len(distinct) - SHOWN_WORDS} more" if len(distinct) > SHOWN_WORDS else ""
            where = f"{len(unknown)} of {len(texts)} texts" if len(texts) > 1 else "this prompt"
            warnings.append(
                f"weights=mini does not know {shown}{more}, in {where}: it draws what the other "
                "words say (its words: runner/mini/weights/README.md)"
            )
    if device == "cpu" and {run.precision.prior.name, run.precision.decoder.name} - {"fp32"}:
        warnings.append("half precision on a CPU is slow and its pictures differ from fp32")
    return warnings
