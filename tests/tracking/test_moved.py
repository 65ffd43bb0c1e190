"""Output folders of any name, that were moved or copied, or came from somebody else."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from runner.catalog.tracking import ARTIFACTS, STORE, own_store, sqlite_path, sqlite_uri
from runner.errors import TrackingError
from runner.system.files import fit_name
from runner.tracking.artifacts import check_artifact, experiment_location, follow_artifacts
from runner.tracking.spool import Target, read_target
from runner.tracking.writer import deliver_left_behind
from tracking.processes import MLflow
from tracking.spools_made import check_whole, filled

NAMES = ("a?b", "a#b", "50%", "%20", "%41 b", "a b&c;d=e'\"", "ordnér-目录", "a@b:c", "?mode=ro")


@pytest.mark.parametrize("name", NAMES)
def test_the_address_of_a_store_is_read_back(name: str) -> None:
    path = Path("/folder", name, STORE)
    assert sqlite_path(sqlite_uri(path)) == path


def test_an_address_with_a_query_names_the_file_before_it() -> None:
    assert sqlite_path("sqlite:////a%20b/c.db?timeout=3") == Path("/a b/c.db")


@pytest.mark.slow
def test_a_folder_of_any_name_holds_its_store_and_its_artifacts(tmp_path: Path) -> None:
    outputs = tmp_path.joinpath(*NAMES)
    outputs.mkdir(parents=True)
    filled(outputs, Target(*own_store(outputs)), experiment="ü?#%20")
    assert deliver_left_behind(outputs) == {}
    mlflow = MLflow(sqlite_uri(outputs / STORE))
    check_whole(mlflow, mlflow.run())
    assert {path.name for path in outputs.iterdir()} == {".spool", ARTIFACTS, STORE}
    beside = [path for path in tmp_path.rglob("*") if not path.is_relative_to(outputs)]
    assert all(outputs.is_relative_to(path) for path in beside)


@pytest.mark.slow
def test_artifacts_follow_a_folder_that_was_moved(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    filled(before, Target(*own_store(before)))
    assert deliver_left_behind(before) == {}
    filled(before, Target(*own_store(before)), "not delivered yet")
    before.rename(after)
    waiting = after / ".spool" / "not delivered yet"
    assert read_target(waiting) == Target(*own_store(after))
    mlflow = MLflow(sqlite_uri(after / STORE))  # has the file open already
    mlflow.runs()
    assert deliver_left_behind(after) == {}
    assert not before.exists()
    old, new = sorted(mlflow.runs(), key=lambda run: run.info.run_name)
    check_whole(mlflow, old)
    for run in (old, new):
        artifacts = Path(unquote(urlsplit(run.info.artifact_uri).path))
        assert artifacts.is_relative_to(after / ARTIFACTS)


@pytest.mark.slow
@pytest.mark.parametrize("location", ["s3://bucket/x", "{0}/stolen", "link"])
def test_no_artifact_leaves_the_folder_of_somebody_else(tmp_path: Path, location: str) -> None:
    outputs = tmp_path / "outputs"
    filled(outputs, Target(*own_store(outputs)))
    assert deliver_left_behind(outputs) == {}
    stolen = tmp_path / "stolen"
    if location == "link":
        shutil.move(outputs / ARTIFACTS, stolen)
        (outputs / ARTIFACTS).symlink_to(stolen)
    else:
        with closing(sqlite3.connect(outputs / STORE)) as store, store:
            where = location.format(tmp_path)
            store.execute("UPDATE experiments SET artifact_location = ?", (where,))
            store.execute("UPDATE runs SET artifact_uri = ?", (where,))
    held = set(stolen.rglob("*"))
    filled(outputs, Target(*own_store(outputs)), "another")
    problems = deliver_left_behind(outputs)
    assert set(stolen.rglob("*")) == held
    if location == "link":
        assert "outside of" in problems["another"]
    else:
        assert problems == {}
        mlflow = MLflow(sqlite_uri(outputs / STORE))
        for run in mlflow.runs():
            assert run.info.artifact_uri.startswith((outputs / ARTIFACTS).as_uri() + "/")


PARTS = (
    "..", ".", "%2e%2e", "%2E.", "", "a", "ü", "%C3%BC", "artifacts", ARTIFACTS, "a?b", "#", "%00",
    "\\", "%5C", "%252e%252e", "..%2f", "\n", "\t", "a b", "~", "%FF",
)  # fmt: skip
BEGINNINGS = (
    "", "/", "file:", "file:///", "{root}", "{root}/", "{root}/x/", "s3://b/", "http://h/",
    "/old/mlartifacts/", "file:///old/mlartifacts/", "dbfs:/", "mlflow-artifacts:/", "{root}/../",
)  # fmt: skip
LOCATIONS = 2000


def test_every_location_is_set_to_one_in_the_folder(tmp_path: Path) -> None:
    outputs = tmp_path / "a?b %20ü"
    outputs.mkdir()
    root = (outputs / ARTIFACTS).as_uri()
    chance = random.Random(17)

    def some(beginnings: Sequence[str] = BEGINNINGS) -> str | None:
        parts = chance.choices(PARTS, k=chance.randrange(6))
        text = chance.choice(beginnings).replace("{root}", root) + "/".join(parts)
        return chance.choice((text, text, text, text, f"{text}/artifacts", None))

    rows = [(number, some(("",)), some()) for number in range(LOCATIONS)]
    moved = ("old", "x", "file:///old/mlartifacts/x"), ("new", "x", f"{root}/x")
    runs = [(some(("",)), number, some()) for number in range(LOCATIONS)]
    with closing(sqlite3.connect(outputs / STORE)) as store, store:
        store.executescript(
            "CREATE TABLE experiments (experiment_id, name, artifact_location);"
            "CREATE TABLE runs (run_uuid, experiment_id, artifact_uri)"
        )
        store.executemany("INSERT INTO experiments VALUES (?, ?, ?)", [*moved, *rows])
        also = [(own, own, f"{where}/{own}/artifacts") for own, _, where in moved]
        store.executemany("INSERT INTO runs VALUES (?, ?, ?)", [*also, *runs])
    follow_artifacts(outputs / STORE)
    with closing(sqlite3.connect(outputs / STORE)) as store:
        found = list(store.execute("SELECT artifact_location FROM experiments"))
        of_runs = list(store.execute("SELECT artifact_uri FROM runs"))
    assert found[:2] == [(f"{root}/x",), (f"{root}/x",)]
    assert of_runs[:2] == [(f"{root}/x/old/artifacts",), (f"{root}/x/new/artifacts",)]
    for (location,) in [*((f"{of}/1/artifacts",) for (of,) in found), *of_runs]:
        check_artifact(location, outputs / ARTIFACTS, "images/x.png")


@pytest.mark.parametrize("name", ["/x", "images/../../../../../../x", "../../../../../x"])
def test_no_name_of_an_artifact_leads_out(tmp_path: Path, name: str) -> None:
    location = (tmp_path / ARTIFACTS / "x" / "1" / "artifacts").as_uri()
    check_artifact(location, tmp_path / ARTIFACTS, "images/x.png")
    with pytest.raises(TrackingError, match="outside of"):
        check_artifact(location, tmp_path / ARTIFACTS, name)


def test_folders_of_long_names_stay_apart(tmp_path: Path) -> None:
    first, second = (fit_name("目" * 200 + end) for end in "ab")
    assert first != second
    assert len(first.encode()) <= 255
    assert fit_name("目" * 85) == "目" * 85
    (tmp_path / first).mkdir()
    assert experiment_location(tmp_path, "ü" * 400).startswith(tmp_path.as_uri())
