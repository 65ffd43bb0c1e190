"""Sweeps within this process: the same pixels as cell by cell; a failing cell fails alone."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from functional.made import STEPS, Kandinsky
from helpers.manifests import hashes, read_manifest
from runner.analysis.reading import read_results
from runner.cli import main
from runner.recording.sweep_record import SweepRecord
from runner.runs.sweep_folder import SweepFolder
from runner.runs.totals import metrics_of
from runner.tracking.status import Status

AXES = ("scheduler=ddim,ddpm", "decoder.guidance_scale=1,4")
QUIET = ("progress=quiet", "workers=1")
GOOD, BAD = "a red circle", "a blue square"


@pytest.fixture
def sweep(weights: Path, tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """Runs `kandinsky -m <overrides>` and returns the cells' manifests."""
    output_dir = tmp_path / "sweeps"

    def run(*overrides: str, status: int = 0) -> list[dict[str, Any]]:
        given = (f"weights={weights}", f"output_dir={output_dir}", "tracking=none", *STEPS)
        last = {o.partition("=")[0]: o for o in (*QUIET, *given, *overrides)}
        assert main(["-m", *last.values()]) == status
        folder = output_dir / "latest"
        cells = SweepRecord.read(folder).cells
        return [read_manifest(folder / cell.folder) for cell in cells]

    return run


def test_every_cell_has_the_pixels_of_its_own_run(
    sweep: Callable[..., list[dict[str, Any]]], kandinsky: Kandinsky
) -> None:
    cells = sweep(*AXES, "seeds=[1,2]")
    assert len(cells) == 4
    for cell in cells:
        scheduler = cell["config"]["scheduler"]["name"]
        guidance = cell["config"]["decoder"]["guidance_scale"]
        alone = kandinsky(
            f"scheduler={scheduler}", f"decoder.guidance_scale={guidance}", "seeds=[1,2]",
            "cache=off",
        )  # fmt: skip
        assert hashes(cell) == hashes(alone.manifest)
        assert cell["status"] == "FINISHED"


def test_a_shared_stage_is_run_by_one_cell_and_reused_by_the_others(
    sweep: Callable[..., list[dict[str, Any]]], tmp_path: Path
) -> None:
    cells = sweep(*AXES)
    priors = {cell["images"][0]["stage_keys"]["prior"] for cell in cells}
    assert len(priors) == 1
    stored = list((tmp_path / "sweeps").rglob("entry.json"))
    assert len(stored) == 1 + 4
    assert not any(cell["images"][0]["reused"] for cell in cells)


def test_its_command_finds_the_configs_that_it_was_made_with(
    sweep: Callable[..., list[dict[str, Any]]], tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    (mine / "experiment").mkdir(parents=True)
    (mine / "experiment" / "own.yaml").write_text("# @package _global_\nprompt: a red cross\n")
    cells = sweep("experiment=own", "seeds=[1],[2]", "--config-dir", str(mine))
    folder = tmp_path / "sweeps" / "latest"
    command = SweepRecord.read(folder).command
    assert command.startswith(f"kandinsky run --config-dir {mine} -m ")
    for number, cell in enumerate(cells):
        assert cell["flags"] == ["--config-dir", str(mine)]
        alone = read_results(folder / SweepRecord.read(folder).cells[number].folder)
        assert alone.command.startswith(f"kandinsky run --config-dir {mine} ")
    assert main(["plan", *shlex.split(command)[2:]]) == 0


def test_cells_that_are_no_product_are_gone_on_with_by_their_command(
    sweep: Callable[..., list[dict[str, Any]]], tmp_path: Path
) -> None:
    """With drawn seeds, which the record holds as numbers, and one cell that cannot be."""
    entries = "[{scheduler: ddpm, scheduler.eta: [null, 0.5]}, {scheduler: ddim}]"
    cells = sweep(f"axes={entries}", "seeds=random(1)", "skip_invalid=true")
    folder = tmp_path / "sweeps" / "latest"
    record = SweepRecord.read(folder)
    drawn = json.loads((tmp_path / "sweeps" / "default" / "seeds.json").read_text())["drawn"]
    assert [[image["seed"] for image in cell["images"]] for cell in cells] == [drawn, drawn]
    assert [cell.folder for cell in record.cells] == ["0000_ddpm", "0002_ddim"]
    assert f"seeds=[{drawn[0]}]" in record.command
    assert main(shlex.split(record.command)[1:]) == 0
    again = SweepRecord.read(folder)
    assert (again.attempts, again.fingerprint) == (2, record.fingerprint)
    assert again.totals["stages_run"] == record.totals["stages_run"]


def test_totals_are_of_all_attempts(
    sweep: Callable[..., list[dict[str, Any]]], tmp_path: Path
) -> None:
    sweep("scheduler=ddim,ddpm")
    folder = tmp_path / "sweeps" / "latest"
    before = SweepRecord.read(folder)
    (folder / before.cells[1].folder / "manifest.json").unlink()
    sweep("scheduler=ddim,ddpm")
    record = SweepRecord.read(folder)
    counts = {name: record.totals[name] for name in ("stages_run", "stages_reused", "workers")}
    assert (record.attempts, counts) == (2, {"stages_run": 3, "stages_reused": 1, "workers": 1})
    assert record.totals["seconds_in_stages"] == before.totals["seconds_in_stages"]
    found = metrics_of(Counter({Status.FINISHED: 2}), record.totals, record.seconds)
    assert (found["cells_finished"], found["seconds_total"]) == (2, record.seconds)


def test_totals_of_a_killed_attempt_are_kept(
    sweep: Callable[..., list[dict[str, Any]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr("runner.runs.sweep.SECONDS_BETWEEN_TOTALS", -1.0)
        # What a kill leaves: the folder is not held any more, and no end is recorded.
        killed.setattr(SweepFolder, "end", lambda self, *_: self._lock.close())
        sweep("scheduler=ddim,ddpm")
    folder = tmp_path / "sweeps" / "latest"
    before = SweepRecord.read(folder)
    assert before.status is Status.RUNNING
    assert before.totals["stages_run"] == 3
    (folder / before.cells[1].folder / "manifest.json").unlink()
    sweep("scheduler=ddim,ddpm")
    record = SweepRecord.read(folder)
    assert (record.attempts, record.totals["stages_run"], record.totals["stages_reused"]) == (
        2,
        3,
        1,
    )
    assert record.totals["seconds_in_stages"] == before.totals["seconds_in_stages"] > 0
    assert record.seconds > before.seconds > 0


def test_cells_alike_in_everything_are_both_made(
    sweep: Callable[..., list[dict[str, Any]]],
) -> None:
    one, two = sweep("offload=none,none")
    assert hashes(one) == hashes(two)
    assert (one["images"][0]["reused"], two["images"][0]["reused"]) == (False, True)
    assert one["run_id"] != two["run_id"]


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """The small family where the word "blue" is NaN."""
    from unit.conftest import copy_family

    folder = copy_family(tmp_path / "damaged")
    prior = folder / "kandinsky-2-2-prior"
    tokenizer = json.loads((prior / "tokenizer" / "tokenizer.json").read_text())
    word = tokenizer["model"]["vocab"]["blue</w>"]
    file = prior / "text_encoder" / "model.safetensors"
    tensors = load_file(file)
    tensors["text_model.embeddings.token_embedding.weight"][word] = torch.nan
    save_file(tensors, file, metadata={"format": "pt"})
    return folder


def test_a_failing_stage_fails_only_the_cells_that_need_it(
    sweep: Callable[..., list[dict[str, Any]]], damaged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = (
        f"weights={damaged}", f"prompt={BAD},{GOOD}", "scheduler=ddim,ddpm", "progress=lines",
    )  # fmt: skip
    cells = sweep(*overrides, status=1)
    statuses = {(c["config"]["prompt"], c["config"]["scheduler"]["name"]): c for c in cells}
    assert [statuses[BAD, name]["status"] for name in ("ddim", "ddpm")] == ["FAILED"] * 2
    assert [statuses[GOOD, name]["status"] for name in ("ddim", "ddpm")] == ["FINISHED"] * 2
    assert all("NaN" in statuses[BAD, name]["failures"][0]["error"] for name in ("ddim", "ddpm"))
    out, err = capsys.readouterr()
    assert err.count("failed: prior failed") == 1  # one stage of two cells: said once
    assert "2 of 4 cells" in out
    assert "2 FAILED" in out
    # Only the failed ones are tried again; retry=failed says the same in other words.
    sweep(*overrides, status=1)
    assert "2 of 4 cells done earlier" not in capsys.readouterr().out
    again = sweep(*overrides, "retry=failed", status=1)
    assert [cell["run_id"] for cell in again] == [cell["run_id"] for cell in cells]


def test_resume_false_is_a_sweep_of_its_own(
    sweep: Callable[..., list[dict[str, Any]]], tmp_path: Path
) -> None:
    first = sweep(*AXES)
    second = sweep(*AXES, "resume=false")
    assert {c["run_id"] for c in first}.isdisjoint(c["run_id"] for c in second)
    assert [hashes(cell) for cell in first] == [hashes(cell) for cell in second]
    assert all(cell["images"][0]["reused"] for cell in second)
    assert len(list((tmp_path / "sweeps" / "default").iterdir())) == 2


def test_another_value_is_another_sweep(
    sweep: Callable[..., list[dict[str, Any]]], tmp_path: Path
) -> None:
    sweep("decoder.guidance_scale=1,4")
    sweep("decoder.guidance_scale=1,3")
    assert len(list((tmp_path / "sweeps" / "default").iterdir())) == 2


def test_a_sweep_over_how_it_is_run_makes_every_cell(
    sweep: Callable[..., list[dict[str, Any]]],
) -> None:
    cells = sweep("threads=1,2", "cache=use,off")
    assert [cell["status"] for cell in cells] == ["FINISHED"] * 4
    assert [cell["images"][0]["reused"] for cell in cells] == [False, False, True, False]


def test_json_progress_leaves_nothing_else_on_stdout(
    sweep: Callable[..., list[dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    sweep("decoder.guidance_scale=1,4", "progress=json")
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    ends = [event for event in events if event["event"] == "cell_ended"]
    assert [(end["done"], end["of"], end["status"]) for end in ends] == [
        (1, 2, "FINISHED"),
        (2, 2, "FINISHED"),
    ]
    assert sum(event["event"] == "stage_finished" for event in events) == 3


def test_sweeps_are_listed_with_their_status(
    sweep: Callable[..., list[dict[str, Any]]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    output_dir = tmp_path / "sweeps"
    output_dir.mkdir(exist_ok=True)
    assert main(["sweeps", str(output_dir)]) == 0
    assert "no sweeps yet" in capsys.readouterr().out
    sweep("decoder.guidance_scale=1,4", "name=mine")
    capsys.readouterr()
    assert main(["sweeps", str(output_dir)]) == 0
    said = capsys.readouterr().out
    assert "FINISHED  mine: 2 of 2 cells, decoder.guidance_scale (2)" in said
    assert main(["sweeps", str(output_dir), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["cells"] == {"FINISHED": 2}
    assert row["axes"] == {"decoder.guidance_scale": ["1", "4"]}


def test_the_store_is_kept_within_its_bound(
    sweep: Callable[..., list[dict[str, Any]]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep("decoder.guidance_scale=1,4")
    stored = set((tmp_path / "sweeps").rglob("entry.json"))
    sweep("decoder.guidance_scale=2,3", "cache.max_gb=0", "progress=lines")
    left = set((tmp_path / "sweeps").rglob("entry.json"))
    assert "2 stored results dropped" in capsys.readouterr().err
    assert len(stored & left) == 1  # the prior, which the second sweep took too
    assert len(left) == 3


def test_a_batch_of_cells_may_repeat_an_earlier_one(
    sweep: Callable[..., list[dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    """As trials of Optuna may: the cell has another number, and is done."""
    (cell,) = sweep("seeds=[1],[1]", "hydra.sweeper.max_batch_size=1", "progress=lines")
    assert cell["status"] == "FINISHED"
    assert "1 cell done earlier" in capsys.readouterr().out
