"""sweep.json: what is written, and which records are not touched."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers.fake_sweeps import SWEEP
from runner.recording.sweep_record import CellEntry, SweepRecord, find_sweep, list_sweeps
from runner.system.typed_json import FieldError
from runner.tracking.status import Status

NEXT_HOUR = ("2026-10-25T02:50:00+02:00", "2026-10-25T02:10:00+01:00", "2026-10-25T02:05:00+00:00")
"""In the order in which they came: a clock set back, a folder from another zone."""

CELLS = (
    CellEntry(0, ("seed=1",), "0000_1", "first"),
    CellEntry(1, ("seed=2",), "0001_2", "second"),
)
RECORD = replace(SWEEP, status=Status.KILLED, axes={"seed": ["1", "2"]}, cells=CELLS)

TEXT = """{
 "version": 1,
 "sweep_id": "20261125T101530-made",
 "fingerprint": "made",
 "name": "made",
 "status": "KILLED",
 "attempts": 1,
 "started": "2026-11-25T10:15:30+00:00",
 "seconds": 83.5,
 "axes": {
  "seed": [
   "1",
   "2"
  ]
 },
 "runs": {},
 "cells": [
  {
   "number": 0,
   "overrides": [
    "seed=1"
   ],
   "folder": "0000_1",
   "fingerprint": "first"
  },
  {
   "number": 1,
   "overrides": [
    "seed=2"
   ],
   "folder": "0001_2",
   "fingerprint": "second"
  }
 ],
 "command": "kandinsky run -m ..."
}
"""


def put(output_dir: Path, name: str, content: object) -> Path:
    folder = output_dir / "default" / name
    folder.mkdir(parents=True)
    (folder / "sweep.json").write_text(json.dumps(content))
    return folder


def test_other_versions_of_the_runner_read_what_is_written(tmp_path: Path) -> None:
    RECORD.write(tmp_path)
    assert (tmp_path / "sweep.json").read_text(encoding="utf-8") == TEXT


def test_it_comes_back_and_without_a_command_too(tmp_path: Path) -> None:
    content = json.loads(TEXT)
    assert SweepRecord.read(put(tmp_path, "a", content)) == RECORD
    del content["command"]
    assert SweepRecord.read(put(tmp_path, "b", content)) == replace(RECORD, command="")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "is of another version"),
        ({"cells": [{"number": 0}]}, "'cells[0].overrides' is missing"),
        ({"status": "LOST"}, "'status' is none of"),
        ({"of_a_later_runner": 1}, "'of_a_later_runner' is not known"),
    ],
)
def test_what_this_runner_would_lose_or_misread_is_left_out(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    whole = put(tmp_path, "whole", json.loads(TEXT))
    wrong = put(tmp_path, "wrong", {**json.loads(TEXT), **change})
    with pytest.raises(FieldError) as refused:
        SweepRecord.read(wrong)
    assert str(refused.value).startswith(f"{wrong / 'sweep.json'}: {said}")
    assert list_sweeps(tmp_path) == [(whole, RECORD)]


def test_the_newest_of_a_fingerprint_is_found(tmp_path: Path) -> None:
    put(tmp_path, "b", {**json.loads(TEXT), "started": "2026-11-25T10:15:30+00:00"})
    newest = put(tmp_path, "a", {**json.loads(TEXT), "started": "2026-11-26T10:15:30+00:00"})
    put(tmp_path, "c", {**json.loads(TEXT), "fingerprint": "another"})
    found = find_sweep(tmp_path, "made")
    assert found is not None
    assert found[0] == newest
    assert find_sweep(tmp_path, "none") is None


def test_sweeps_are_in_the_order_of_time_whatever_the_clocks_say(tmp_path: Path) -> None:
    for number, started in enumerate(reversed(NEXT_HOUR)):
        folder = tmp_path / "made" / str(number)
        folder.mkdir(parents=True)
        replace(RECORD, started=started).write(folder)
    assert [record.started for _, record in list_sweeps(tmp_path)] == list(NEXT_HOUR)
