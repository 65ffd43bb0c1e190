"""Reports are written atomically, and never replace anything but a report."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from PIL import Image

from helpers.made_sweeps import HOSTILE, Made, write_run, write_sweep
from runner.analysis.report import pictures, writing
from runner.analysis.report.writing import write_report
from runner.errors import ConfigError, StorageError
from runner.tracking.status import Status


def data_in(text: str) -> dict[str, Any]:
    (line,) = re.findall(r"window\.kandinskyReport = (.*);", text)
    data: dict[str, Any] = json.loads(line)
    return data


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_the_folder_holds_all_that_the_page_names(swept: Path) -> None:
    report = write_report(swept)
    assert report.index == swept / "report" / "index.html"
    data = data_in((swept / "report" / "data.js").read_text(encoding="ascii"))
    assert len(data["pictures"]) == len(data["images"]) == 24
    named = {unquote(name) for pair in data["pictures"] for name in pair}
    there = {
        path.relative_to(swept / "report").as_posix()
        for folder in ("thumbs", "images")
        for path in (swept / "report" / folder).iterdir()
    }
    assert named == there
    for image, (_, full) in zip(data["images"], data["pictures"], strict=True):
        cell = swept / data["cells"][image["cell"]]["folder"]
        assert (swept / "report" / unquote(full)).samefile(cell / image["file"])


def test_the_single_file_holds_the_same(swept: Path) -> None:
    report = write_report(swept)
    assert report.alone == swept / "report.html"
    assert report.alone_bytes == report.alone.stat().st_size
    data = data_in(report.alone.read_text(encoding="utf-8"))
    beside = data_in((swept / "report" / "data.js").read_text())
    assert {k: v for k, v in data.items() if k != "pictures"} == {
        k: v for k, v in beside.items() if k != "pictures"
    }
    for thumb, full in data["pictures"]:
        assert thumb.startswith("data:image/webp;base64,")
        assert full.startswith("data:image/png;base64,")


def test_a_run_has_its_page_too(tmp_path: Path) -> None:
    report = write_report(write_run(tmp_path / "run", Made()))
    assert len(report.facts.images) == 4
    assert report.index.is_file()


def test_a_rerun_replaces_the_earlier_one_whole(swept: Path) -> None:
    write_report(swept)
    old = swept / "report" / "images" / "old.png"
    old.touch()
    shutil.rmtree(swept / "0005_cell")
    report = write_report(swept)
    assert not old.exists()
    assert len(report.facts.images) == 20
    assert len(list((swept / "report" / "images").iterdir())) == 20
    assert hidden(swept) == []


@pytest.mark.parametrize("kind", ["a folder", "a file", "a page"])
def test_what_is_no_report_is_left_alone(swept: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"
    if kind == "a file":
        out.write_text("mine")
    elif kind == "a folder":
        out.mkdir()
        (out / "mine.txt").write_text("mine")
    else:
        (tmp_path / "out.html").write_text("<title>mine</title>")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match="is no report"):
        write_report(swept, out)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_folder_is_taken(swept: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert write_report(swept, tmp_path / "out").index == tmp_path / "out" / "index.html"
    assert (tmp_path / "out.html").is_file()
    assert not (swept / "report").exists()


def test_folders_above_are_made(swept: Path, tmp_path: Path) -> None:
    assert write_report(swept, tmp_path / "a" / "b" / "page").index.is_file()


def test_what_is_too_large_is_a_folder_only(swept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_report(swept)
    monkeypatch.setattr(writing, "LARGEST_FILE", 20_000)
    report = write_report(swept)
    assert report.alone is None
    assert report.alone_bytes > 20_000
    # The earlier one would say something else than the folder.
    assert not (swept / "report.html").exists()
    assert report.index.is_file()


def test_a_full_disk_leaves_the_earlier_report(
    swept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_report(swept)
    before = {path: path.stat().st_mtime_ns for path in swept.rglob("*") if path.is_file()}

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(StorageError, match="No space left"):
        write_report(swept)
    after = {path: path.stat().st_mtime_ns for path in swept.rglob("*") if path.is_file()}
    assert after == before
    assert hidden(swept) == []


def test_ctrl_c_leaves_nothing(swept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pictures, "_link", stop)
    with pytest.raises(KeyboardInterrupt):
        write_report(swept)
    assert not (swept / "report").exists()
    assert hidden(swept) == []


def test_what_a_killed_process_left_is_removed(swept: Path) -> None:
    old, fresh = swept / ".report.1.building", swept / ".report.2.building"
    for folder in (old, fresh):
        (folder / "thumbs").mkdir(parents=True)
    hours_ago = time.time() - 7200
    os.utime(old, (hours_ago, hours_ago))
    write_report(swept)
    assert hidden(swept) == [".report.2.building"]


def test_pictures_that_cannot_be_read_are_told(swept: Path) -> None:
    gone = swept / "0000_cell" / "0001_picture_seed1.png"
    gone.unlink()
    report = write_report(swept)
    assert report.unreadable == (gone,)
    data = data_in((swept / "report" / "data.js").read_text())
    assert [n for n, pair in enumerate(data["pictures"]) if pair is None] == [1]


def test_hostile_texts_are_in_it_as_they_are(tmp_path: Path) -> None:
    made = Made(prompts=(HOSTILE,), question=HOSTILE, broken={1: Status.FAILED}, error=HOSTILE)
    folder = write_sweep(tmp_path / "sweep", made)
    report = write_report(folder)
    assert report.alone is not None
    data = data_in(report.alone.read_text(encoding="utf-8"))
    assert data["question"] == HOSTILE
    assert data["images"][0]["prompt"] == HOSTILE
    assert data["cells"][1]["failures"] == [["decode", HOSTILE]]
    assert "<img src=x" not in report.alone.read_text(encoding="utf-8")


def test_names_with_signs_of_addresses_are_found(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", Made(prompts=("x",), seeds=(0,)))
    manifest = json.loads((folder / "manifest.json").read_text())
    odd = "a #1?%20 круг.png"
    (folder / manifest["images"][0]["file"]).rename(folder / odd)
    manifest["images"][0]["file"] = odd
    (folder / "manifest.json").write_text(json.dumps(manifest))
    write_report(folder)
    ((_, full),) = data_in((folder / "report" / "data.js").read_text())["pictures"]
    assert not set("#?") & set(full)
    assert (folder / "report" / unquote(full)).is_file()


def test_what_pictures_were_made_from_is_there_once(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "sweep", Made(inputs=("image", "mask")))
    report = write_report(folder)
    data = data_in((folder / "report" / "data.js").read_text(encoding="ascii"))
    assert data["inputs"] == ["image_0123abcd.png", "mask_0123abcd.png"]
    assert all(image["inputs"] == [["image", 0], ["mask", 1]] for image in data["images"])
    images = len(data["images"])
    assert len(data["pictures"]) == images + 2
    _, full = data["pictures"][images + 1]
    given = folder / "0000_cell" / "inputs" / "mask_0123abcd.png"
    assert (folder / "report" / full).read_bytes() == given.read_bytes()

    for file in folder.glob("*/inputs/mask_0123abcd.png"):
        file.unlink()
    (missing,) = write_report(folder).unreadable
    assert missing.name == "mask_0123abcd.png"
    assert report.unreadable == ()


def test_several_sweeps_are_on_one_page(swept: Path, tmp_path: Path) -> None:
    other = write_sweep(tmp_path / "more" / "other", Made(axes={"scheduler": ("lcm",)}))
    single = write_run(tmp_path / "more" / "single", Made())
    before = data_in((write_report(swept).index.parent / "data.js").read_text())
    report = write_report(swept, others=[other, single])
    assert report.index.parent.name == "report-with-more_other-more_single"
    data = data_in((report.index.parent / "data.js").read_text(encoding="ascii"))
    # A command that runs one of them again would not run all.
    assert data["command"] == ""
    assert len(data["cells"]) == len(before["cells"]) + 2
    assert [cell["number"] for cell in data["cells"]] == list(range(len(data["cells"])))
    fulls = [full for _, full in data["pictures"]]
    assert len(set(fulls)) == len(data["images"]) > len(before["images"])
    assert "lcm" in next(axis for axis in data["axes"] if axis["name"] == "scheduler")["values"]
    assert data_in((swept / "report" / "data.js").read_text()) == before
