"""`kandinsky report`: the page of a sweep, and the messages while it is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
from PIL import Image

from functional.made import STEPS, Kandinsky
from runner import sweep
from runner.cli import main
from runner.images.png import pixel_sha256

PROMPTS = ("a red circle", "синий квадрат")


@pytest.fixture(scope="module")
def swept(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2 schedulers x 2 guidance scales, each 2 prompts x 2 seeds."""
    output_dir = tmp_path_factory.mktemp("report")
    sweep(
        "scheduler=ddim,ddpm", "decoder.guidance_scale=1,4", *STEPS, weights=weights,
        prompt=list(PROMPTS), seeds=[1, 2], output_dir=output_dir, tracking="none",
        progress="quiet", metrics=["sharpness"], question="Which one?",
    )  # fmt: skip
    return (output_dir / "latest").resolve()


def data(folder: Path) -> dict[str, object]:
    text = (folder / "data.js").read_text(encoding="ascii")
    found: dict[str, object] = json.loads(text.partition(" = ")[2].removesuffix(";\n"))
    return found


def test_a_sweep_has_its_page(
    swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "latest").symlink_to(swept)
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert main(["report"]) == 0
    said = capsys.readouterr()
    index, alone = (line.split("  ") for line in said.out.splitlines())
    assert index == [str(swept / "report" / "index.html"), "16 images of 4 cells"]
    assert alone[0] == str(swept / "report.html")
    assert said.err == ""
    assert all(Path(line[0]).is_file() for line in (index, alone))


def test_it_shows_the_pictures_that_were_made(swept: Path, tmp_path: Path) -> None:
    assert main(["report", str(swept), "--out", str(tmp_path / "page")]) == 0
    found = data(tmp_path / "page")
    images, pictures = found["images"], found["pictures"]
    assert isinstance(images, list)
    assert isinstance(pictures, list)
    assert len(images) == len(pictures) == 16
    for image, (_, full) in zip(images, pictures, strict=True):
        with Image.open(tmp_path / "page" / unquote(full)) as opened:
            assert pixel_sha256(opened.convert("RGB")) == image["sha256"]
    assert found["question"] == "Which one?"
    assert found["metrics"] == [["sharpness", None], ["seconds", "lower"]]
    assert (tmp_path / "page.html").is_file()


def test_a_run_has_its_page(kandinsky: Kandinsky, capsys: pytest.CaptureFixture[str]) -> None:
    made = kandinsky("seeds=[0,1,2]")
    capsys.readouterr()
    assert main(["report", str(made.folder)]) == 0
    assert "3 images of 1 cell" in capsys.readouterr().out
    assert len(list((made.folder / "report" / "images").iterdir())) == 3


def test_it_is_opened_where_that_is_asked_for(swept: Path, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > "{tmp_path}/opened"\n')
    browser.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "runner", "report", str(swept), "--open"],
        env={**os.environ, "BROWSER": str(browser)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "opened").read_text() == (swept / "report" / "index.html").as_uri()


def test_pictures_that_are_gone_are_told(
    kandinsky: Kandinsky, capsys: pytest.CaptureFixture[str]
) -> None:
    made = kandinsky("seeds=[0,1]")
    made.files[0].unlink()
    capsys.readouterr()
    assert main(["report", str(made.folder)]) == 0
    assert f"{made.files[0]} cannot be read as a picture" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["of something else", "that is not there"])
def test_a_folder_without_a_run_is_refused(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "nothing" if kind == "that is not there" else tmp_path
    assert main(["report", str(folder)]) == 2
    assert "is no folder of a run or a sweep" in capsys.readouterr().err


def test_a_folder_of_others_is_not_replaced(
    swept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert main(["report", str(swept), "--out", str(tmp_path)]) == 2
    assert "is there already, and is no report" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_a_comparison_that_cannot_be_read_is_refused(
    kandinsky: Kandinsky, capsys: pytest.CaptureFixture[str]
) -> None:
    made = kandinsky()
    (made.folder / "comparison").mkdir()
    (made.folder / "comparison" / "comparison.json").write_text('{"version": 0}')
    assert main(["report", str(made.folder)]) == 2
    assert "comparison.json: cannot be read" in capsys.readouterr().err
    assert not (made.folder / "report").exists()


def test_help_needs_no_pillow(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom runner.cli import main\n"
        "try: main(['report', '--help'])\n"
        "finally: print('PIL' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1] == "False", done.stderr
    assert "--open" in done.stdout
