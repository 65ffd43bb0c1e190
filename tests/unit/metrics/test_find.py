"""From a metric in the config to its function."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runner.errors import ConfigError
from runner.metrics.find import find_metric

OWN = """
from runner.metrics import metric

@metric(better="higher", version=3)
def blueness(image, *, from_level: int = 128, channel):
    return 1.0

@metric(needs=("no_such_package",))
def rich(image):
    return 1.0

def unmarked(image):
    return 1.0

number = 3
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    file = tmp_path / "own.py"
    file.write_text(OWN)
    return file


def test_one_of_the_projects_own() -> None:
    found = find_metric("fits", "runner.metrics.clip:clip_score", {})
    assert found.takes == {"image", "prompt", "clip"}
    assert found.description.better == "higher"
    assert found.source is None
    assert found.name == "fits"


def test_one_in_a_file(own: Path) -> None:
    found = find_metric("blue", f"{own}:blueness", {"channel": 2})
    assert found.takes == {"image"}
    assert found.description.version == 3
    before = found.source
    own.write_text(OWN + "\n# changed\n")
    assert before is not None
    assert find_metric("blue", f"{own}:blueness", {"channel": 2}).source != before


def test_one_in_a_module(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(own.parent))
    monkeypatch.delitem(sys.modules, "own", raising=False)
    assert find_metric("blue", "own:blueness", {"channel": 2}).source is not None
    monkeypatch.delitem(sys.modules, "own", raising=False)


@pytest.mark.parametrize(
    ("function", "arguments", "said"),
    [
        ("{own}:unmarked", {}, "is no metric"),
        ("{own}:number", {}, "there is no function number"),
        ("{own}:missing", {}, "there is no function missing"),
        ("{own}", {}, "names no function"),
        ("own.py", {}, "names no function"),
        (":blueness", {}, "names no function"),
        ("no/such/file.py:blueness", {}, "is not there"),
        ("no_such_module:blueness", {}, "ModuleNotFoundError"),
        ("{own}:blueness", {}, "metrics.mine.arguments.channel"),
        ("{own}:blueness", {"channel": 2, "colour": 1}, "metrics.mine.arguments.colour"),
        ("{own}:blueness", {"channel": 2, "image": "a.png"}, "metrics.mine.arguments.image"),
        ("{own}:rich", {}, "no_such_package"),
    ],
)
def test_what_is_refused(own: Path, function: str, arguments: dict[str, int], said: str) -> None:
    with pytest.raises(ConfigError, match="metrics") as refused:
        find_metric("mine", function.format(own=own), arguments)
    assert said in str(refused.value)


def test_a_file_that_raises_is_told_so(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("raise RuntimeError('not today')")
    with pytest.raises(ConfigError, match="RuntimeError: not today"):
        find_metric("mine", f"{file}:any", {})


FILES = """
from runner.metrics import metric

@metric(files=("real",), check=lambda arguments: "not with 3" if arguments.get("n") == 3 else None)
def distance(images, *, real: str, n: int = 1):
    return 1.0

@metric()
def mixed(image, images):
    return 1.0

@metric()
def nothing(prompt):
    return 1.0
"""


def test_what_lies_in_a_file_or_folder_counts(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(FILES)
    real = tmp_path / "real"
    (real / "within").mkdir(parents=True)
    (real / "within" / "a").write_text("a")

    def content() -> object:
        arguments = {"real": str(real)}
        return find_metric("d", f"{tmp_path / 'own.py'}:distance", arguments).content

    before = content()
    assert before == content()
    (real / "within" / "a").write_text("b")
    assert content() != before
    found = find_metric("d", f"{tmp_path / 'own.py'}:distance", {"real": str(real)})
    assert found.of_cell


@pytest.mark.parametrize(
    ("function", "arguments", "said"),
    [
        ("distance", {"real": "no/such/folder"}, "cannot be read"),
        ("distance", {"real": "empty"}, "is an empty folder"),
        ("distance", {"real": "own.py", "n": 3}, "not with 3"),
        ("mixed", {}, "takes image, images"),
        ("nothing", {}, "takes prompt"),
    ],
)
def test_what_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, arguments: dict[str, object],
    said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(FILES)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError) as refused:
        find_metric("mine", f"own.py:{function}", arguments)
    assert said in str(refused.value)


@pytest.mark.parametrize("name", ["lpips", "dists"])
def test_what_is_not_installed_is_refused(name: str) -> None:
    with pytest.raises(ConfigError) as refused:
        find_metric(name, f"runner.metrics.learned:{name}", {})
    assert "not installed" in str(refused.value) or "needs" in str(refused.value)
