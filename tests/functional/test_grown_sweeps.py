"""`into`: a further value, prompt, seed or metric continues a sweep, and nothing is drawn anew."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest

from functional.made import STEPS
from helpers.manifests import hashes, read_manifest
from runner import sweep
from runner.analysis.reading import read_results
from runner.analysis.table import table_of
from runner.cli import main
from runner.recording.sweep_record import SweepRecord, list_sweeps
from runner.system.locks import hold

GIVEN = (
    "tracking=none", "progress=lines", "workers=1", "height=64", "width=64", *STEPS
)  # fmt: skip
FIRST = ("scheduler=ddim,ddpm", "seeds=[0]", "prompt=a red circle")


class Outputs:
    """An output folder with one sweep."""

    def __init__(self, weights: Path, folder: Path) -> None:
        self.weights, self.folder = weights, folder

    def run(self, *overrides: str, status: int = 0) -> SweepRecord:
        given = (f"weights={self.weights}", f"output_dir={self.folder}", *GIVEN)
        assert main(["-m", *given, *overrides]) == status
        return self.record

    @property
    def sweep(self) -> Path:
        ((path, _),) = list_sweeps(self.folder)
        return path

    @property
    def record(self) -> SweepRecord:
        return SweepRecord.read(self.sweep)

    def cells(self) -> list[Path]:
        return [self.sweep / cell.folder for cell in self.record.cells]

    def pictures(self) -> dict[Path, tuple[bytes, int]]:
        """Files with their bytes and times."""
        found = sorted(self.sweep.glob("*/*.png"))
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in found}

    def hashes(self) -> list[dict[tuple[str, int], str]]:
        return [hashes(read_manifest(cell)) for cell in self.cells()]

    def forget(self) -> None:
        """Remove what is stored: what is drawn anew now is seen."""
        shutil.rmtree(self.folder / ".cache")


@pytest.fixture(scope="module")
def made(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    outputs = Outputs(weights, tmp_path_factory.mktemp("made") / "outputs")
    outputs.run(*FIRST)
    return outputs


@pytest.fixture
def outputs(made: Outputs, tmp_path: Path) -> Outputs:
    """A copy for one test, without stored results."""
    shutil.copytree(made.folder, tmp_path / "outputs", symlinks=True)
    outputs = Outputs(made.weights, tmp_path / "outputs")
    outputs.forget()
    return outputs


def drawn(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.strip().splitlines()[0]


def test_further_seeds_and_prompts_let_the_cells_grow(
    outputs: Outputs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = outputs.pictures()
    capsys.readouterr()
    record = outputs.run("into=last", "seeds=[1]")
    assert "2 of 2 cells" in (said := drawn(capsys))
    assert "3 stages run" in said  # a prior for both, and a picture each
    record = outputs.run("into=last", "prompt=[a red circle,a blue square]", "seeds=[0,1]")
    assert "6 stages run" in drawn(capsys)
    assert {path: outputs.pictures()[path] for path in before} == before
    at_once = Outputs(outputs.weights, tmp_path / "at_once")
    at_once.run(*FIRST[:1], "prompt=[a red circle,a blue square]", "seeds=[0,1]")
    assert outputs.hashes() == at_once.hashes()
    assert (record.axes, len(record.cells)) == ({"scheduler": ["ddim", "ddpm"]}, 2)
    names = sorted(path.name for path in outputs.cells()[0].glob("*.png"))
    assert [name[:4] for name in names] == ["0000", "0001", "0002", "0003"]
    assert main(["reproduce", str(outputs.cells()[0])]) == 0


def test_a_further_value_is_a_further_cell(
    outputs: Outputs, capsys: pytest.CaptureFixture[str]
) -> None:
    before = outputs.pictures()
    given = (f"weights={outputs.weights}", f"output_dir={outputs.folder}", *GIVEN)
    capsys.readouterr()
    assert main(["plan", *given, "into=last", "scheduler=lcm,ddpm"]) == 0
    said = capsys.readouterr()
    assert "  2    new: 1 new image  scheduler=lcm\n  1 cell left alone\n" in said.out
    assert "as in the sweep: 'seeds=[0]' 'prompt=" in said.err
    record = outputs.run("into=last", "scheduler=lcm,ddpm")
    assert "1 of 1 cell (1 more done earlier)" in drawn(capsys)
    assert [cell.folder for cell in record.cells] == ["0000_ddim", "0001_ddpm", "0002_lcm"]
    assert record.axes == {"scheduler": ["ddim", "ddpm", "lcm"]}
    assert len(record.commands) == 2
    assert record.commands[1].endswith(" into=last")
    record = outputs.run("into=last", "scheduler=ddim", "decoder.guidance_scale=2")
    assert record.axes["decoder.guidance_scale"] == ["4.0", "2"]  # the others have it, too
    assert len(record.cells) == 4
    sweep(
        "scheduler=lcm", into="last", seeds=[0, 1], tracking="none", workers=1,
        weights=outputs.weights, output_dir=outputs.folder,
    )  # fmt: skip
    assert outputs.hashes()[2].keys() == {("a red circle", 0), ("a red circle", 1)}
    table = table_of([read_results(outputs.sweep)])
    assert len(table.rows) == 5
    assert {path: outputs.pictures()[path] for path in before} == before


def test_a_further_metric_measures_what_is_there(
    outputs: Outputs, capsys: pytest.CaptureFixture[str]
) -> None:
    before = outputs.pictures()
    outputs.run("into=last", "metrics=[sharpness]")
    assert "2 stages run" in drawn(capsys)
    outputs.run("into=last", "metrics=[pixel_difference]", "baseline='scheduler=ddim'")
    assert outputs.pictures() == before
    # A new cell is measured as the others are, against the one that is there.
    capsys.readouterr()
    outputs.run("into=last", "scheduler=lcm")
    assert "scheduler=lcm,ddim" in capsys.readouterr().err
    ddim, *others = read_results(outputs.sweep).cells
    assert len(others) == 2
    assert set(ddim.images[0].scores) == {"sharpness"}
    for cell in others:
        scores = cell.images[0].scores
        assert scores["sharpness"] > 0
        assert scores["pixel_difference.max"] > 0
    assert {path: outputs.pictures()[path] for path in before} == before
    # From Python, too, where a text has quotes.
    sweep(
        scheduler="dpmpp_2m", into="last", tracking="none", workers=1,
        weights=outputs.weights, output_dir=outputs.folder,
    )  # fmt: skip
    *_, new = read_results(outputs.sweep).cells
    assert [text for text in new.overrides if text.startswith("scheduler=")] == [
        "scheduler=dpmpp_2m"
    ]
    assert new.images[0].scores["pixel_difference.max"] > 0


def test_one_that_was_stopped_keeps_what_it_had_and_each_command_goes_on(
    outputs: Outputs, capsys: pytest.CaptureFixture[str]
) -> None:
    before, whole = outputs.pictures(), outputs.hashes()
    outputs.run("into=last", "seeds=[1]")
    grown = outputs.hashes()
    # As a kill leaves it: the first cell in the middle, the second not begun.
    one, two = outputs.cells()
    for cell, status in ((one, "RUNNING"), (two, "FINISHED")):
        manifest = json.loads((cell / "manifest.json").read_text())
        (cell / manifest["images"].pop()["file"]).unlink()
        (cell / "manifest.json").write_text(json.dumps({**manifest, "status": status}))
    assert outputs.hashes() == whole
    capsys.readouterr()
    outputs.run(*FIRST, status=2)
    assert "cell 0 has grown since and is not finished" in capsys.readouterr().err
    outputs.run("into=last", "seeds=[0,1]")
    assert outputs.hashes() == grown
    for command in (FIRST, ("into=last", "seeds=[1]")):
        capsys.readouterr()
        outputs.run(*command)
        assert "2 cells done earlier" in capsys.readouterr().out
    assert {path: outputs.pictures()[path] for path in before} == before


def test_a_study_with_axes_in_its_file_grows(
    outputs: Outputs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own" / "experiment" / "shapes.yaml"
    file.parent.mkdir(parents=True)
    entries = "[{scheduler: [ddim, ddpm]}, {scheduler: ddim, scheduler.eta: 0.5}]"
    file.write_text(f"# @package _global_\naxes: {entries}\n")
    study = Outputs(outputs.weights, tmp_path / "study")
    own = ("--config-dir", str(tmp_path / "own"))
    study.run(*own, "experiment=shapes", "seeds=[0]")
    before = study.pictures()
    study.run(*own, "into=last", "seeds=[1]")
    record = study.run(*own, "into=last", "scheduler=lcm")
    assert [len(pictures) for pictures in study.hashes()] == [2, 2, 2, 2]
    assert {path: study.pictures()[path] for path in before} == before
    for command in record.commands:  # as the page shows it, the file's axes beside its own
        capsys.readouterr()
        assert main(shlex.split(command)[1:]) == 0
        assert "done earlier" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("into=another",), "into=another: is no sweep in"),
        (("into=last", "resume=false"), "resume=false: into=last goes on with a sweep"),
        (("into=last", "seeds=[1]", "prompt=a blue square"), "not each prompt with each seed"),
    ],
)
def test_what_cannot_be_joined_is_told(
    outputs: Outputs, overrides: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (outputs.sweep / "sweep.json").read_bytes()
    capsys.readouterr()
    outputs.run(*overrides, status=2)
    err = capsys.readouterr().err
    assert err.count("error:") == 1
    assert said in err
    assert (outputs.sweep / "sweep.json").read_bytes() == before


def test_a_cell_that_has_not_begun_grows_too(outputs: Outputs) -> None:
    shutil.rmtree(outputs.cells()[1])
    outputs.run("into=last", "seeds=[1]")
    pairs = {("a red circle", 0), ("a red circle", 1)}
    assert [set(own) for own in outputs.hashes()] == [pairs, pairs]
    assert "seeds=[0,1]" in outputs.record.cells[1].overrides


def test_no_record_names_code_to_run(
    outputs: Outputs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "theirs.py").write_text("raise SystemExit('run')\n")
    file = outputs.cells()[0] / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["config"]["metrics"] = {"theirs": {"function": f"{tmp_path}/theirs.py:steal"}}
    file.write_text(json.dumps(manifest))
    outputs.run("into=last", "seeds=[1]", status=2)
    assert f"the sweep has theirs, of {tmp_path}/theirs.py:steal, too" in capsys.readouterr().err


def test_pictures_of_other_weights_are_not_mixed_with_its_own(
    outputs: Outputs, capsys: pytest.CaptureFixture[str]
) -> None:
    file = outputs.cells()[1] / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["images"][0]["stage_keys"] = {"decode": "0" * 64}
    file.write_text(json.dumps(manifest))
    outputs.run("into=last", "seeds=[1]", status=2)
    assert "cell 1 was drawn with other libraries, weights" in capsys.readouterr().err


def test_two_commands_do_not_change_one_sweep_at_once(
    outputs: Outputs, capsys: pytest.CaptureFixture[str]
) -> None:
    with hold(outputs.sweep / ".lock"):
        outputs.run("into=last", "seeds=[1]", status=2)
    said = capsys.readouterr().err
    assert "is being run by another process" in said
    assert "allowed: the same command again when that process has ended" in said
    assert not outputs.record.parts


def test_a_key_that_was_open_becomes_an_axis(outputs: Outputs) -> None:
    record = outputs.run("into=last", "negative_prompt=a blue square")
    assert record.axes["negative_prompt"][0] == "null"
    assert len(record.cells) == 4
    labels = [cell.label for cell in read_results(outputs.sweep).cells]
    assert len(set(labels)) == 4


def test_each_batch_lets_cells_grow(outputs: Outputs) -> None:
    record = outputs.run("into=last", "seeds=[1]", "hydra.sweeper.max_batch_size=1")
    assert [cell.folder for cell in record.cells] == ["0000_ddim", "0001_ddpm"]
    assert [len(pictures) for pictures in outputs.hashes()] == [2, 2]


def test_cells_that_have_not_begun_are_joined_by_their_own_prompts(
    outputs: Outputs, tmp_path: Path
) -> None:
    other = Outputs(outputs.weights, tmp_path / "prompts")
    other.run("scheduler=ddim", "seeds=[0]", "prompt=a red circle,a blue square")
    shutil.rmtree(other.cells()[1])
    record = other.run("into=last", "scheduler=ddim,ddpm")
    drawn_ones = [sorted(pictures) for pictures in other.hashes()]
    assert drawn_ones == [[("a red circle", 0)], [("a blue square", 0)]] * 2
    assert len(record.cells) == 4
