"""Each command of docs/axes.md runs, and has the cells that the page says."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from runner.config.files import config_dir
from unit.conftest import Command

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "axes.md").read_text(encoding="utf-8")
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()
]
FILES = re.findall(r"`([\w/.]+)`:\n\n```\w+\n(.*?)```", PAGE, re.DOTALL)
CELLS = {
    "scheduler=ddim,ddpm decoder.guidance_scale": "4 cells, 4 images",
    "height,width": "4 cells, 4 images",
    "axes=[{scheduler": "6 cells, 6 images",
    "experiment=shapes": "6 cells, 8 images",
    "skip_invalid": "4 cells, 4 images",
    "seeds=8": "default: Kandinsky 2.2 text2img, 128 x 128, 8 images",
    "range(0,8)": "default: Kandinsky 2.2 text2img, 128 x 128, 8 images",
    "[3,14,15]": "default: Kandinsky 2.2 text2img, 128 x 128, 3 images",
    "random(8)": "2 cells, 16 images",
    "seeds=[0,1],[2,3]": "2 cells, 4 images",
    "rows.csv": "6 cells, 6 images",
    "{circle|square}": "default: Kandinsky 2.2 text2img, 128 x 128, 4 images",
    "axes={prompt_template": "4 cells, 4 images",
    "prompt_replace={": "default: Kandinsky 2.2 text2img, 128 x 128, 2 images",
    "axes={prompt_replace": "3 cells, 6 images",
}
"""A part of each command -> how its plan begins."""


def test_the_page_has_these_commands_and_no_others() -> None:
    found = [[part for part in CELLS if part in command] for command in COMMANDS]
    assert found == [[part] for part in CELLS]
    assert [name for name, _ in FILES] == ["mine/experiment/shapes.yaml", "rows.csv"]


@pytest.mark.parametrize("command_line", COMMANDS)
def test_each_command_of_the_page_has_its_cells(command: Command, command_line: str) -> None:
    for name, content in FILES:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(content)
    shutil.copy(config_dir() / "experiment" / "inputs" / "circle.png", "circle.png")
    program, *arguments = shlex.split(command_line)
    said = command(*arguments)
    assert (program, said.status) == ("kandinsky", 0), said.err
    (begin,) = (begin for part, begin in CELLS.items() if part in command_line)
    assert said.out.startswith(begin), said.out
