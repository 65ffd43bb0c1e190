"""Whatever a folder of somebody else holds, the commands that open it do what they promise in
docs/trust.md: nothing is run, nobody is connected to, nothing outside is read or changed, and they
end with a status and a message.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from helpers.fuzzing import SAME
from runner.cli import main
from strangers.handed_over import Alteration, alterations, sweep_folder
from strangers.watching import watched

EXAMPLES = 60
VERBS: Sequence[Sequence[str]] = (
    ("grid", "{}"),
    ("compare", "{}"),
    ("report", "{}"),
    ("table", "{}"),
    ("export", "{}"),
    ("export", "{}", "--layout", "t2i_compbench"),
    ("reproduce", "{}/0000_cell"),
    ("reproduce", "{}/0000_cell/0000_picture_seed0.png"),
    ("sweeps", "{}/../.."),
    ("sync", "{}/../.."),
    ("cache", "{}/../.."),
)
SECRET = "the secret of another folder"


@pytest.fixture(scope="module")
def handed_over(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What each example copies: an output folder with a sweep, and a folder outside of it."""
    folder = tmp_path_factory.mktemp("strangers")
    sweep_folder(folder / "outputs" / "made" / "sweep")
    outside = folder / "outside"
    outside.mkdir()
    Image.new("RGB", (8, 8), "red").save(outside / "secret.png")
    (outside / "secret.txt").write_text(SECRET)
    (outside / "metadata.jsonl").write_text(f'{{"prompt": "a red circle", "of": "{SECRET}"}}\n')
    return folder


@pytest.fixture(scope="module")
def warm(handed_over: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Run each command once: what it imports and caches for all later calls is its own affair."""
    own = tmp_path_factory.mktemp("warm") / "own"
    shutil.copytree(handed_over, own)
    for verb in VERBS:
        run(verb, own / "outputs" / "made" / "sweep")


def run(verb: Sequence[str], sweep: Path) -> int:
    try:
        return main([argument.format(sweep) for argument in verb])
    except SystemExit as ended:  # argparse
        return int(ended.code or 0)


def bytes_of(folder: Path) -> str:
    """A digest of all files of a folder, and of their names."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        digest.update(str(file.relative_to(folder)).encode())
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()


def test_whatever_the_folder_holds(
    handed_over: Path,
    warm: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Each example: one to three alterations of a sweep's folder, then one of the commands."""
    own = tmp_path / "own"  # temporary files, and the user's cache
    own.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(own))
    monkeypatch.setenv("KANDINSKY_CACHE", str(own / "cache"))
    numbers = iter(range(10**6))
    statuses: list[int] = []

    @settings(SAME, max_examples=EXAMPLES)
    @given(st.lists(alterations, min_size=1, max_size=3), st.sampled_from(VERBS))
    def tried(altered: list[Alteration], verb: Sequence[str]) -> None:
        folder = tmp_path / str(next(numbers))
        shutil.copytree(handed_over, folder)
        sweep, outside = folder / "outputs" / "made" / "sweep", folder / "outside"
        for alter in altered:
            alter(sweep, outside)
        before = bytes_of(outside)
        with watched(folder / "outputs", own) as watch:
            status = run(verb, sweep)
        said = "".join(capfd.readouterr())
        assert watch.seen == []
        assert status in (0, 1, 2)
        assert bytes_of(outside) == before
        assert "Traceback" not in said
        assert "\x1b]0" not in said
        assert not [file for file in made_in(folder / "outputs") if SECRET in contents(file)]
        statuses.append(status)
        shutil.rmtree(folder, ignore_errors=True)

    tried()
    assert len(statuses) >= EXAMPLES
    print(f"{len(statuses)} folders tried, {sum(map(bool, statuses))} told")


def made_in(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.is_file() and not file.is_symlink())


def contents(file: Path) -> str:
    return file.read_text(errors="replace") if file.stat().st_size < 1_000_000 else ""
