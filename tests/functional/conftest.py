"""Runs within this process, through the command line's own entry point."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from functional.made import STEPS, Kandinsky, Made
from runner.cli import main

if TYPE_CHECKING:
    from functional.asked import (
        Ask,
        Pictures,
        Pixels,
    )
    from functional.direct import Direct


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def kandinsky(weights: Path, tmp_path: Path) -> Kandinsky:
    """Runs `kandinsky <overrides>` with few steps and no tracking, into `tmp_path / outputs`."""
    output_dir = tmp_path / "outputs"

    def run(*overrides: str) -> Made:
        given = (f"weights={weights}", f"output_dir={output_dir}", "tracking=none", *STEPS)
        assert main(["progress=quiet", *given, *overrides]) == 0
        return Made(output_dir)

    return run


@pytest.fixture(scope="session")
def direct(random_weights: Path) -> Direct:
    """Direct calls of diffusers on the random checkpoints."""
    # Here, not above: most tests need neither diffusers' imports nor their seconds.
    from functional.direct import Direct

    return Direct(random_weights)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Ask], Pictures]:
    """Blotches to start from, a depth picture, and a mask of whole blocks of 8 x 8, each of the
    size that is asked for.
    """
    folder = tmp_path_factory.mktemp("pictures")

    def make(ask: Ask) -> Pictures:
        size = ask.width, ask.height
        random = np.random.default_rng(ask.width)
        blotches = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        depth = Image.fromarray(random.integers(0, 256, (4, 4), dtype=np.uint8))
        mask = Image.new("L", size, 0)
        mask.paste(255, (16, 8, ask.width // 2 + 8, ask.height // 2))
        hint = depth.resize(size, Image.Resampling.BILINEAR).convert("RGB")
        drawn = {"image": blotches.resize(size), "hint": hint, "mask": mask}
        paths = {name: folder / f"{name}-{ask.width}x{ask.height}.png" for name in drawn}
        for name, image in drawn.items():
            image.save(paths[name])
        return paths

    return make


@pytest.fixture
def random_kandinsky(random_weights: Path, tmp_path: Path) -> Callable[..., int]:
    """Runs `kandinsky <overrides>` on the random checkpoints and returns its exit status.

    A later override of a key wins. Nothing is reused, results are in `tmp_path / outputs`.
    """
    given = (
        f"weights={random_weights}", f"output_dir={tmp_path / 'outputs'}", "tracking=none",
        "progress=quiet", "cache=off", "device=cpu", *STEPS,
    )  # fmt: skip

    def run(*overrides: str) -> int:
        last = {override.partition("=")[0]: override for override in (*given, *overrides)}
        return main(list(last.values()))

    return run


@pytest.fixture
def drawn(
    random_kandinsky: Callable[..., int], pictures: Callable[[Ask], Pictures], tmp_path: Path
) -> Callable[..., list[Pixels]]:
    """What the runner draws, in the order of prompts and seeds."""
    from functional.asked import (
        opened,
        pixels,
    )

    def draw(ask: Ask, *overrides: str) -> list[Pixels]:
        assert random_kandinsky(*ask.overrides(pictures(ask)), *overrides) == 0
        return [pixels(opened(file)) for file in Made(tmp_path / "outputs").files]

    return draw


@pytest.fixture
def refused(
    random_kandinsky: Callable[..., int],
    pictures: Callable[[Ask], Pictures],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Callable[..., str]:
    """The one message with which the runner refuses, before it draws anything."""

    def refuse(ask: Ask, *overrides: str) -> str:
        capsys.readouterr()
        assert random_kandinsky(*ask.overrides(pictures(ask)), *overrides) == 2
        assert not (tmp_path / "outputs" / "latest").exists()
        said = capsys.readouterr().err
        assert said.count("error: ") == 1
        return said.removeprefix("error: ")

    return refuse


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Commands print to a terminal, of a user who was not told yet that workers can stay."""
    from runner.system.terminal import Printed
    from runner.workers import hint

    monkeypatch.setattr(Printed, "isatty", lambda stream: True, raising=False)
    monkeypatch.setattr(hint, "_have_loaded", False)
    monkeypatch.setenv("KANDINSKY_CACHE", str(tmp_path / "cache"))
