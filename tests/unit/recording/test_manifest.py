"""manifest.json: what is written, and how records of other versions and damaged ones are read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers.fake_sweeps import IMAGE, MANIFEST
from helpers.manifests import read_manifest
from runner.recording.manifest import (
    Manifest,
    SavedFailure,
    SavedMetric,
    cell_status,
    has_whole_pictures,
    note_mlflow_run,
)
from runner.system.typed_json import FieldError
from runner.tracking.status import Status

FILE = "manifest.json"

TEXT = """{
 "version": 1,
 "run_id": "20261125T101530-made-0000",
 "mlflow_run_id": null,
 "status": "FAILED",
 "name": "made",
 "question": "Ist es grün?",
 "overrides": [
  "seeds=[0]"
 ],
 "images": [
  {
   "file": "0000_picture_seed0.png",
   "prompt": "a red circle",
   "negative_prompt": null,
   "seed": 0,
   "height": 64,
   "width": 64,
   "sha256": "of the pixels",
   "stage_keys": {
    "decode": "key"
   },
   "seconds": 0.25,
   "reused": false,
   "took": {},
   "timing": {
    "attempt": "made.1",
    "workers": 1,
    "stored": [],
    "first_calls": []
   },
   "repeats": {
    "decode": [
     0.5,
     1.0
    ]
   },
   "steps": 3,
   "peak_device_mb": null,
   "inputs": {},
   "inputs_sha256": {},
   "scores": {
    "ssim": 0.5
   },
   "corrected": [],
   "left_as_in_diffusers": []
  }
 ],
 "scores": {},
 "metrics": {
  "ssim": {
   "better": "higher"
  }
 },
 "failures": [
  {
   "key": "k",
   "stage": "decode",
   "error": "out of memory"
  }
 ],
 "config": {
  "seeds": [
   0
  ]
 },
 "environment": {}
}
"""

WHOLE = replace(
    MANIFEST,
    status=Status.FAILED,
    question="Ist es grün?",
    overrides=["seeds=[0]"],
    images=[replace(IMAGE, repeats={"decode": [0.5, 1.0]}, steps=3, scores={"ssim": 0.5})],
    metrics={"ssim": SavedMetric("higher")},
    failures=[SavedFailure("k", "decode", "out of memory")],
    config={"seeds": [0]},
)


def test_other_versions_of_the_runner_read_what_is_written(tmp_path: Path) -> None:
    WHOLE.write(tmp_path)
    assert (tmp_path / FILE).read_text(encoding="utf-8") == TEXT


def test_it_comes_back(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(TEXT, encoding="utf-8")
    found = Manifest.read(tmp_path)
    assert found == WHOLE
    assert found.status is Status.FAILED
    assert found.as_dict() == json.loads(TEXT)


def test_joules_and_calls_of_several_come_back_where_there_are_any(tmp_path: Path) -> None:
    drawn = replace(
        IMAGE, repeats={"decode": [0.5, 1.0]}, joules={"decode": 321.5}, together={"decode": 4}
    )
    replace(MANIFEST, images=[drawn]).write(tmp_path)
    (found,) = Manifest.read(tmp_path).images
    assert found == drawn
    assert found.joules_measured == 321.5
    of_one_stage = replace(drawn, repeats={"prior": [0.1], **drawn.repeats})
    assert of_one_stage.joules_measured is None, "the prior took some, too"


def test_fields_that_earlier_runners_did_not_write_have_defaults(tmp_path: Path) -> None:
    content: dict[str, Any] = json.loads(TEXT)
    for name in ("scores", "metrics", "mlflow_run_id"):
        del content[name]
    for name in (
        "took",
        "timing",
        "repeats",
        "steps",
        "peak_device_mb",
        "inputs",
        "inputs_sha256",
        "scores",
    ):
        del content["images"][0][name]
    (tmp_path / FILE).write_text(json.dumps(content))
    found = Manifest.read(tmp_path)
    assert (found.scores, found.metrics, found.mlflow_run_id) == ({}, {}, None)
    assert found.images == [replace(IMAGE, timing=None)]


def test_the_mlflow_run_is_noted_and_all_else_stays(tmp_path: Path) -> None:
    content = {**json.loads(TEXT), "of_a_later_runner": 1}
    (tmp_path / FILE).write_text(json.dumps(content))
    note_mlflow_run(tmp_path, "an id")
    assert read_manifest(tmp_path) == {**content, "mlflow_run_id": "an id"}


def image_with(**fields: object) -> dict[str, Any]:
    return {"images": [{**IMAGE.as_dict(), **fields}]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "'version' is another one: 2"),
        ({"status": "LOST"}, "'status' is none of PENDING, RUNNING, FINISHED, FAILED, KILLED"),
        ({"images": {}}, "'images' is no list: {}"),
        ({"images": [{"file": "a.png"}]}, "'images[0].prompt' is missing"),
        (image_with(seed="1"), "'images[0].seed' is no whole number: '1'"),
        (image_with(seed=True), "'images[0].seed' is no whole number: True"),
        (image_with(took={"decode": None}), "'images[0].took.decode' is no number: None"),
        ({"config": []}, "'config' is no object: []"),
    ],
)
def test_a_wrong_field_is_told_with_its_file(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    (tmp_path / FILE).write_text(json.dumps({**json.loads(TEXT), **change}))
    with pytest.raises(FieldError) as refused:
        Manifest.read(tmp_path)
    assert str(refused.value).startswith(f"{tmp_path / FILE}: {said}")
    assert cell_status(tmp_path) is Status.PENDING
    assert not has_whole_pictures(tmp_path)


@pytest.mark.parametrize("content", ["", '{"run_id": ', "[]", "null", '"text"', "{}"])
def test_what_is_no_manifest_is_that_of_a_cell_not_begun(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    assert Manifest.read_if_whole(tmp_path) is None
    assert cell_status(tmp_path) is Status.PENDING


def test_without_a_file_a_cell_was_not_begun(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Manifest.read(tmp_path)
    assert cell_status(tmp_path) is Status.PENDING
