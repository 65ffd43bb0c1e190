"""What a record decides when its run is made again: what is drawn, and nothing else.

Records come from anyone. Where to connect, what to fetch and where to write is never theirs to
say, and what goes beyond a small run is asked for first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from runner.config.choices import WeightsSource
from runner.config.lora import KEY as LORA
from runner.config.resolve import resolve_record
from runner.config.run_config import RunConfig
from runner.planning.pictures import is_address, named_pictures
from runner.planning.planner import Planner
from runner.recording.manifest import SavedImage
from runner.runs.find import RunRecord
from runner.runs.recorded_loras import with_loras
from runner.runs.sources import with_sources
from runner.system.credentials import strip_credentials
from runner.system.machine import cpu_cores
from runner.system.text import pluralize
from runner.weights.found import fetched_of

DRAWN = (
    "model", "weights", "task", "scheduler", "attention", "offload", "compile", "precision",
    "negative_prompt", "negative_prompt_for", "seeding", "height", "width", "inputs", "resize",
    "strength", "interpolate", "depth", "prior", "decoder", "corrections", "device", "threads",
    "batch_size", "channels_last", "any_size", "edit_template", "quantize", "lora",
)  # fmt: skip
"""Keys of a recorded config that are taken from it. Prompts and seeds are those of its images."""

LARGEST_SIDE = 2048
MOST_WORK = 2_000_000_000
"""Pixels times steps of all pictures that are drawn without a question: 20 pictures of 1024 x 1024
in 100 steps.
"""


def as_rerun(record: RunRecord, folder: str) -> tuple[RunConfig, tuple[str, ...]]:
    """The recorded config, reduced to its pictures, without tracking and store.

    Args:
        folder: where all that is written goes.

    Returns:
        the config; and which kept input pictures it names, see `sources.with_sources`.

    Raises:
        ConfigError: it is no config of this version, or its input pictures are lost.
    """
    config, taken = what_is_drawn(record)
    alone = {"tracking": {"tracker": "none"}, "cache": {"mode": "off"}, "output_dir": folder}
    return resolve_record({**config, **alone}), taken


def what_is_drawn(
    record: RunRecord, said: Collection[str] = ()
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What of the recorded config decides its pictures, with their prompts and seeds.

    Args:
        said: keys that the record does not decide: LoRAs are not looked for where others are said.

    Returns:
        as `as_rerun`.

    Raises:
        ConfigError: as there.
    """
    prompts = list(dict.fromkeys(image.prompt for image in record.images))
    config: dict[str, Any] = {key: record.config[key] for key in DRAWN if key in record.config}
    if LORA in said:
        config.pop(LORA, None)
    config |= {
        "prompt": prompts if any(prompts) else None,
        "seeds": list(dict.fromkeys(image.seed for image in record.images)),
    }
    resolve_record(config)  # its types are what they should be
    return with_sources(record, with_loras(record, config))


def asks_for(run: RunConfig, images: Sequence[SavedImage]) -> Iterator[str]:
    """What a run takes beyond a small one on what is on this disk, each as a line of text.

    Raises:
        ConfigError: weights are damaged, or cannot do the task.
    """
    for picture in named_pictures(run).values():
        if is_address(picture):
            yield f"a picture from {strip_credentials(picture)}"
    weights = Planner().needed_weights(run)
    for found in fetched_of(weights.checkpoints.values()):
        if found.checked is None:
            what = "a LoRA" if found.role == LORA else f"weights of the {found.role}"
            yield f"{what} from the hub, not on this disk: {found.repo}"
    if run.weights.source is WeightsSource.random and run.weights.size == "release":
        yield "random weights of the published sizes: gigabytes of memory"
    if isinstance(run.threads, int) and run.threads > cpu_cores():
        yield f"{run.threads} threads; this machine has {pluralize(cpu_cores(), 'core')}"
    sides = [side for image in images for side in (image.height, image.width)]
    sides += [side for side in (run.height, run.width) if side is not None]
    if max(sides, default=0) > LARGEST_SIDE:
        yield f"pictures of up to {max(sides)} pixels a side"
    steps = max(run.decoder.num_inference_steps, run.prior.num_inference_steps)
    if sum(image.height * image.width for image in images) * steps > MOST_WORK:
        yield f"{pluralize(len(images), 'picture')} in {steps} steps, which may take long"
