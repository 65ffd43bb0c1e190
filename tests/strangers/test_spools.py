"""`kandinsky sync`, and any run, in an output folder of somebody else."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from runner.catalog.tracking import SQLITE
from runner.cli import main
from runner.tracking.spool import Target
from runner.tracking.writer import deliver_left_behind
from tracking.processes import MLflow
from tracking.spools_made import filled

pytestmark = pytest.mark.slow


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The output folder; the user has named no tracking server yet."""
    monkeypatch.setenv("KANDINSKY_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "outputs"
    folder.mkdir()
    return folder


@pytest.fixture
def own(outputs: Path) -> Target:
    return Target(f"{SQLITE}{outputs / 'mlflow.db'}", str(outputs / "mlartifacts"))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """A stranger's server, and what it was sent; the user has a token."""
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "the user's token")
    seen: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            seen.append(str(self.rfile.readline()))

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{listening.server_port}", seen
    listening.shutdown()


def test_a_strangers_server_gets_nothing(
    outputs: Path, server: tuple[str, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    address, seen = server
    spool = filled(outputs, Target(address, None))
    assert main(["sync", str(outputs)]) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert f"the records are for {address}, which no command of yours has named" in told
    assert f"--to {address}" in told
    assert seen == []
    assert spool.exists()  # nothing is lost
    main(["sync", str(outputs), "--to", address])
    assert seen != []  # now the user has said so


def test_files_of_other_folders_are_not_delivered(outputs: Path, own: Target) -> None:
    secret = outputs.parent / "secret.txt"
    secret.write_text("the secret of another folder")
    (outputs / "link.txt").symlink_to(secret)
    spool = filled(outputs, own)
    named = [str(secret), "../secret.txt", "link.txt", "/etc/passwd", "", "/dev/zero"]
    records = (spool / "records.jsonl").read_text().splitlines()
    where = next(n for n, line in enumerate(records) if json.loads(line)["kind"] == "file")
    files = [json.dumps({**json.loads(records[where]), "path": path}) for path in named]
    (spool / "records.jsonl").write_text(
        "\n".join([*records[:where], *files, *records[where:]]) + "\n"
    )
    assert deliver_left_behind(outputs) == {}
    mlflow = MLflow(outputs / "mlflow.db")
    assert mlflow.artifacts(mlflow.run(), "notes") == {"notes/note.txt"}
    assert [f.name for f in (outputs / "mlartifacts").rglob("*") if f.is_file()] != []


def _link(spool: Path, outside: Path) -> None:
    (spool / "records.jsonl").rename(outside / "records.jsonl")
    (spool / "records.jsonl").symlink_to(outside / "records.jsonl")


def _pipe(spool: Path, outside: Path) -> None:
    (spool / "records.jsonl").unlink()
    os.mkfifo(spool / "records.jsonl")


def _lock(spool: Path, outside: Path) -> None:
    (spool / "writer.lock").symlink_to(outside / "made")


def _problem(spool: Path, outside: Path) -> None:
    (spool / "problem.txt").symlink_to(outside / "made")
    (spool / "target.json").write_text("{}")


def _folder(spool: Path, outside: Path) -> None:
    spool.rename(outside / "spool")
    spool.symlink_to(outside / "spool")


def _all_spools(spool: Path, outside: Path) -> None:
    spool.parent.rename(outside / "spools")
    spool.parent.symlink_to(outside / "spools")


def _target(spool: Path, outside: Path) -> None:
    (spool / "target.json").write_text('{"uri": 5, "artifact_root": []}')


def _artifacts(spool: Path, outside: Path) -> None:
    target = json.loads((spool / "target.json").read_text())
    (spool / "target.json").write_text(json.dumps({**target, "artifact_root": str(outside)}))


def _database(spool: Path, outside: Path) -> None:
    (spool.parents[1] / "mlflow.db").symlink_to(outside / "made.db")


@pytest.mark.parametrize(
    "alter", [_link, _pipe, _lock, _problem, _folder, _all_spools, _target, _artifacts, _database]
)
def test_a_spool_that_the_runner_did_not_write_so_is_left_alone(
    outputs: Path, own: Target, alter: Callable[[Path, Path], None]
) -> None:
    outside = outputs.parent / "outside"
    outside.mkdir()
    alter(filled(outputs, own), outside)
    before = sorted(outside.rglob("*"))
    deliver_left_behind(outputs)
    assert sorted(outside.rglob("*")) == before
    assert not (outputs / "mlartifacts").exists()


def test_an_id_that_is_a_path_removes_nothing(
    made: Path, outputs: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same sweep command, over a record of a sweep that names a folder outside as its id."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "target.json").write_text("{}")
    sweep = (
        "-m", "seeds=[1],[2]", f"weights={weights}", f"output_dir={outputs}", "height=64",
        "width=64", "decoder.num_inference_steps=2", "prior.num_inference_steps=2",
        "progress=quiet", "workers=1",
    )  # fmt: skip
    assert main([*sweep, "tracking=none"]) == 0
    (record,) = outputs.glob("*/*/sweep.json")
    content = json.loads(record.read_text())
    for own in ("../../victim", "..", "a/../../victim"):
        record.write_text(json.dumps({**content, "sweep_id": own, "status": "RUNNING"}))
        assert main([*sweep, "tracking=none"]) == 0
        assert (victim / "target.json").exists()
