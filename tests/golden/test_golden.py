"""What was written down of plans and runs still holds, and folders of before are gone on with.

Where a change is meant to alter any of it, `make.py` says how the record is written anew.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from . import plain
from .cases import KEPT_RUN, KEPT_SWEEP, PLANS, RUNS
from .making import HERE, complete, furnish, planned, ran, working_in
from .reading import key_libraries, said

UNTOUCHED = 2
"""Pictures of the kept sweep's first cell, which was finished."""


def recorded(name: str) -> Any:
    return json.loads((HERE / "record" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module", autouse=True)
def _same_libraries() -> None:
    """Keys hold the libraries' versions: with others there is nothing to compare."""
    before, now = recorded("versions")["libraries"], key_libraries()
    if before != now:
        pytest.skip(f"the record was made with {before}, and here is {now}")


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where plans are made: nothing is ever run in it."""
    return furnish(tmp_path_factory.mktemp("golden") / "plans")


def plans_of(*groups: str) -> list[Any]:
    return [pytest.param(g, name, id=f"{g}: {name}") for g in groups for name in PLANS[g]]


@pytest.mark.parametrize(("group", "name"), plans_of(*(g for g in PLANS if g != "sweeps")))
def test_a_config_is_planned_as_before(group: str, name: str, furnished: Path) -> None:
    if name.startswith("compile") and not any(map(shutil.which, ("c++", "g++", "clang++"))):
        pytest.skip("without a C++ compiler this is refused")
    assert planned(group, name, furnished) == recorded(group)[name]


@pytest.mark.parametrize(("group", "name"), plans_of("sweeps"))
def test_a_sweep_is_planned_as_before(group: str, name: str, furnished: Path) -> None:
    assert planned(group, name, furnished) == recorded(group)[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_runs_leave_what_they_left_before(name: str, tmp_path: Path) -> None:
    before, now = recorded("runs")[name], ran(name, furnish(tmp_path / "work"))
    pixels_before, pixels = before.pop("pixels"), now.pop("pixels")
    assert now == before
    if recorded("versions")["processor"] == plain.processor():
        assert pixels == pixels_before


def test_the_record_has_no_cases_that_are_gone() -> None:
    for group, cases in PLANS.items():
        assert list(recorded(group)) == list(cases)
    assert list(recorded("runs")) == list(RUNS)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A copy of what a sweep left that was killed before the modules moved into packages."""
    shutil.copytree(HERE / "unfinished" / "outputs", tmp_path / "outputs")
    return tmp_path


def sweep_folder(kept: Path) -> Path:
    (folder,) = (kept / "outputs" / "kept").iterdir()
    return folder


def manifest(folder: Path) -> Any:
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Of all files: when they were written, and what is in them."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.slow
def test_an_unfinished_sweep_of_before_is_gone_on_with(kept: Path) -> None:
    folder = sweep_folder(kept)
    first, second, third = (folder / name for name in ("0000_ddim", "0001_ddpm", "0002_dpmpp-2m"))
    statuses = [manifest(cell)["status"] for cell in (first, second, third)]
    assert statuses == ["FINISHED", "RUNNING", "RUNNING"]
    record = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
    finished, had = contents(first), contents(second)
    assert sum(name.endswith(".png") for name in finished) == UNTOUCHED
    (drawn,) = (name for name in had if name.endswith(".png"))

    with working_in(kept):
        one = said(complete(KEPT_SWEEP))

    assert one.status == 0, one.err
    assert "3 cells, 1 of them done earlier" in one.err
    assert "2 of 2 cells (1 more done earlier)" in one.out
    assert sweep_folder(kept) == folder
    again = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
    assert (again["status"], again["attempts"]) == ("FINISHED", record["attempts"] + 1)
    for key in ("sweep_id", "fingerprint", "cells", "axes", "command", "started"):
        assert again[key] == record[key]
    assert contents(first) == finished
    assert [manifest(cell)["status"] for cell in (first, second, third)] == ["FINISHED"] * 3
    reused = {image["file"]: image["reused"] for image in manifest(second)["images"]}
    assert reused == {name: name == drawn for name in reused}
    assert len(reused) == UNTOUCHED
    assert len(list(third.glob("*.png"))) == UNTOUCHED


@pytest.mark.slow
def test_a_store_of_before_is_reused(kept: Path) -> None:
    store = kept / "outputs" / ".cache" / "results"
    before = {path.relative_to(store).as_posix() for path in store.rglob("*")}
    (old,) = (kept / "outputs" / "kept").glob("*/0000_ddim")

    with working_in(kept):
        assert "6 already stored" in said(["plan", *complete(KEPT_RUN)]).out
        one = said(complete(KEPT_RUN))

    assert one.status == 0, one.err
    assert "loaded" not in one.err
    assert {path.relative_to(store).as_posix() for path in store.rglob("*")} == before
    made, was = manifest((kept / "outputs" / "latest").resolve()), manifest(old)
    assert [image["reused"] for image in made["images"]] == [True] * UNTOUCHED
    for key in ("sha256", "stage_keys", "took", "scores"):
        assert [image[key] for image in made["images"]] == [image[key] for image in was["images"]]
