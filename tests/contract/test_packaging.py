"""The wheel holds all that a run needs, and works far from any checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from runner.config import tree
from runner.weights.find import MINI_DIR

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).resolve().parents[2]


def call(*command: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **variables},
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    done = call(
        *(sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet"),
        *("--wheel-dir", str(target), str(CHECKOUT)),
        cwd=target,
    )
    assert done.returncode == 0, done.stderr
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def files_below(folder: Path) -> set[str]:
    # os.walk and not rglob: conf/experiment is a link to a folder.
    return {
        (Path(where) / name).relative_to(folder).as_posix()
        for where, _, names in os.walk(folder, followlinks=True)
        for name in names
    }


def test_the_config_tree_is_in_it(installed: Path) -> None:
    assert files_below(tree.config_dir()) == files_below(installed / "runner" / "conf")
    assert "experiment/first_light.yaml" in files_below(installed / "runner" / "conf")


def test_the_small_family_is_in_it(installed: Path) -> None:
    assert files_below(MINI_DIR) == files_below(installed / "runner" / "mini" / "weights")


def test_no_tests_and_no_outputs_are_in_it(installed: Path) -> None:
    tops = {path.name for path in installed.iterdir()}
    assert {name for name in tops if not name.endswith(".dist-info")} == {"runner"}
    assert not [name for name in files_below(installed) if "__pycache__" in name]


def test_it_says_that_it_is_typed(installed: Path) -> None:
    assert (installed / "runner" / "py.typed").is_file()


def test_it_names_the_command(installed: Path) -> None:
    (metadata,) = installed.glob("*.dist-info")
    assert "kandinsky = runner.cli:main" in (metadata / "entry_points.txt").read_text()


def test_it_plans_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    done = call(
        *(sys.executable, "-m", "runner", "plan", "experiment=first_light"),
        cwd=tmp_path,
        PYTHONPATH=str(installed),
        PYTHONDONTWRITEBYTECODE="1",
    )
    assert done.returncode == 0, done.stderr
    assert "4 images" in done.stdout
    assert str(installed) in done.stdout  # its own weights and not the checkout's
    assert list(tmp_path.iterdir()) == []


def test_it_makes_pictures_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    done = call(
        *(sys.executable, "-m", "runner", "prior.num_inference_steps=2"),
        *("decoder.num_inference_steps=1", "tracking=none"),
        cwd=tmp_path,
        PYTHONPATH=str(installed),
        PYTHONDONTWRITEBYTECODE="1",
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]
    assert len(list((tmp_path / "outputs" / "default").rglob("*.png"))) == 1
