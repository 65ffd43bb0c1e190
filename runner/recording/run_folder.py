"""Writes the folder of one run: images with readable names, and `manifest.json`."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from runner.engine.observer import NodeResult, Observer, Ran
from runner.engine.results import Encoded, encode, picture_facts
from runner.engine.store import work_of
from runner.errors import RunnerError
from runner.graph.node import Node
from runner.graph.stage_table import STAGES, ResultKind
from runner.graph.values import Scores
from runner.images.png import with_text
from runner.planning.plan import Plan
from runner.planning.request import ImageRequest
from runner.recording.infotext import PARAMETERS, infotext
from runner.recording.manifest import (
    Manifest,
    SavedCut,
    SavedFailure,
    SavedImage,
    SavedMetric,
    SavedTiming,
)
from runner.recording.provenance import describe
from runner.system.files import below, make_folder, slug, write_whole
from runner.system.signals import hold_back
from runner.tracking.status import Status

INPUTS = "inputs"
"""Folder of the run folder, and of the artifacts of its MLflow run."""
SECONDS_BETWEEN_MANIFESTS = 1.0


class RunFolder(Observer):
    """Writes each image as soon as it is made, and keeps the manifest up to date.

    Args:
        run_id: the runner's own id of this run; part of every image's PNG text.
        path: the folder, which may exist already.
        attempt: names the process that runs it: this run, or an attempt at its sweep.
        on_image: called with the number and the complete file of each image.
        on_input: called with the complete file of each input picture.
        kept: pictures of an earlier attempt that stay, with their names.
    """

    def __init__(
        self,
        plan: Plan,
        run_id: str,
        path: Path,
        attempt: str,
        on_image: Callable[[int, Path], None],
        on_input: Callable[[Path], None],
        kept: Sequence[SavedImage] = (),
    ) -> None:
        self._plan = plan
        self.environment = describe(plan)
        self._run_id = run_id
        self._attempt = attempt
        self._workers = 0
        self._on_image, self._on_input = on_image, on_input
        # Key of a measuring node -> names of metrics, and numbers of images.
        self._measured: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
        self._scores: defaultdict[int, dict[str, float]] = defaultdict(dict)
        # The same prompt twice: one node, two images.
        self._requests: defaultdict[str, list[ImageRequest]] = defaultdict(list)
        for image in plan.images:
            self._requests[image.node.key].append(image.request)
            for name, node in image.measures.items():
                self._measured[node.key].append((name, image.request.index))
        self.scores: dict[str, float] = {}
        self._ran: dict[str, Ran] = {}  # by key, without the results
        self._written = 0.0
        # By number: workers finish them in any order.
        self._saved: dict[int, SavedImage] = {}
        self._inputs: dict[str, str] = {}  # by file: the hash of its pixels
        there = {(one.prompt, one.seed): one for one in kept}
        for planned in plan.images:
            index = planned.request.index
            if own := there.get((planned.request.prompt, planned.request.seed)):
                self._saved[index] = own
                self._scores[index] |= own.scores
                # Older records lack them; the picture is then written once more.
                hashes = own.inputs_sha256
                files = {f: hashes[n] for n, f in own.inputs.items() if n in hashes}
                self._inputs |= files
        self._kept = frozenset(self._saved)
        numbers = [own.number for own in kept]
        new = (one.request.index for one in plan.images if one.request.index not in self._kept)
        self._numbers = {index: n for n, index in enumerate(new, max(numbers, default=-1) + 1)}
        self.failures: list[SavedFailure] = []
        self.mlflow_run_id: str | None = None
        self.path = path
        make_folder(path)
        self.save_manifest(Status.RUNNING)

    @property
    def images(self) -> list[SavedImage]:
        """The images made so far, in order."""
        return [self._saved[index] for index in sorted(self._saved)]

    def workers_begun(self, workers: int, how: str) -> None:
        self._workers = workers

    def node_finished(self, result: NodeResult) -> None:
        node = result.node
        seconds = 0.0 if result.reused else result.ran.seconds
        self._ran[node.key] = replace(result.ran, made={}, seconds=seconds)
        if STAGES[node.stage].result is ResultKind.scores:
            self._note_scores(result)
        requests = self._requests.get(node.key)
        if not requests:
            return
        picture = encode(ResultKind.image, result.ran.made)
        for request in requests:
            with hold_back():  # no file without its entry in manifest and log
                kept = self._saved[request.index] if request.index in self._kept else None
                image = kept or self._save(result, request, picture)
                self._saved[request.index] = image
                self._on_image(request.index, self.path / image.file)
            if time.monotonic() - self._written > SECONDS_BETWEEN_MANIFESTS:
                self.save_manifest(Status.RUNNING)

    def _note_scores(self, result: NodeResult) -> None:
        scores = result.value
        assert isinstance(scores, Scores)
        for metric, node in self._plan.measures.items():
            if node.key == result.node.key:
                self.scores |= _named(metric, scores)
        for metric, index in self._measured[result.node.key]:
            self._scores[index] |= _named(metric, scores)
            if index in self._saved:
                self._saved[index] = replace(self._saved[index], scores=self._ordered(index))

    def _ordered(self, index: int) -> dict[str, float]:
        """An image's scores, the metrics in the config's order."""
        order = [metric.name for metric in self._plan.metrics]
        every = self._scores[index].items()
        found = [(name, value) for name, value in every if name.partition(".")[0] in order]
        return dict(sorted(found, key=lambda one: order.index(one[0].partition(".")[0])))

    def node_failed(self, node: Node, error: RunnerError) -> None:
        self.failures.append(SavedFailure(node.key, node.stage, str(error)))

    def save_manifest(self, status: Status) -> None:
        """Write manifest.json atomically. Raises StorageError where it cannot be written."""
        run = self._plan.run
        Manifest(
            run_id=self._run_id,
            mlflow_run_id=self.mlflow_run_id,
            status=status,
            name=run.name,
            question=run.question,
            overrides=list(run.overrides),
            flags=list(run.flags),
            images=self.images,
            scores=self.scores,
            metrics={m.name: SavedMetric(m.description.better) for m in self._plan.metrics},
            failures=self.failures,
            cut_texts=[SavedCut.of(cut) for cut in self._plan.cut_texts],
            config=run.recorded,
            environment=self.environment,
        ).write(self.path)
        self._written = time.monotonic()

    def _save(self, result: NodeResult, request: ImageRequest, picture: Encoded) -> SavedImage:
        facts = picture_facts(picture)
        name = f"{self._numbers[request.index]:04d}_{slug(request.prompt)}_seed{request.seed}.png"
        nodes, inputs = result.node.lineage(), self._saved_inputs(result)
        ran = {name: self._ran[n.key] for name, n in nodes.items() if n.key in self._ran}
        peaks = [one.peak_memory_bytes for one in ran.values()]
        saved = SavedImage(
            file=name,
            prompt=request.prompt,
            negative_prompt=self._plan.run.negative_prompt,
            seed=request.seed,
            height=facts.height,
            width=facts.width,
            sha256=facts.sha256,
            stage_keys={stage: n.key for stage, n in nodes.items()},
            seconds=round(sum(one.seconds for one in ran.values()), 4),
            reused=result.reused,
            took={name: round(seconds, 4) for name, seconds in result.took.items()},
            timing=SavedTiming(
                attempt=self._attempt,
                workers=self._workers,
                stored=[name for name in result.took if name not in result.first_calls],
                first_calls=[name for name, first in result.first_calls.items() if first],
            ),
            repeats={
                name: [round(seconds, 4) for seconds in one.repeats]
                for name, one in ran.items()
                if one.repeats
            },
            joules={n: round(one.joules, 2) for n, one in ran.items() if one.joules is not None},
            together={name: one.together for name, one in ran.items() if one.together > 1},
            steps=int(work_of(result.node)[1]),
            peak_device_mb=max((peak / 2**20 for peak in peaks if peak is not None), default=None),
            weights_mb=_weights_of(result),
            inputs=inputs,
            inputs_sha256={name: self._inputs[file] for name, file in inputs.items()},
            # Stored scores may come before the image.
            scores=self._ordered(request.index),
            corrected=list(self._plan.corrected),
            left_as_in_diffusers=list(self._plan.left),
        )
        plain = {PARAMETERS: infotext(self._plan, saved)}
        write_whole(self.path / name, with_text(picture.content, self._text(saved), plain))
        return saved

    def _saved_inputs(self, result: NodeResult) -> dict[str, str]:
        """Save each input picture once, however many images were made from it."""
        nodes, files = result.node.lineage(), {}
        for name, picture in result.pictures.items():
            file = files[name] = f"{INPUTS}/{name}_{nodes[name].key[:8]}.png"
            if file not in self._inputs:
                make_folder(below(self.path, INPUTS))
                encoded = encode(ResultKind.image, picture)
                facts = picture_facts(encoded)
                write_whole(self.path / file, encoded.content)
                self._inputs[file] = facts.sha256
                self._on_input(self.path / file)
        return files

    def _text(self, image: SavedImage) -> Mapping[str, str]:
        run = self._plan.run
        kept = {
            name: {"file": file, "sha256": image.inputs_sha256[name]}
            for name, file in image.inputs.items()
        }
        return {
            "prompt": image.prompt,
            "seed": str(image.seed),
            "run_id": self._run_id,
            "overrides": json.dumps(run.overrides, ensure_ascii=False),
            "config": json.dumps(run.recorded, ensure_ascii=False),
            "environment": json.dumps(self.environment, ensure_ascii=False),
            **({"inputs": json.dumps(kept, ensure_ascii=False)} if kept else {}),
        }


def _named(metric: str, scores: Scores) -> dict[str, float]:
    """A metric's numbers: one under its own name, several as "metric.number"."""
    return {f"{metric}.{part}" if part else metric: value for part, value in scores.values.items()}


def _weights_of(result: NodeResult) -> float | None:
    """MiB of the weights of all models that made an image; None where some are not known."""
    models = {n: node.pipeline for n, node in result.node.lineage().items() if node.pipeline}
    if not models.keys() <= result.weights_mb.keys():
        return None
    # Pipelines of one base share their modules.
    held = {spec.base: result.weights_mb[name] for name, spec in models.items()}
    return round(sum(held.values()), 3)
