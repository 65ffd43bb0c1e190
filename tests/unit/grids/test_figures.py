"""`kandinsky grid` as PDF, SVG, PNG and JPEG: what a reader of each file sees."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shlex
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pypdfium2
import pytest
from PIL import Image

from helpers.made_sweeps import HOSTILE, Made, write_sweep
from runner.analysis.figure_config import as_exif, config_of
from runner.images.png import pixel_sha256, png_bytes
from runner.recording.sweep_record import SweepRecord
from runner.tracking.status import Status
from unit.conftest import Command, assert_refused

SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"
LONG = "a very long prompt about a yellow triangle above a blue square " * 4 + "(the end)"
AXES = {"scheduler": ("ddim", "ddpm"), "decoder.guidance_scale": ("1", "4")}
NESTED = ("--rows", "scheduler", "decoder.guidance_scale", "--cols", "prompt", "seed")


@dataclass(frozen=True)
class Seen:
    """What a file shows: its text, its pictures' hashes, its size in points."""

    text: str
    pictures: list[str]
    size: tuple[float, float]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2 schedulers x 2 guidance scales, one of which failed; each 3 prompts x 2 seeds."""
    folder = tmp_path_factory.mktemp("figures") / "outputs" / "made" / "one"
    prompts = ("a red circle", "синий квадрат 黑色", LONG)
    return write_sweep(folder, Made(AXES, prompts=prompts, broken={3: Status.FAILED}))


def of_pdf(file: Path) -> Seen:
    document = pypdfium2.PdfDocument(file)
    (page,) = document
    text = page.get_textpage().get_text_range()
    pictures = [
        pixel_sha256(one.get_bitmap(render=False).to_pil().convert("RGB"))
        for one in page.get_objects()
        if isinstance(one, pypdfium2.PdfImage)
    ]
    size = page.get_size()
    document.close()
    return Seen(" ".join(text.split()), pictures, size)


def of_svg(file: Path) -> Seen:
    root = ElementTree.parse(file).getroot()
    held = [
        Image.open(io.BytesIO(base64.b64decode(one.get(LINK, "").partition(",")[2])))
        for one in root.iter(f"{SVG}image")
    ]
    text = " ".join(one.text or "" for one in root.iter(f"{SVG}text"))
    size = (float(root.get("width", "").rstrip("pt")), float(root.get("height", "").rstrip("pt")))
    return Seen(text, [pixel_sha256(one.convert("RGB")) for one in held], size)


def hashes(swept: Path) -> Iterator[str]:
    for cell in SweepRecord.read(swept).cells:
        for file in sorted((swept / cell.folder).glob("*.png")):
            yield pixel_sha256(Image.open(file).convert("RGB"))


@pytest.mark.parametrize("kind", ["pdf", "svg"])
def test_pictures_are_inside_whole_and_once_and_text_is_text(
    swept: Path, command: Command, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / f"figure.{kind}"
    said = command(
        "grid", *NESTED, "--labels", "ddim=DDIM", "guidance_scale=w", f"{LONG}=long",
        "--title", "Two $x^2$ schedulers", "--caption", "What <b> shows.", "--width", "17.5cm",
        "--out", str(out), str(swept),
    )  # fmt: skip
    assert (said.status, said.err) == (0, "")
    seen = {"pdf": of_pdf, "svg": of_svg}[kind](out)
    assert sorted(seen.pictures) == sorted(set(hashes(swept)))
    assert seen.size[0] == pytest.approx(17.5 / 2.54 * 72, abs=0.01)
    for text in (
        "DDIM", "ddpm", "w = 1", "w = 4", "a red circle", "long", "синий квадрат 黑色", "seed = 1",
        "Two $x^2$ schedulers", "What <b> shows.",
    ):  # fmt: skip
        assert text in seen.text
    # Each outer value once; the failed cell's six places say why they are empty.
    assert [seen.text.count(text) for text in ("DDIM", "long", "failed")] == [1, 1, 6]
    assert ("scheduler" in seen.text.replace("schedulers", ""), LONG[:6] in seen.text) == (
        False,
    ) * 2


def test_fonts_are_truetype(swept: Path, command: Command, tmp_path: Path) -> None:
    out = tmp_path / "figure.pdf"
    command("grid", *NESTED, "--width", "6in", "--out", str(out), str(swept))
    content = out.read_bytes()
    fonts = set(re.findall(rb"/FontFile2 (\d+) 0 R", content))
    assert fonts
    assert b"/Type3" not in content
    for number in fonts:
        stream = re.search(rb"\n%s 0 obj\n.*?stream\n" % number, content, re.DOTALL)
        assert stream
        # Not the "OTTO" of cubic outlines, which not all readers take here.
        begun = zlib.decompressobj().decompress(content[stream.end() :], 4)
        assert begun == b"\0\1\0\0"


def test_a_long_prompt_is_whole(swept: Path, command: Command, tmp_path: Path) -> None:
    out = tmp_path / "figure.svg"
    said = command("grid", *NESTED, "--width", "3.3in", "--out", str(out), str(swept))
    assert said.err == ""
    assert " ".join(LONG.split()) in of_svg(out).text
    # Of the pictures that are chosen the failed cell has some, which are missing.
    command("grid", *NESTED, "--where", "seed=0", "--width", "5in", "--out", str(out), str(swept))
    assert of_svg(out).text.count("failed") == 3
    # A sheet of pixels has less space, and says so; the seed stays.
    said = command("grid", "--out", str(out), str(swept))
    assert "cut with “…”: a very long prompt" in said.err
    assert of_svg(out).text.count("… seed 1") == 3


def test_pixels_have_their_resolution(swept: Path, command: Command, tmp_path: Path) -> None:
    sizes = []
    for kind in ("png", "jpg"):
        out = tmp_path / f"figure.{kind}"
        command(
            "grid", *NESTED, "--where", f"prompt={LONG}", "scheduler=ddim", "--width", "4in",
            "--dpi", "150", "--out", str(out), str(swept),
        )  # fmt: skip
        with Image.open(out) as image:
            assert image.format == {"png": "PNG", "jpg": "JPEG"}[kind]
            assert image.info["dpi"] == pytest.approx((150, 150), abs=0.02)
            assert image.width == 600
            sizes.append(np.asarray(image.convert("RGB")).astype(int))
    assert np.abs(sizes[0] - sizes[1]).mean() < 3


def test_resolution_makes_pictures_of_a_pdf_smaller(
    swept: Path, command: Command, tmp_path: Path
) -> None:
    out = tmp_path / "figure.pdf"
    command("grid", *NESTED, "--width", "4in", "--dpi", "20", "--out", str(out), str(swept))
    (page,) = pypdfium2.PdfDocument(out)
    sizes = {one.get_px_size() for one in page.get_objects() if hasattr(one, "get_px_size")}
    assert max(max(size) for size in sizes) < 20


@pytest.mark.parametrize("kind", ["pdf", "svg", "png", "jpg"])
def test_a_figure_tells_what_it_was_made_of(
    swept: Path, command: Command, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / f"figure.{kind}"
    asked = [*NESTED, "--where", "prompt=a red circle", "--title", HOSTILE, "--width", "4in"]
    made = []
    for _ in range(2):
        assert command("grid", *asked, "--out", str(out), str(swept)).status == 0
        made.append(out.read_bytes())
    assert made[0] == made[1]
    told = json.loads(command("grid", "--read", str(out)).out)
    assert told["command"].startswith("kandinsky grid --rows scheduler decoder.guidance_scale")
    assert told["where"] == ["prompt=a red circle"]
    assert told["title"] == HOSTILE
    assert told["sweeps"][0]["folder"] == "made/one"
    assert {"runner", "matplotlib", "pillow"} == set(told["versions"])
    assert {one["sha256"] for one in told["pictures"]} < set(hashes(swept))
    for one in told["pictures"]:
        file = swept.parents[1] / one["file"]
        assert pixel_sha256(Image.open(file).convert("RGB")) == one["sha256"]


def test_a_long_list_of_pictures_is_a_hash_in_a_jpeg() -> None:
    pictures = [{"file": f"{number}.png", "sha256": "0" * 64} for number in range(1000)]
    out = io.BytesIO()
    exif = as_exif(config_of("grid", title="", pictures=pictures))
    Image.new("RGB", (8, 8)).save(out, format="JPEG", exif=exif)
    text = out.getvalue().partition(b"ASCII\0\0\0")[2]
    told, _ = json.JSONDecoder().raw_decode(text.decode("latin1"))
    assert told["pictures"]["count"] == 1000


def test_another_process_draws_the_same_bytes(
    swept: Path, command: Command, tmp_path: Path
) -> None:
    out = tmp_path / "figure.pdf"
    asked = ["grid", str(swept), "--rows", "seed", "--cols", "scheduler", "--out", str(out)]
    command(*asked)
    first = out.read_bytes()
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-m", "runner", *asked], env=environment, check=True)
    assert out.read_bytes() == first


def test_equal_pictures_are_inside_once(tmp_path: Path, command: Command) -> None:
    folder = tmp_path / "outputs" / "made" / "one"
    write_sweep(folder, Made({"scheduler": ("ddim", "ddpm")}, inputs=("image",)))
    for kind, seen in (("pdf", of_pdf), ("svg", of_svg)):
        out = tmp_path / f"sheet.{kind}"
        command("grid", "--out", str(out), str(folder))
        assert len(seen(out).pictures) == (10 if kind == "pdf" else 9)
        if kind == "pdf":
            assert out.read_bytes().count(b"/Subtype /Image") == 9


def test_several_sweeps_are_one_figure(tmp_path: Path, command: Command) -> None:
    folders = [tmp_path / "outputs" / "made" / name for name in ("one", "two")]
    for folder, steps in zip(folders, ("5", "10"), strict=True):
        axes = {"scheduler": ("ddim", "ddpm"), "decoder.steps": (steps,)}
        write_sweep(folder, Made(axes, seeds=(0,)))
    # The second has another scheduler besides: a union, not a product.
    out = tmp_path / "figure.svg"
    said = command(
        "grid", *map(str, folders), "--rows", "scheduler", "--cols", "decoder.steps", "prompt",
        "--out", str(out),
    )  # fmt: skip
    assert said.status == 0
    assert {"steps = 5", "steps = 10"} <= set(re.findall(r"steps = \d+", of_svg(out).text))
    assert len(of_svg(out).pictures) == 4  # both sweeps' pictures are alike


def test_a_damaged_picture_is_told(tmp_path: Path, command: Command) -> None:
    folder = write_sweep(tmp_path / "outputs" / "made" / "one", Made(seeds=(0,)))
    broken = next(iter(sorted(folder.glob("*/*.png"))))
    broken.write_bytes(png_bytes(Image.new("RGB", (32, 32)))[:60])
    out = tmp_path / "sheet.pdf"
    said = command("grid", "--out", str(out), str(folder))
    assert "cannot be read as a picture" in said.err
    assert "missing or damaged" in of_pdf(out).text


def test_the_commands_of_the_documentation_draw(swept: Path, command: Command) -> None:
    Path("outputs").mkdir()
    Path("outputs", "latest").symlink_to(swept)
    page = (Path(__file__).parents[3] / "docs" / "comparison.md").read_text(encoding="utf-8")
    typed = [line for line in page.splitlines() if line.startswith("kandinsky grid")]
    assert len(typed) == 5
    for line in typed:
        said = command(*shlex.split(line)[1:])
        assert said.status == 0, said.err
    assert of_pdf(Path("figure.pdf")).size[0] == pytest.approx(6.9 * 72, abs=0.01)
    assert json.loads(said.out)["command"] == typed[2]
    text = of_svg(Path("column.svg")).text
    assert "DDIM" in text
    assert "circle" in text
    assert "At guidance 4." in text


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["--out", "x.gif"], "out=x.gif: is of no format"),
        (["--width", "wide"], "width=wide: is no width"),
        (["--width", "1in", *NESTED], "width=1in: is too narrow for 6 pictures beside each other"),
        (["--width", "4in", "--size", "64"], "size=64: does not go with --width"),
        (["--dpi", "300"], "dpi=300.0: says how large pixels are"),
        (["--labels", "ddmi=x"], "labels=ddmi=x: renames no axis and no value"),
        (["--where", "seed=9"], "where=seed=9: is of no picture of these cells\n  allowed: seed=0"),
        (["--where", "steps=9"], "where=steps=9: names no axis of this sweep"),
        (["--read", "nothing.pdf"], "read=nothing.pdf: cannot be read"),
        (["--read", "sweep.json"], "read=sweep.json: holds no config of a figure"),
    ],
)
def test_what_cannot_be_drawn_is_one_message(
    swept: Path, command: Command, monkeypatch: pytest.MonkeyPatch, asked: list[str], told: str
) -> None:
    monkeypatch.chdir(swept)
    assert_refused(command("grid", str(swept), *asked), told)
