"""The catalog: complete, and its classes exist."""

from __future__ import annotations

import itertools
from importlib import import_module

import pytest
import transformers

from helpers.cases import CELLS, REFUSED
from runner.catalog.checkpoint import CLIP, Checkpoint, Layout
from runner.catalog.tasks import TASKS
from runner.catalog.version import Version
from runner.catalog.versions import CATALOG, VERSIONS, Row, refusal_of, version_of
from runner.graph.stage_table import BATCHED, STAGES
from runner.pipelines.load import pipeline_class
from runner.planning import tasks
from unit.conftest import Command, assert_refused

ROWS = pytest.mark.parametrize(
    "row", CATALOG, ids=lambda row: f"{row.version.name} {row.task.name}"
)
EACH_VERSION = pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)


@ROWS
def test_the_version_is_found_by_the_class_of_its_decoder(row: Row) -> None:
    assert version_of(row.checkpoints["decoder"].pipeline) is row.version


def test_each_task_has_its_function() -> None:
    assert list(tasks.TASKS) == list(TASKS)


def check_classes(checkpoint: Checkpoint) -> None:
    """They exist, and its traits are those of modules that it has."""
    if checkpoint.layout is Layout.diffusers and checkpoint.pipeline != CLIP:
        assert pipeline_class(checkpoint).__name__ == checkpoint.pipeline
    for name in checkpoint.architectures:
        assert hasattr(transformers, name), name
    assert {trait.module for trait in checkpoint.traits} <= set(checkpoint.modules)
    for module, name in checkpoint.own_parts.values():
        assert hasattr(import_module(module), name), name
    assert (checkpoint.original is None) == checkpoint.repo.endswith(f"/{checkpoint.folder}")
    told = (checkpoint.denoiser, checkpoint.autoencoder, (checkpoint.embedding or (None,))[0])
    assert set(filter(None, told)) <= set(checkpoint.modules)


@ROWS
def test_classes_and_modules_exist(row: Row) -> None:
    for checkpoint in row.checkpoints.values():
        check_classes(checkpoint)


@ROWS
def test_a_decoder_names_what_draws_and_what_decodes(row: Row) -> None:
    decoder = row.checkpoints["decoder"]
    assert decoder.denoiser == row.version.denoiser
    assert decoder.autoencoder is not None
    texts = {"prior"} if row.version.has_prior else {"text"}
    assert row.checkpoints.keys() - {"depth", "decoder"} == texts


@EACH_VERSION
def test_native_size_can_be_made(version: Version) -> None:
    assert version.native_size % version.size_multiple == 0
    assert version.max_size % version.size_multiple == 0
    assert version.native_size <= version.max_size


@EACH_VERSION
def test_a_version_names_stages_and_tasks_that_there_are(version: Version) -> None:
    assert version.text_stage in STAGES
    assert set(version.batch_shares) <= set(BATCHED["decode"].own_inputs)


@EACH_VERSION
def test_a_version_refuses_what_it_cannot_do(version: Version) -> None:
    assert set(version.refusals) <= set(TASKS) - set(version.tasks)


def test_every_task_is_done_by_a_version() -> None:
    assert {task for row in VERSIONS.values() for task in row.tasks} == set(TASKS)
    assert {*CELLS, *REFUSED} == set(itertools.product(VERSIONS, TASKS))


@pytest.mark.parametrize(("version", "task"), REFUSED)
def test_a_refused_cell_says_why_and_what_is_possible(
    command: Command, version: str, task: str
) -> None:
    possible = ", ".join(t for v, t in CELLS if v == version)
    versions = ", ".join(v for v, t in CELLS if t == task)
    assert possible
    assert versions
    # Not that so few steps leave none for a strength: the task has to be another.
    few = ("prior.num_inference_steps=2", "decoder.num_inference_steps=2")
    assert_refused(
        command("plan", f"model={version}", f"task={task}", "weights=hub", *few),
        f"task={task}: model={version} cannot: {refusal_of(VERSIONS[version], TASKS[task])}\n",
        f"task={task} with model={versions}; or model={version} with task={possible}\n",
    )


@pytest.mark.parametrize(
    ("override", "known"),
    [
        ("model.version=kandinsky9", VERSIONS),
        ("task.name=sculpture", TASKS),
        ("metrics.clip_score.clip=kandinsky9", VERSIONS),
    ],
)
def test_a_name_that_no_row_has_is_refused_with_those_that_there_are(
    command: Command, override: str, known: dict[str, object]
) -> None:
    assert_refused(
        command("plan", "metrics=clip_score", override),
        f"{override}: is none of its values",
        f"allowed: {', '.join(known)}",
    )
