"""Turns a plan and the engine's events into records of an MLflow run."""

from __future__ import annotations

import json
import traceback
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.config.choices import LoggedImages
from runner.engine.observer import Loaded, NodeResult, Observer
from runner.errors import RunnerError
from runner.graph.node import Node
from runner.planning.plan import Plan
from runner.recording.display import compiled_text, graphs_text
from runner.recording.manifest import SavedCut, SavedImage
from runner.recording.params import NULL, add_asked, params_of, unsettled_of
from runner.recording.run_folder import INPUTS
from runner.system.text import pluralize, shell
from runner.tracking.pictures import IMAGES, chart_files, moment_of, picture_keys
from runner.tracking.session import TrackingSession, now_ms
from runner.tracking.status import Status

TABLE = "images.json"
BY_IMAGE = "image/"
"""Prefix of scores that are a series over the images: apart from their mean, which MLflow shows."""


class RunLog(Observer):
    """Puts one run's records into the session's spool.

    A record that cannot be written costs no image: it is lost, with one warning.
    """

    def __init__(self, session: TrackingSession, run_id: str) -> None:
        self._session = session
        self._run_id = run_id
        self._stage_seconds: defaultdict[str, list[float]] = defaultdict(list)
        self._load_seconds = 0.0
        self._reused = 0
        self._peak_device_bytes = 0
        self._loaded: list[dict[str, Any]] = []
        self._relieved: list[str] = []
        self._graphs: dict[str, str] = {}
        self._deaths: list[str] = []
        self._compiled: dict[str, str] = {}
        self._tracebacks: list[str] = []
        self._unsettled: dict[str, str] = {}
        self._logged_images = LoggedImages.files
        self._keys: Sequence[str] = ()
        self._numbers: dict[str, int] = {}  # of images, by file
        self._moment = moment_of(run_id)

    def describe(self, plan: Plan, environment: Mapping[str, Any]) -> None:
        """Record everything that is known before the first stage runs."""
        self._unsettled = unsettled_of(plan)
        self._logged_images = plan.run.tracking.images
        requests = (image.request for image in plan.images)
        self._keys = picture_keys((request.prompt, request.seed) for request in requests)
        self._append("params", params=params_of(plan, environment))
        tags = {"mlflow.note.content": run_note(plan)}
        if environment["git_commit"]:
            tags["mlflow.source.git.commit"] = environment["git_commit"].removesuffix("+changes")
        if plan.corrected:
            tags["runner.corrected"] = ", ".join(plan.corrected)
        if plan.left:
            tags["runner.left_as_in_diffusers"] = ", ".join(plan.left)
        self._append("tags", tags=tags)
        self._text("config.json", json.dumps(plan.run.recorded, indent=1, ensure_ascii=False))
        self._text("overrides.txt", "".join(f"{o}\n" for o in plan.run.overrides))
        self._text("environment.json", json.dumps(environment, indent=1, ensure_ascii=False))
        if plan.cut_texts:
            cuts = [SavedCut.of(cut).as_dict() for cut in plan.cut_texts]
            self._text("cut_texts.json", json.dumps(cuts, indent=1, ensure_ascii=False))
        self._text("graph.mmd", plan.graph.as_mermaid())
        records = plan.graph.as_records()
        self._text("graph.json", json.dumps(records, indent=1, ensure_ascii=False))

    def workers_begun(self, workers: int, how: str) -> None:
        self._append("tags", tags={"runner.workers": how})
        self._settle("workers", str(workers))

    def pipeline_loaded(self, loaded: Loaded) -> None:
        self._load_seconds += loaded.seconds
        self._loaded.append({"seconds": loaded.seconds, **loaded.readback})
        self._settle("offload.mode", loaded.readback["offload"]["mode"])
        accelerator = loaded.readback["accelerator"]
        if accelerator is not None:
            self._append("tags", tags={"runner.accelerator": accelerator["name"]})

    def node_finished(self, result: NodeResult) -> None:
        if result.reused:
            self._reused += 1
            return
        stage = result.node.stage
        self._stage_seconds[stage].append(result.ran.seconds)
        if result.ran.peak_memory_bytes is not None:
            self._peak_device_bytes = max(self._peak_device_bytes, result.ran.peak_memory_bytes)
        metrics = {f"seconds_{stage}": result.ran.seconds}
        if result.ran.repeats:
            metrics[f"seconds_{stage}_fastest"] = min(result.ran.repeats)
            metrics[f"seconds_{stage}_slowest"] = max(result.ran.repeats)
        if result.ran.together > 1:
            metrics[f"together_{stage}"] = result.ran.together
        if result.ran.joules is not None:
            metrics[f"joules_{stage}"] = result.ran.joules
        if result.ran.first_call:
            # The first call pays for compiling and warm-up: kept apart from later calls.
            metrics[f"seconds_{stage}_first_call"] = result.ran.seconds
        if result.ran.compiled is not None:
            self._compiled[stage] = f"{stage}: {compiled_text(result.ran.compiled)}"
            self._append("tags", tags={"runner.compiled": "\n".join(self._compiled.values())})
        graphs = result.ran.graphs
        if graphs is not None and graphs.is_told:
            said = f"{stage}: {graphs_text(graphs)}"
            if said != self._graphs.get(stage):  # once, not at each image
                if graphs.kind.holds:
                    metrics[f"graphs_mb_{stage}"] = graphs.held_bytes / 2**20
                self._graphs[stage] = said
                self._append("tags", tags={"runner.graphs": "\n".join(self._graphs.values())})
        if result.ran.peak_memory_bytes is not None:
            metrics[f"peak_device_mb_{stage}"] = result.ran.peak_memory_bytes / 2**20
        self._metrics(metrics, step=len(self._stage_seconds[stage]) - 1)

    def image_saved(self, index: int, path: Path) -> None:
        """Record an image's complete file; `index`: its number among the plan's images."""
        self._numbers[path.name] = index
        if self._logged_images is LoggedImages.charts:
            self._session.picture(self._run_id, path, self._keys[index], self._moment)
        elif self._logged_images is LoggedImages.files:
            self._session.file(self._run_id, path, IMAGES)

    def input_saved(self, path: Path) -> None:
        """Record an input picture's complete file."""
        self._session.file(self._run_id, path, INPUTS)

    def memory_relieved(self, node: Node, how: str) -> None:
        self._relieved.append(f"{node.stage} ({node.label}): {how}")
        self._append("tags", tags={"runner.memory_relieved": "\n".join(self._relieved)})

    def worker_died(self, node: Node, how: str) -> None:
        self._deaths.append(f"{node.stage} ({node.label}): {how}")
        self._append("tags", tags={"runner.workers_died": "\n".join(self._deaths)})

    def node_failed(self, node: Node, error: RunnerError) -> None:
        self.failed(error)

    def failed(self, error: RunnerError) -> None:
        """Record why the run, or a part of it, failed."""
        self._append("tags", tags={"runner.error": str(error)})
        self._tracebacks.append("".join(traceback.format_exception(error)))
        self._text("tracebacks.txt", "\n".join(self._tracebacks))

    def end(
        self,
        status: Status,
        images: Sequence[SavedImage],
        scores: Mapping[str, float],
        seconds: float | None = None,
        peak_process_bytes: int | None = None,
    ) -> None:
        """Write the run's last records.

        Args:
            scores: metrics of all images together.
            seconds: wall time; None where several runs share it.
            peak_process_bytes: the same.
        """
        totals: dict[str, float] = {
            "images": len(images),
            "stages_run": sum(map(len, self._stage_seconds.values())),
            "stages_reused": self._reused,
            "seconds_loading": self._load_seconds,
        }
        if seconds is not None:
            totals["seconds_total"] = seconds
        for stage, values in self._stage_seconds.items():
            totals[f"seconds_{stage}_sum"] = sum(values)
            # `seconds_<stage>` is a series: what MLflow shows of it is the last image's.
            totals[f"seconds_{stage}_mean"] = sum(values) / len(values)
        for name, mean in mean_scores(images).items():
            totals[f"mean_{name}"] = mean
        totals |= {**scores, **quantized_mb(self._loaded)}
        if peak_process_bytes is not None:
            totals["peak_process_mb"] = peak_process_bytes / 2**20
        if self._peak_device_bytes:
            totals["peak_device_mb"] = self._peak_device_bytes / 2**20
        for image in images:
            if image.scores:
                each = {f"{BY_IMAGE}{name}": score for name, score in image.scores.items()}
                # The number in the folder stays, whatever prompts and seeds a cell gains.
                self._metrics(each, step=max(0, image.number))
        self._metrics(totals, step=0)
        for key, asked in dict(self._unsettled).items():
            # Nothing ran, so nothing was chosen: what an earlier attempt chose holds.
            if asked != NULL:
                self._append("params", params={key: asked}, if_missing=True)
        counts = f"stages run: {totals['stages_run']:.0f}, taken from the store: {self._reused}"
        loaded = self._loaded or [{"note": f"no pipeline was loaded; {counts}"}]
        self._text("pipelines.json", json.dumps(loaded, indent=1, ensure_ascii=False))
        self._table(images)
        self._session.end(self._run_id, status)

    def _settle(self, key: str, value: str) -> None:
        """Log the settled value of a key. Once: MLflow takes no second value."""
        asked = self._unsettled.pop(key, None)
        if asked is not None and value != NULL:
            self._append("params", params=add_asked({key: asked}, {key: value}))

    def _append(self, kind: str, **content: Any) -> None:
        self._session.append(kind, self._run_id, **content)

    def _metrics(self, metrics: Mapping[str, float], step: int) -> None:
        self._append("metrics", metrics=dict(metrics), time_ms=now_ms(), step=step)

    def _text(self, name: str, text: str) -> None:
        self._session.text(self._run_id, name, text)

    def _table(self, images: Sequence[SavedImage]) -> None:
        columns = ["file", "prompt", "negative_prompt", "seed", "sha256", "seconds", "reused"]
        columns.append("seconds_measured")
        pictures = {image.file: cell for image in images if (cell := self._picture(image))}
        measured = sorted({name for image in images for name in image.scores})
        content = {
            "columns": [*(["picture"] if pictures else []), *columns, *measured],
            "data": [
                ([pictures.get(image.file)] if pictures else [])
                + [getattr(image, column) for column in columns]
                + [image.scores.get(name) for name in measured]
                for image in images
            ],
        }
        self._session.table(self._run_id, TABLE, json.dumps(content, ensure_ascii=False))

    def _picture(self, image: SavedImage) -> Mapping[str, str] | None:
        """A cell that MLflow shows as the picture; None: it was not logged."""
        if image.file not in self._numbers or self._logged_images is LoggedImages.none:
            return None
        full = small = image.file
        if self._logged_images is LoggedImages.charts:
            key = self._keys[self._numbers[image.file]]
            files = chart_files(key, self._moment, image.width, image.height)
            full, small = files.full, files.small
        shown = {"filepath": f"{IMAGES}/{full}", "compressed_filepath": f"{IMAGES}/{small}"}
        return {"type": "image", **shown}


def mean_scores(images: Sequence[SavedImage]) -> dict[str, float]:
    """Each metric's mean over the images that have it."""
    scores: defaultdict[str, list[float]] = defaultdict(list)
    for image in images:
        for name, value in image.scores.items():
            scores[name].append(value)
    return {name: sum(values) / len(values) for name, values in scores.items()}


def quantized_mb(loaded: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """MiB of all modules that are quantised, and what they took before; {}: none is.

    Args:
        loaded: what was read back of each pipeline.
    """
    modules = {
        (one["pipeline"], name): facts
        for one in loaded
        for name, facts in one.get("quantized", {}).items()
    }
    sums = {
        f"{what}_mb": sum(facts[key] for facts in modules.values()) / 2**20
        for what, key in (("quantized", "bytes"), ("unquantized", "bytes_before"))
    }
    return sums if modules else {}


def run_note(plan: Plan) -> str:
    run = plan.run
    images = pluralize(len(plan.images), "image")
    command = shell(["kandinsky", "run", *run.flags, *run.overrides])
    question = f"{run.question}\n\n" if run.question else ""
    return f"{question}{images}, Kandinsky {run.version.title}\n\n    {command}\n"
