"""The wheel has all files that a run needs, and works outside any checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from runner.config.hydra import tree
from runner.system.machine import EXTRAS
from runner.weights.find import MINI_DIR

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).resolve().parents[2]
SHORT = ("prior.num_inference_steps=2", "decoder.num_inference_steps=1")

WITHOUT_EXTRAS = f"""
import sys
from importlib.machinery import PathFinder


class Core(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        hidden = name.partition(".")[0] in {sorted({n for names in EXTRAS.values() for n in names})}
        return None if hidden else super().find_spec(name, path, target)


sys.meta_path[:] = [Core if finder is PathFinder else finder for finder in sys.meta_path]
"""
"""A sitecustomize.py, which every process of Python begins with: extras are not installed."""


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
    assert {name for name in tops if not name.endswith(".dist-info")} == {"hydra_plugins", "runner"}
    assert not [name for name in files_below(installed) if "__pycache__" in name]


def test_it_says_that_it_is_typed(installed: Path) -> None:
    assert (installed / "runner" / "py.typed").is_file()


def test_its_plugins_leave_room_for_those_of_other_packages(installed: Path) -> None:
    """`hydra_plugins` is a namespace package: with a file of its own it would hide theirs."""
    assert files_below(installed / "hydra_plugins") == {"kandinsky_runner/__init__.py"}


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


@pytest.fixture
def core(installed: Path, tmp_path: Path) -> dict[str, str]:
    """Environment in which the wheel is installed without any extra."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(WITHOUT_EXTRAS)
    path = os.pathsep.join(map(str, (tmp_path / "site", installed)))
    return {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


def test_without_extras_it_makes_and_logs_pictures(core: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    done = call(
        *(sys.executable, "-m", "runner", *SHORT, "metrics=[sharpness,clip_score]"),
        cwd=tmp_path / "here",
        **core,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["outputs"]
    assert len(list((tmp_path / "here" / "outputs" / "default").rglob("*.png"))) == 1
    logged = tmp_path / "here" / "outputs" / "mlartifacts"
    assert len({path.name.partition("+")[0] for path in logged.rglob("*seed 0*.png")}) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("plan", "-m", "scheduler=ddim,ddpm", "report=true"),
            "report=true: needs the packages matplotlib and scipy, which are not installed",
        ),
        (
            ("run", "-m", "scheduler=ddim,ddpm", 'baseline="scheduler=ddim"', "metrics=[ssim]"),
            "metrics=ssim: needs the package torchmetrics, which is not installed",
        ),
        (
            ("compare", "nowhere"),
            "compare=nowhere: needs the packages matplotlib and scipy, which are not installed",
        ),
        (
            ("plan", "--graph", "graph.svg"),
            "--graph=graph.svg: needs the package matplotlib, which is not installed",
        ),
    ],
    ids=("report", "metric", "verb", "graph"),
)
def test_without_extras_what_needs_them_names_them(
    core: dict[str, str], tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "here").mkdir()
    done = call(sys.executable, "-m", "runner", *arguments, cwd=tmp_path / "here", **core)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert done.stderr.count("pip install 'kandinsky-runner[analysis]'") == 1
    assert done.stdout == ""
    # Nothing was begun; Hydra writes down what it was given.
    made = {path.name for path in (tmp_path / "here").rglob("*") if path.is_file()}
    assert made <= {"multirun.yaml"}
