"""LoRAs from the hub, on its stand-in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.numpy import save_file

from functional.test_downloads import DECODER, RUN, Said, Say, drawn, refused, weights_sent
from helpers.small_loras import small_lora
from hub_stand_in import Hub
from runner.cli import main
from runner.system.hashes import file_sha256
from runner.weights.hub import CachedRepo

STYLE = "some/style"


def asked(**told: str) -> str:
    return f"lora=[{{{', '.join(f'{key}: {value}' for key, value in told.items())}}}]"


@pytest.fixture
def said(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Say:
    """`kandinsky <arguments>` in this process, in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KANDINSKY_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("KANDINSKY_HUB_PATIENCE", "0")

    def say(*arguments: str) -> Said:
        capsys.readouterr()
        return Said(main(list(arguments)), *capsys.readouterr())

    return say


@pytest.fixture
def style(hub: Hub, lora_files: dict[str, Path], tmp_path: Path) -> Path:
    """The folder of a repository with one file."""
    folder = tmp_path / "style"
    folder.mkdir()
    shutil.copy(lora_files["decoder"], folder / "own.safetensors")
    hub.add(STYLE, folder)
    return folder


def test_it_is_fetched_once_and_its_commit_is_recorded(
    hub: Hub,
    style: Path,
    said: Say,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = said("plan", *RUN, asked(path=STYLE))
    assert f"{STYLE}@{hub.repositories[STYLE].commit}: 1 file not on disk" in one.out
    assert not weights_sent(hub)
    assert said(*RUN, asked(path=STYLE)).status == 0
    pixels, manifest = drawn(), Path("outputs/latest/manifest.json").resolve()
    content = json.loads(manifest.read_text())
    (told,) = content["environment"]["loras"].values()
    assert (told["repo"], told["revision"]) == (STYLE, hub.repositories[STYLE].commit)
    assert told["sha256"] == file_sha256(style / "own.safetensors")
    assert content["config"]["lora"] == [{"path": STYLE, "weight": 1.0, "role": "decoder"}]
    # A branch stays where this disk has it, and the same file from elsewhere is the same.
    newer = Path("newer")
    shutil.copytree(style, newer)
    (newer / "README.md").write_text("newer")
    hub.repositories[STYLE].move_main(newer)
    hub.requests.clear()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for lora in (asked(path=STYLE), asked(path=str(style))):
        assert said(*RUN, lora).status == 0
        assert drawn() == pixels
    assert not hub.requests
    assert said("reproduce", str(manifest), "--progress", "quiet").status == 0
    # Drawn again, it is of the repository still, at the recorded commit.
    assert said("again", str(manifest)).status == 0
    assert drawn() == pixels
    (entry,) = json.loads(Path("outputs/latest/manifest.json").read_text())["config"]["lora"]
    assert (entry["path"], entry["revision"]) == (STYLE, told["revision"])


def test_without_a_listing_the_hub_is_asked_only_for_weights_of_the_hub(
    hub: Hub, style: Path, said: Say
) -> None:
    """Files that another program fetched: some of those that the repository has."""
    commit = hub.repositories[STYLE].commit
    home = CachedRepo(STYLE).home
    (home / "snapshots" / commit).mkdir(parents=True)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(commit)
    save_file(small_lora(), home / "snapshots" / commit / "checkpoint-500.safetensors")
    plan = ("plan", "weights=mini", "tracking=none")
    refused(said(*plan, asked(path=STYLE)), f"{STYLE}: which of its files", "lora[0].file")
    assert said(*plan, asked(path=STYLE, file="checkpoint-500.safetensors")).status == 0
    assert not hub.requests
    assert f"{STYLE}@{commit}: 1 file not on disk" in said("plan", *RUN, asked(path=STYLE)).out


def test_what_is_wrong_is_told_before_weights_are_fetched(
    hub: Hub,
    style: Path,
    said: Say,
    lora_files: dict[str, Path],
) -> None:
    folders = {name: Path(name).absolute() for name in ("pickled", "several", "other")}
    for folder in folders.values():
        folder.mkdir()
    (folders["pickled"] / "pytorch_lora_weights.bin").write_bytes(b"PK")
    for name, file in (("a", "decoder"), ("b", "other")):
        shutil.copy(lora_files[file], folders["several"] / f"{name}.safetensors")
    (folders["other"] / "model.safetensors").write_bytes(lora_files["decoder"].read_bytes()[:99])
    for folder in folders.values():
        hub.add(f"some/{folder.name}", folder)
    both = (
        "{path: some/several, file: a.safetensors}",
        "{path: some/several, file: b.safetensors}",
    )
    assert said("plan", *RUN, f"lora=[{','.join(both)}]").status == 0
    refused(said("plan", *RUN, f"lora=[{both[0]},{both[0]}]"), "is that of lora[0].path")
    for lora, parts in (
        (asked(path="no/such"), ("lora[0].path=no/such: is not on the hub",)),
        (asked(path=STYLE, revision="v7"), ("lora[0].revision=v7: some/style has no such rev",)),
        (asked(path=STYLE, file="x.safetensors"), ("lora[0].file=x.safetensors: ", "own.safet")),
        (asked(path="some/pickled"), ("pytorch_lora_weights.bin: is pickled, and a LoRA is read",)),
        (asked(path="some/several"), ("holds 2 safetensors files", "lora[0].file: a.safetensors")),
        (asked(path="some/other"), ("lora[0].path=", "header")),
    ):
        refused(said(*RUN, lora), *parts)
    assert not [path for path in weights_sent(hub) if DECODER in path]
    assert said("download", *RUN, asked(path="some/several", file="b.safetensors")).status == 0
