"""The MLflow run of one finished run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tracking.processes import CANARY, MLflow, Workplace

pytestmark = pytest.mark.slow

PROMPTS = ["a red circle", "a blue square"]


@pytest.fixture(scope="module")
def place(shared: Workplace) -> Workplace:
    status, output = shared.run(f"prompt={json.dumps(PROMPTS)}", "negative_prompt=a cross")
    assert status == 0, output
    return shared


@pytest.fixture(scope="module")
def mlflow(place: Workplace) -> MLflow:
    return MLflow(place.outputs / "mlflow.db")


@pytest.fixture(scope="module")
def run(mlflow: MLflow) -> Any:
    return mlflow.run()


@pytest.fixture(scope="module")
def artifacts(place: Workplace, run: Any) -> Path:
    return place.outputs / "mlartifacts" / "default" / run.info.run_id / "artifacts"


def test_it_is_finished_and_the_manifest_names_it(place: Workplace, run: Any) -> None:
    assert run.info.status == "FINISHED"
    assert place.manifest["mlflow_run_id"] == run.info.run_id
    assert run.info.end_time > run.info.start_time
    assert place.spools == []


SETTLED = {
    # key: (what became of it, what was asked for; None: the same)
    "name": ("default", None),
    "height": ("128", None),
    "width": ("128", None),
    "scheduler.name": ("ddpm", "checkpoint"),
    "device": ("cpu", "auto"),
    "threads": ("1", "auto"),
    "workers": ("1", "auto"),
    "batch_size": ("1", None),
    "cache.mode": ("use", "auto"),
    "offload.mode": ("none", None),
}


def leaves(config: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every value that is set of a nested config with its dotted key."""
    if isinstance(config, dict):
        for key, value in config.items():
            yield from leaves(value, (*before, key))
    elif config is not None:
        yield ".".join(before), config


def test_params_are_the_whole_config_and_what_became_of_it(place: Workplace, run: Any) -> None:
    found = dict(run.data.params)
    for key, (value, asked) in SETTLED.items():
        assert found.pop(key) == value, key
        assert found.pop(f"asked.{key}", None) == asked, key
    for role in ("prior", "decoder"):
        assert len(found.pop(f"weights.{role}.sha256")) == 16
    config = dict(leaves(place.manifest["config"]))
    assert found.keys() == config.keys() - SETTLED.keys()
    for key, text in found.items():
        assert (text if isinstance(config[key], str) else json.loads(text)) == config[key], key
    assert found["seeds"] == "[0]"
    assert json.loads(found["prompt"]) == PROMPTS
    assert found["negative_prompt"] == "a cross"


def test_artifacts_are_complete(mlflow: MLflow, run: Any, place: Workplace) -> None:
    assert mlflow.artifacts(run) == {
        "config.json", "overrides.txt", "environment.json", "graph.mmd", "graph.json",
        "pipelines.json", "images.json", "images",
    }  # fmt: skip
    assert mlflow.pictures(run) == {f"{prompt}/seed 0" for prompt in PROMPTS}
    assert run.data.tags["mlflow.loggedImages"] == "True"


def test_images_are_the_files_of_the_run_folder(artifacts: Path, place: Workplace) -> None:
    """No picture takes space twice: it has several names."""
    for image in place.manifest["images"]:
        original = place.outputs / "latest" / image["file"]
        key = f"{image['prompt']}~seed {image['seed']}+step+0+timestamp+"
        found = [path for path in (artifacts / "images").iterdir() if path.name.startswith(key)]
        assert len(found) == 2
        assert all(path.samefile(original) for path in found)


def test_config_and_overrides(artifacts: Path, place: Workplace) -> None:
    config = json.loads((artifacts / "config.json").read_text())
    assert config == place.manifest["config"]
    assert "negative_prompt=a cross" in (artifacts / "overrides.txt").read_text().splitlines()


def test_environment(artifacts: Path, run: Any) -> None:
    environment = json.loads((artifacts / "environment.json").read_text())
    assert {"torch", "diffusers", "transformers", "mlflow"} <= environment["libraries"].keys()
    assert environment["threads"] == 1
    assert environment["device"] == run.data.params["device"]
    commit = environment["git_commit"]
    if commit is not None:  # None where the package is installed without its checkout
        assert run.data.tags["mlflow.source.git.commit"] == commit.removesuffix("+changes")
    for role in ("prior", "decoder"):
        weights = environment["weights"][role]
        assert weights["source"] == "folder"
        assert weights["revision"] is None
        assert weights["sha256"] == run.data.params[f"weights.{role}.sha256"]


def test_graph(artifacts: Path, place: Workplace) -> None:
    nodes = json.loads((artifacts / "graph.json").read_text())
    # The negative prompt is embedded once for both prompts.
    assert sorted(node["stage"] for node in nodes) == ["decode", "decode", *["prior"] * 3]
    drawn = (artifacts / "graph.mmd").read_text()
    assert drawn.startswith("flowchart LR")
    for image in place.manifest["images"]:
        assert image["stage_keys"]["decode"] in {node["key"] for node in nodes}
        assert image["stage_keys"]["decode"][:8] in drawn


def test_pipelines_were_read_back(artifacts: Path, place: Workplace) -> None:
    prior, decoder = json.loads((artifacts / "pipelines.json").read_text())
    assert prior["pipeline"] == "KandinskyV22PriorPipeline"
    assert decoder["scheduler"] == "DDPMScheduler"
    planned = place.manifest["environment"]["scheduler"]
    assert planned == {"name": "ddpm", "changes": decoder["scheduler_changes"]}
    assert decoder["scheduler_config"]["num_train_timesteps"] == 1000
    assert prior["seconds"] > 0


def test_the_table_of_images(artifacts: Path, run: Any, place: Workplace) -> None:
    table = json.loads((artifacts / "images.json").read_text())
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    measured = [row.pop("seconds_measured") for row in rows]
    shown = [row.pop("picture") for row in rows]
    assert {picture["type"] for picture in shown} == {"image"}
    for name in ("filepath", "compressed_filepath"):
        assert [(artifacts / picture[name]).is_file() for picture in shown] == [True, True]
    assert rows == [{column: image[column] for column in row} for row, image in zip(
        rows, place.manifest["images"], strict=True
    )]  # fmt: skip
    assert all(seconds is None or seconds > 0 for seconds in measured)
    assert {"file", "prompt", "seed", "sha256"} <= set(table["columns"])
    logged = json.loads(run.data.tags["mlflow.loggedArtifacts"])
    assert logged == [{"path": "images.json", "type": "table"}]


def test_metrics(mlflow: MLflow, run: Any) -> None:
    found = run.data.metrics
    assert found["images"] == 2
    assert (found["stages_run"], found["stages_reused"]) == (5, 0)
    for stage, number in (("prior", 3), ("decode", 2)):
        values = mlflow.values(run, f"seconds_{stage}")
        assert len(values) == number
        assert min(values) > 0
        assert found[f"seconds_{stage}_sum"] == pytest.approx(sum(values))
    assert 0 < found["seconds_loading"] < found["seconds_total"]
    assert found["peak_process_mb"] > 100


def test_tags(run: Any, place: Workplace) -> None:
    tags = run.data.tags
    assert tags["runner.run_id"] == place.manifest["run_id"]
    assert "negative_prompt=a cross" in tags["mlflow.note.content"]
    assert tags["runner.workers"].startswith("1 worker (")
    assert not {"runner.error", "runner.ended", "runner.incomplete"} & tags.keys()


def test_no_value_of_the_environment_is_anywhere(place: Workplace) -> None:
    files = [path for path in place.folder.rglob("*") if path.is_file()]
    assert place.outputs / "mlflow.db" in files
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []
