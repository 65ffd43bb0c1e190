"""`kandinsky export`: the folders that a scorer reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from functional.made import STEPS, Made
from runner.cli import main
from runner.verbs.export import LAYOUTS

PROMPTS = ["a red circle", "a blue square"]


def files(folder: Path) -> list[str]:
    return sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file())


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Prompts as GenEval has them."""
    file = tmp_path / "evaluation_metadata.jsonl"
    lines = [
        json.dumps({"tag": "color", "include": [{"class": "circle"}], "prompt": prompt})
        for prompt in PROMPTS
    ]
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.mark.slow
def test_a_run_for_geneval(kandinsky: Any, rows: Path, tmp_path: Path) -> None:
    made: Made = kandinsky(f"prompt_file={rows}", "seeds=[3,4]")
    out = tmp_path / "scored"
    assert main(["export", str(made.folder), "--prompts", str(rows), "--out", str(out)]) == 0
    assert files(out) == [
        "00000/metadata.jsonl", "00000/samples/0000.png", "00000/samples/0001.png",
        "00001/metadata.jsonl", "00001/samples/0000.png", "00001/samples/0001.png",
    ]  # fmt: skip
    given = rows.read_text().splitlines()
    for number, line in enumerate(given):
        metadata = (out / f"{number:05d}" / "metadata.jsonl").read_text()
        assert json.loads(metadata) == json.loads(line)
    samples = [out / f"{n:05d}" / "samples" / f"{i:04d}.png" for n in (0, 1) for i in (0, 1)]
    assert [f.read_bytes() for f in samples] == [f.read_bytes() for f in made.files]
    assert main(["export", str(made.folder), "--out", str(out)]) == 2  # nothing is overwritten


@pytest.mark.slow
def test_a_sweep_for_t2i_compbench(weights: Path, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    given = (f"weights={weights}", f"output_dir={outputs}", "tracking=none", "progress=quiet")
    prompts = f"prompt={json.dumps(PROMPTS)}"
    assert main(["-m", "scheduler=ddim,ddpm", prompts, *given, *STEPS]) == 0
    latest = outputs / "latest"
    assert main(["export", str(latest), "--layout=t2i_compbench"]) == 0
    assert files(latest / "export-t2i_compbench") == [
        f"{cell}/samples/{prompt}_{number:06d}.png"
        for cell in ("0000_ddim", "0001_ddpm")
        for prompt, number in (("a blue square", 1), ("a red circle", 0))
    ]


@pytest.mark.slow
def test_a_prompt_that_is_no_name_of_a_file(
    kandinsky: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made: Made = kandinsky("prompt=and/or")
    capfd.readouterr()
    assert main(["export", str(made.folder), "--layout=t2i_compbench"]) == 2
    assert "layout=t2i_compbench" in capfd.readouterr().err
    assert not (made.folder / "export-t2i_compbench").exists()


def test_the_command_names_the_layouts_that_there_are() -> None:
    from runner.analysis import export as exports

    assert set(LAYOUTS) == set(exports.LAYOUTS)


def test_what_is_no_folder_of_a_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(tmp_path)]) == 2
    assert "no manifest.json" in capfd.readouterr().err
