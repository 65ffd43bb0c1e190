"""`kandinsky compare`: from a finished sweep to tables, files and MLflow."""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from functional.made import STEPS
from helpers.manifests import read_manifest
from runner.analysis.reading import read_results
from runner.analysis.votes.record import VOTES, Answer, Shown, append_vote, new_vote
from runner.cli import main
from runner.recording.manifest import MANIFEST
from runner.recording.sweep_record import SweepRecord
from runner.tracking import session
from runner.tracking.delivery import prepare_environment

PROMPTS = ["a red circle", "синий квадрат"]
BASELINE = "scheduler=ddim decoder.num_inference_steps=3"
AXES = ["scheduler", "decoder.num_inference_steps"]
FILES = {
    "comparison.md", "comparison.csv", "comparison.tex", "comparison.json",
    *(f"pareto_{name}.{kind}" for name in ("clip_score", "psnr") for kind in ("png", "pdf", "svg")),
}  # fmt: skip

prepare_environment()


@pytest.fixture(scope="module")
def swept(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2 schedulers x 2 numbers of steps, each 2 prompts x 4 seeds; recorded in MLflow."""
    output_dir = tmp_path_factory.mktemp("compare") / "outputs"
    given = (
        f"weights={weights}", f"output_dir={output_dir}", "progress=quiet", "workers=1", STEPS[0],
        "scheduler=ddim,ddpm", "decoder.num_inference_steps=2,3", f'baseline="{BASELINE}"',
        "metrics=[clip_score,psnr,sharpness]", "seeds=[0,1,2,3]",
        f"prompt={json.dumps(PROMPTS, ensure_ascii=False)}",
    )  # fmt: skip
    assert main(["-m", *given]) == 0
    return (output_dir / "latest").resolve()


def scores(swept: Path, cell: int) -> dict[tuple[str, int], dict[str, float]]:
    """(prompt, seed) -> what the manifest says."""
    manifest = read_manifest(swept / SweepRecord.read(swept).cells[cell].folder)
    return {(image["prompt"], image["seed"]): image["scores"] for image in manifest["images"]}


def runs(swept: Path) -> list[tuple[Any, ...]]:
    """All that MLflow says of how runs went."""
    with sqlite3.connect(swept.parents[1] / "mlflow.db") as database:
        asked = "select run_uuid, status, start_time, end_time, lifecycle_stage from runs"
        return sorted(database.execute(asked))


def artifacts(swept: Path) -> dict[str, Path]:
    """Of the sweep's own run."""
    (run,) = SweepRecord.read(swept).runs.values()
    folder = swept.parents[1] / "mlartifacts" / "default" / run / "artifacts" / "comparison"
    return {file.name: file for file in folder.glob("*")}


@pytest.mark.slow
def test_the_page_is_in_mlflow_too(swept: Path) -> None:
    before = runs(swept)
    assert main(["report", str(swept)]) == 0
    (run,) = SweepRecord.read(swept).runs.values()
    (page,) = swept.parents[1].glob(f"mlartifacts/*/{run}/artifacts/report/report.html")
    assert page.read_bytes() == (swept / "report.html").read_bytes()
    assert runs(swept) == before


@pytest.mark.slow
def test_from_a_sweep_to_tables_files_and_mlflow(
    swept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = runs(swept)
    monkeypatch.chdir(swept.parents[2])
    capsys.readouterr()
    assert main(["compare"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    said = " ".join(out.split())
    assert said.startswith(f"default by {', '.join(AXES)}; baseline {BASELINE}")
    assert "clip_score (higher is better)" in lines
    assert lines[-1] == "outputs/latest/comparison/"

    folder = swept / "comparison"
    assert {file.name for file in folder.iterdir()} == FILES
    found = json.loads((folder / "comparison.json").read_text())
    assert found["baseline"] == dict(pair.split("=") for pair in BASELINE.split())
    ours, base = scores(swept, 2), scores(swept, 1)
    row = found["metrics"]["clip_score"]["rows"][2]
    assert row["choice"] == {"scheduler": "ddpm", "decoder.num_inference_steps": "2"}
    differences = [ours[picture]["clip_score"] - base[picture]["clip_score"] for picture in base]
    assert (row["n"], row["pairs"]) == (8, 8)
    assert row["difference"] == pytest.approx(sum(differences) / 8)
    assert min(differences) <= row["low"] <= row["difference"] <= row["high"] <= max(differences)
    verdicts = {
        name: [row["verdict"] for row in metric["rows"]]
        for name, metric in found["metrics"].items()
    }
    assert verdicts["psnr"] == ["none"] * 3  # it compares with the baseline itself
    assert verdicts["sharpness"] == ["none", "baseline", "none", "none"]
    assert set(verdicts["seconds"]) <= {"baseline", "better", "worse", "undecided"}
    table = list(csv.DictReader((folder / "comparison.csv").open()))
    assert float(table[2]["difference"]) == row["difference"]
    with Image.open(folder / "pareto_clip_score.png") as picture:
        assert picture.width >= 900

    kept = artifacts(swept)
    assert set(kept) == FILES
    assert all(kept[name].read_bytes() == (folder / name).read_bytes() for name in FILES)
    assert runs(swept) == before
    assert not list((swept.parents[1] / ".spool").glob("*"))

    # Votes of people go there, too.
    shown = [
        Shown(f"{cell.folder.name}/{image.file.name}", image.record.sha256)
        for cell in read_results(swept).cells[:2]
        for image in cell.images[:1]
    ]
    append_vote(swept, new_vote("ann", "Which?", "p", 0, (shown[0], shown[1]), Answer.left))
    assert main(["compare"]) == 0
    assert "1 blind vote of 1 voter on 1 pair" in capsys.readouterr().out
    assert set(artifacts(swept)) == FILES | {"votes.md", "votes.csv", "votes.tex", "votes.json"}
    (swept / VOTES).unlink()


@pytest.mark.slow
def test_by_one_axis_into_another_folder(
    swept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--metrics", "sharpness", "--confidence", "0.9", "--by", "scheduler", str(swept)]
    assert main(["compare", "--out", str(tmp_path / "out"), *given]) == 0
    assert "90 %" in capsys.readouterr().out
    found = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert found["baseline"] == {"scheduler": "ddim"}
    (_, row) = found["metrics"]["sharpness"]["rows"]
    pairs = [(0, 2), (1, 3)]
    differences = [
        scores(swept, ours)[picture]["sharpness"] - own["sharpness"]
        for base, ours in pairs
        for picture, own in scores(swept, base).items()
    ]
    assert row["pairs"] == 16
    assert row["difference"] == pytest.approx(sum(differences) / 16)
    # Without --out the sweep's own comparison has all metrics, whichever are printed.
    capsys.readouterr()
    assert main(["compare", str(swept), "--metrics", "sharpness"]) == 0
    assert "clip_score" not in capsys.readouterr().out
    own = json.loads((swept / "comparison" / "comparison.json").read_text())
    assert {"sharpness", "clip_score"} <= set(own["metrics"])


@pytest.mark.slow
def test_an_unfinished_sweep_is_compared_as_far_as_it_went(
    swept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Elsewhere, without its store: no other one is made.
    copy = tmp_path / "outputs" / "default" / "copied"
    shutil.copytree(swept, copy, ignore=shutil.ignore_patterns("comparison"))
    last = copy / SweepRecord.read(copy).cells[3].folder
    (last / MANIFEST).unlink()
    third = copy / SweepRecord.read(copy).cells[2].folder / MANIFEST
    manifest = json.loads(third.read_text())
    third.write_text(json.dumps({**manifest, "status": "KILLED", "images": manifest["images"][:6]}))
    capsys.readouterr()
    assert main(["compare", str(copy)]) == 0
    err = capsys.readouterr().err
    assert "warning: 2 of 4 cells not finished (1 KILLED, 1 PENDING)" in err
    found = json.loads((copy / "comparison" / "comparison.json").read_text())
    assert [row["n"] for row in found["metrics"]["clip_score"]["rows"]] == [8, 8, 6]

    assert main(["report", str(copy)]) == 0
    assert "warning" not in capsys.readouterr().err
    third.write_text(json.dumps(manifest))
    assert main(["report", str(copy)]) == 0
    err = capsys.readouterr().err
    assert "warning: the comparison is of before the sweep went on" in err
    assert f"compare {copy}" in err
    assert sorted(path.name for path in (tmp_path / "outputs").iterdir()) == ["default"]


@pytest.mark.slow
def test_without_its_server_the_records_wait(
    swept: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("KANDINSKY_CACHE", str(tmp_path / "cache"))
    outputs = tmp_path / "outputs"
    copy = outputs / "default" / "copied"
    shutil.copytree(swept, copy, ignore=shutil.ignore_patterns("comparison"))
    for cell in SweepRecord.read(copy).cells:
        file = copy / cell.folder / MANIFEST
        manifest = json.loads(file.read_text())
        manifest["config"]["tracking"]["uri"] = "http://127.0.0.1:9"
        file.write_text(json.dumps(manifest))
    monkeypatch.setattr(session, "FINAL_WAIT_SECONDS", 0.5)
    capsys.readouterr()
    # Nobody here has named that server: the record may be a stranger's.
    assert main(["compare", str(copy)]) == 0
    assert "no command of yours has named" in " ".join(capsys.readouterr().err.split())
    assert not (outputs / ".spool").exists()
    assert main(["compare", str(copy), "--to", "http://127.0.0.1:9"]) == 0
    out, err = capsys.readouterr()
    assert "clip_score" in out
    assert "the comparison is kept; deliver it with:" in err
    (spool,) = (outputs / ".spool").iterdir()
    # The server is there again: the sweep's own store.
    target = json.loads((spool / "target.json").read_text())
    store = f"sqlite:///{swept.parents[1] / 'mlflow.db'}"
    (spool / "target.json").write_text(json.dumps({**target, "uri": store}))
    before = runs(swept)
    for file in artifacts(swept).values():
        file.unlink()
    deadline = time.monotonic() + 60
    while spool.exists() and time.monotonic() < deadline:  # its writer may be at it
        assert main(["sync", str(outputs), "--to", store]) in (0, 1)
    assert set(artifacts(swept)) == FILES
    assert runs(swept) == before


@pytest.mark.slow
def test_a_run_that_was_deleted_in_mlflow_keeps_nothing_waiting(
    swept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = tmp_path / "outputs"
    copy = outputs / "default" / "copied"
    shutil.copytree(swept, copy)
    shutil.copy(swept.parents[1] / "mlflow.db", outputs / "mlflow.db")
    with sqlite3.connect(outputs / "mlflow.db") as database:
        database.execute("update runs set lifecycle_stage = 'deleted'")
    for file in artifacts(swept).values():
        file.unlink()
    capsys.readouterr()
    assert main(["compare", str(copy)]) == 0
    assert capsys.readouterr().err == ""
    assert artifacts(swept) == {}
    assert not list((outputs / ".spool").iterdir())


def test_help_needs_neither_scipy_nor_matplotlib(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom runner.cli import main\n"
        "try:\n    main(['compare', '--help'])\n"
        "finally:\n    print('imported:', *({'scipy', 'matplotlib', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "--baseline KEY=VALUE" in done.stdout
    assert done.stdout.splitlines()[-1] == "imported:"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--by", "eta"], "by=eta: is no axis of this sweep\n  allowed: scheduler, decoder"),
        (["--baseline", "scheduler=lcm"], "baseline=scheduler=lcm: is in no cell of this sweep"),
        (["--metrics", "fid"], "metrics=fid: was not measured here\n  allowed: clip_score, psnr"),
        (["--confidence", "95"], "confidence=95.0: is no share"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    swept: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["compare", str(swept), *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {said}")
    assert "Traceback" not in err


@pytest.mark.slow
def test_a_folder_of_something_else_is_refused(
    swept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(tmp_path)]) == 2
    assert "is no folder of a run or a sweep" in capsys.readouterr().err
    cell = swept / SweepRecord.read(swept).cells[0].folder
    assert main(["compare", str(cell)]) == 2
    assert "has a single cell" in capsys.readouterr().err
