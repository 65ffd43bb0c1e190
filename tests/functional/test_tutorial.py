"""docs/tutorial.md: its commands, in their order, and what the page says that they show.

The study is the page's; SMALLER is appended wherever it is run, so that it takes seconds.
"""

from __future__ import annotations

import csv
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pypdfium2
import pytest

from runner.cli import main
from runner.config.hydra import tree

PROJECT = Path(__file__).resolve().parents[2]
PAGE = (PROJECT / "docs" / "tutorial.md").read_text(encoding="utf-8")
PROMPTS = tree.config_dir().parent / "experiments" / "inputs" / "prompts.txt"
SMALLER = (
    "prompt_file=few.txt", "prior.num_inference_steps=2", "decoder.num_inference_steps=2",
    "workers=1", "tracking=none",
)  # fmt: skip
FEW = 4
"""Prompts; with two seeds each, as few as decide anything within six strata."""

SERVERS = ("view", "vote")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """The arguments of each command of the page."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    assert all(line.startswith("kandinsky ") for line in lines)
    return [shlex.split(line, comments=True)[1:] for line in lines]


def served(arguments: list[str]) -> str:
    """The page that a command serves, until Ctrl-C ends it in order."""
    command = [sys.executable, "-m", "runner", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = next(filter(None, (re.search(r"http://\S+", line) for line in server.stdout)))
        page = urllib.request.urlopen(address[0], timeout=60).read().decode()
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0
    return str(page)


def rows_of(said: str, heading: str) -> dict[str, list[str]]:
    """First cell -> the other cells of each row of a printed table, by its heading."""
    lines = said.split(f"{heading}\n", 1)[1].split("\n\n")[0].splitlines()[2:]
    return {cells[0]: cells[1:] for cells in (re.split(r" {2,}", line.strip()) for line in lines)}


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder but for what the page has a reader write."""
    monkeypatch.chdir(tmp_path)
    (file,) = re.findall(r"`(\S+\.yaml)`:\n\n```yaml", PAGE)
    (text,) = blocks("yaml")
    Path(file).parent.mkdir(parents=True)
    Path(file).write_text(text)
    Path("few.txt").write_text("\n".join(PROMPTS.read_text().splitlines()[:FEW]))
    return tmp_path


@pytest.mark.slow
def test_from_the_question_to_the_figure(study: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said: dict[str, str] = {}
    for arguments in commands():
        verb = arguments[0] if not arguments[0].startswith("-") else "run"
        if verb in SERVERS:
            said[verb] = served(arguments)
            continue
        smaller = SMALLER if "--config-dir" in arguments else ()
        capfd.readouterr()
        assert main([*arguments, *smaller]) == 0, (arguments, capfd.readouterr().err)
        said[verb] = capfd.readouterr().out
        if verb == "grid":  # before `again` draws something newer
            read_by_python(study)
    assert "12 cells, 96 images" in said["plan"]
    assert "12 of 12 cells" in said["run"]
    assert "<title>ten_steps · " in said["view"]
    assert "<html" in said["vote"]
    assert "ddpm" not in said["vote"]
    the_answer_has_what_the_page_explains(said["compare"])
    assert "1 of 1 picture the same" in said["reproduce"]
    assert "1 of 1 image" in said["again"]


def the_answer_has_what_the_page_explains(said: str) -> None:
    strata = {f"kandinsky{version}, {w}" for version in ("2_1", "2_2", "3") for w in (1, 4)}
    for metric in ("clip_score (higher is better)", "sharpness"):
        rows = rows_of(said, f"\n{metric}")
        assert set(rows) == {*strata, "all"}
        assert all(re.fullmatch(r"\[\S+, \S+\]", row[3]) for row in rows.values())
        assert {row[1] for row in rows.values()} == {str(2 * FEW), str(12 * FEW)}
    assert "depends on the stratum" in said
    assert "joint 95 %" in said


def read_by_python(study: Path) -> None:
    """The files that the page names, and the notebook's cell."""
    named: dict[str, Any] = {}
    (cell,) = blocks("python")
    exec(compile(cell, "tutorial.md", "exec"), named)
    assert len(named["pictures"]) == 96
    with Path("pictures.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 96
    assert all(Path(line["file"]).is_file() for line in lines)
    document = pypdfium2.PdfDocument("figure.pdf")
    (page,) = document
    pictures = [one for one in page.get_objects() if isinstance(one, pypdfium2.PdfImage)]
    shown = page.get_textpage().get_text_range()
    document.close()
    assert len(pictures) == 12
    assert "DDPM" in shown
    (folder,) = re.findall(r"`(outputs/latest/comparison\S*)`", PAGE)
    found = {file.name for file in Path(folder).iterdir()}
    kinds = {f"forest_{name}.{kind}" for name in ("sharpness", "clip_score")
             for kind in ("pdf", "svg", "png")}  # fmt: skip
    assert found >= {"within.tex", "within.csv", *kinds}
    assert "Within strata" in (study / "outputs/latest/report.html").read_text()
