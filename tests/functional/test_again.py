"""`kandinsky again`: what made a picture, with something changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from functional.made import Kandinsky, Made
from runner.cli import main
from runner.config.hydra import tree
from runner.images.png import image_of_png, png_bytes, text_of_png

INPUTS = tree.config_dir() / "experiment" / "inputs"
QUIET = ("tracking=none", "progress=quiet")


def again(picture: Path, folder: Path, *said: str) -> Made:
    assert main(["again", str(picture), *said, f"output_dir={folder}", *QUIET]) == 0
    return Made(folder)


def test_one_thing_changes_and_nothing_else(kandinsky: Kandinsky, tmp_path: Path) -> None:
    """The source is gone; the picture lies elsewhere with what its run kept."""
    sources = shutil.copytree(INPUTS, tmp_path / "sources")
    task = ("task=img2img", "strength=0.6", r"prompt='a \"red, \${wide}\" ring'")
    first = kandinsky(*task, f"inputs.image={sources / 'circle.png'}", "scheduler=ddim",
                      "scheduler.eta=0.5")  # fmt: skip
    other = kandinsky(
        *task, f"inputs.image={sources / 'circle.png'}", "scheduler=ddpm", "seeds=[7]"
    )
    kept = shutil.copytree(first.folder, tmp_path / "elsewhere")
    shutil.rmtree(sources)
    picture = kept / first.files[0].name
    assert again(picture, tmp_path / "same").hashes == first.hashes
    assert again(picture, tmp_path / "other", "scheduler=ddpm", "seeds=[7]").hashes == other.hashes
    (tmp_path / "prompts.txt").write_text("a blue square\n")
    by_file = again(picture, tmp_path / "file", f"prompt_file={tmp_path / 'prompts.txt'}")
    assert [prompt for prompt, _ in by_file.hashes] == ["a blue square"]


def test_of_several_pictures_one_is_taken(kandinsky: Kandinsky, tmp_path: Path) -> None:
    made = kandinsky('prompt=["a red circle","синий квадрат"]', "seeds=[3,4]")
    ((asked, sha256),) = again(made.files[2], tmp_path / "one").hashes.items()
    assert made.hashes[asked] == sha256
    assert asked == ("синий квадрат", 3)


def test_a_picture_does_not_say_where_to_write(
    kandinsky: Kandinsky, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = kandinsky()
    data = made.files[0].read_bytes()
    text = dict(text_of_png(data))
    foreign = str(tmp_path / "foreign")
    text["config"] = text["config"].replace('"output_dir": ', f'"output_dir": "{foreign}", "_": ')
    assert foreign in text["config"]
    picture = tmp_path / "stranger.png"
    picture.write_bytes(png_bytes(image_of_png(data), text))
    monkeypatch.chdir(tmp_path)
    assert main(["again", str(picture), *QUIET]) == 0
    assert not (tmp_path / "foreign").exists()
    assert Made(tmp_path / "outputs").hashes == made.hashes


def test_what_is_wrong_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["again", str(tmp_path / "none.png")]) == 2
    assert "is no file" in capsys.readouterr().err
