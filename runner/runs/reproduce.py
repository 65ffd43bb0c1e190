"""Runs a recorded run again, without the store, and compares the pictures."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from runner.config.choices import Progress
from runner.engine.observer import NodeResult, Observer
from runner.errors import ConfigError, RunnerError
from runner.graph.graph import Graph
from runner.graph.node import Node
from runner.images.png import DamagedPictureError, pixel_sha256, read_png
from runner.planning.plan import Plan, PlannedImage
from runner.recording.manifest import SavedImage
from runner.recording.progress import display_for
from runner.recording.provenance import describe
from runner.runs.execute import execute_plans
from runner.runs.find import RunRecord
from runner.runs.prepare import prepare_run
from runner.runs.rerun import as_rerun, asks_for


@dataclass(frozen=True)
class Comparison:
    """A picture made again, compared with the recorded one.

    Attributes:
        exact: whether every pixel is as recorded.
        furthest: largest difference of a pixel, in levels of 255; None where the recorded picture
            is missing or has another size.
        error: why it could not be made.
    """

    image: SavedImage
    exact: bool
    furthest: int | None = None
    error: str | None = None


@dataclass(frozen=True)
class Reproduction:
    """The compared pictures, and what differs from the record.

    Attributes:
        changed: changes of machine and libraries that may explain other pixels.
        contradictions: parts of the record that contradict each other, or these weights.
        taken: input pictures that were kept, in place of those that are gone or have changed.
    """

    comparisons: Sequence[Comparison]
    changed: Sequence[str] = field(default_factory=list)
    contradictions: Sequence[str] = field(default_factory=list)
    taken: Sequence[str] = ()

    def succeeded(self, tolerance: int) -> bool:
        """Whether nothing contradicts the record and no pixel differs by more than that."""
        return not self.contradictions and all(
            one.exact or (one.furthest is not None and one.furthest <= tolerance)
            for one in self.comparisons
        )


def reproduce(
    record: RunRecord,
    agree: Callable[[Sequence[str]], bool],
    progress: Progress = Progress.auto,
) -> Reproduction:
    """Make the pictures of a record again on this machine.

    Args:
        agree: asked before anything is fetched or loaded, with what goes beyond a small run on
            weights that are on this disk (`rerun.asks_for`); never with nothing.

    Raises:
        ConfigError: the recorded config cannot be run here, or was not agreed with; nothing was
            loaded.
    """
    with tempfile.TemporaryDirectory() as folder:
        run, taken = as_rerun(record, folder)
        asked = list(asks_for(run, record.images))
        if asked and not agree(asked):
            problem = f"takes more than a small run on what is on this disk: {'; '.join(asked)}"
            raise ConfigError("run", record.source, problem, "--yes, to agree with that")
        plan = prepare_run(run, may_ask_hub=bool(asked))
        wanted = list(_wanted(plan, record.images))
        made = _Made()
        graph = Graph(image.node for _, image in wanted if image is not None)
        with display_for(progress) as display:
            execute_plans([plan], [made, display], graph=graph)
    now = describe(plan)
    changed = list(_changes(record.environment, now))
    comparisons = [_compared(record, recorded, image, made) for recorded, image in wanted]
    contradictions = [
        *_other_weights(record.environment, now),
        *([] if changed else _other_keys(wanted, with_pictures=not taken)),
        *_other_files(record),
    ]
    return Reproduction(comparisons, changed, contradictions, taken)


def _wanted(
    plan: Plan, images: Sequence[SavedImage]
) -> Iterator[tuple[SavedImage, PlannedImage | None]]:
    planned = {(image.request.prompt, image.request.seed): image for image in plan.images}
    for image in images:
        yield image, planned.get((image.prompt, image.seed))


class _Made(Observer):
    """Keeps the pictures in memory."""

    def __init__(self) -> None:
        self.images: dict[str, Image.Image] = {}
        self.errors: dict[str, str] = {}

    def node_finished(self, result: NodeResult) -> None:
        if isinstance(value := result.value, Image.Image):
            self.images[result.node.key] = value

    def node_failed(self, node: Node, error: RunnerError) -> None:
        self.errors[node.key] = str(error)

    def node_blocked(self, node: Node, needed: Node) -> None:
        self.errors[node.key] = self.errors[needed.key]


def _compared(
    record: RunRecord, recorded: SavedImage, image: PlannedImage | None, made: _Made
) -> Comparison:
    if image is None:
        return Comparison(recorded, exact=False, error="the config does not make it")
    again = made.images.get(image.node.key)
    if again is None:
        return Comparison(recorded, exact=False, error=made.errors[image.node.key])
    if pixel_sha256(again) == recorded.sha256:
        return Comparison(recorded, exact=True, furthest=0)
    return Comparison(recorded, exact=False, furthest=_furthest(record.file(recorded), again))


def _furthest(file: Path | None, again: Image.Image) -> int | None:
    if file is None:
        return None
    try:
        before = read_png(file)
    except DamagedPictureError:
        return None  # told as a contradiction
    if before.size != again.size:
        return None
    levels = np.asarray(before, dtype=np.int16) - np.asarray(again, dtype=np.int16)
    return int(np.abs(levels).max())


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What else affects pixels besides config and weights, where it has changed."""
    for name in ("device", "threads", "processor", "runner", "git_commit"):
        if before.get(name) != now[name]:
            yield f"{name}: {before.get(name)}, here {now[name]}"
    libraries: Mapping[str, str] = before.get("libraries", {})
    for name, version in now["libraries"].items():
        if libraries.get(name) != version:
            yield f"{name}: {libraries.get(name)}, here {version}"


def _other_weights(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    recorded: Mapping[str, Any] = before.get("weights", {})
    for role, found in now["weights"].items():
        sha256 = recorded.get(role, {}).get("sha256")
        if sha256 != found["sha256"]:
            yield f"weights of the {role}: sha256 {sha256} recorded, {found['sha256']} here"


def _other_keys(
    wanted: Sequence[tuple[SavedImage, PlannedImage | None]], with_pictures: bool
) -> Iterator[str]:
    """Stage keys that differ: as the machine is unchanged, the recorded config must give them.

    Args:
        with_pictures: also those of stages that start from input pictures; these have other keys
            where the kept pictures were taken.
    """
    for recorded, image in wanted:
        if image is None or not recorded.stage_keys:
            continue
        nodes = image.node.lineage()
        stages = [
            stage
            for stage, node in nodes.items()
            if recorded.stage_keys.get(stage) != node.key
            and (with_pictures or not any(one.files for one in node.lineage().values()))
        ]
        if stages:
            yield (
                f"{recorded.prompt!r}, seed {recorded.seed}: the recorded config does not lead to "
                f"the recorded keys of {', '.join(stages)}"
            )


def _other_files(record: RunRecord) -> Iterator[str]:
    for image in record.images:
        file = record.file(image)
        if file is not None:
            try:
                found = pixel_sha256(read_png(file))
            except DamagedPictureError as error:
                yield f"{file.name} {error}"
            else:
                if found != image.sha256:
                    yield f"{file.name}: its pixels are not those of the record"
