"""The command in this process, a copy of the small family, and configs composed by Hydra."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from helpers.composing import compose_config
from helpers.small_loras import write_loras
from runner.cli import main
from runner.config.run_config import RunConfig
from runner.weights.find import MINI_DIR


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    status: int
    out: str
    err: str


Command = Callable[..., Said]
Compose = Callable[..., RunConfig]


@pytest.fixture
def command(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Command:
    """`kandinsky <arguments>` in an empty working directory, without a process of its own.

    The hub's cache is empty.
    """
    working = tmp_path / "working"
    working.mkdir()
    monkeypatch.chdir(working)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))

    def call(*arguments: str) -> Said:
        capfd.readouterr()
        try:
            status = main(list(arguments))
        except SystemExit as stop:  # argparse, of the verbs without Hydra
            status = int(stop.code or 0)
        return Said(status, *capfd.readouterr())

    return call


@pytest.fixture
def composed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Compose:
    """A RunConfig from overrides, with its outputs in an empty folder and an empty hub cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))

    return compose_config


@pytest.fixture
def family(tmp_path: Path) -> Path:
    """A folder with a copy of the small family, to be damaged at will."""
    return copy_family(tmp_path / "family")


@pytest.fixture
def pictures() -> Callable[[Path], None]:
    """Puts a few pictures of 128 x 128 into a folder."""
    return write_pictures


def write_pictures(folder: Path) -> None:
    """a.png and its copy, b.png, mask.png (one half white), white.png; and LoRAs."""
    write_loras(folder)
    Image.new("RGB", (128, 128), "red").save(folder / "a.png")
    shutil.copy(folder / "a.png", folder / "copy of a.png")
    Image.new("RGB", (128, 128), "blue").save(folder / "b.png")
    Image.new("L", (128, 128), "white").save(folder / "white.png")
    mask = Image.new("L", (128, 128))
    mask.paste(255, (0, 0, 64, 128))
    mask.save(folder / "mask.png")


def copy_family(target: Path) -> Path:
    """The small family at another place."""
    shutil.copytree(MINI_DIR, target)
    return target


def assert_refused(said: Said, *parts: str) -> None:
    """Exit status 2 and one message, which holds each of `parts`."""
    assert said.status == 2, said
    assert said.err.count("error: ") == 1, said.err
    assert said.err.startswith("error: "), said.err
    assert "Traceback" not in said.err
    for part in parts:
        assert part in said.err
