"""A sweep as an object of Python, and what a notebook shows of it."""

from __future__ import annotations

import base64
import io
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from PIL import Image

from helpers.manifests import read_manifest
from runner import PlannedSweep, Run, Sweep, generate, plan, sweep, table
from runner.errors import ConfigError, RunFailedError

HOSTILE = 'a red circle </td><script>alert("1")</script> <img src=x onerror=alert(1)>'


class Shown(HTMLParser):
    """The elements and the texts of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.pictures: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        if tag == "img":
            self.pictures.append(dict(attrs)["src"] or "")

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def few(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {
        "weights": weights,
        "output_dir": tmp_path_factory.mktemp("notebook") / "outputs",
        "tracking": "none",
        "prior": {"num_inference_steps": 2},
        "decoder": {"num_inference_steps": 2},
    }


@pytest.fixture(scope="module")
def made(few: dict[str, Any]) -> Sweep:
    return sweep(
        "scheduler=ddim,ddpm", "decoder.guidance_scale=1,4",
        prompt=["a blue square", HOSTILE], seeds=[0, 1], metrics="sharpness", **few,
    )  # fmt: skip


def test_a_sweep_is_its_runs_and_what_is_asked_of_them_together(made: Sweep) -> None:
    record = json.loads((made.folder / "sweep.json").read_text(encoding="utf-8"))
    assert [run.folder.name for run in made] == [cell["folder"] for cell in record["cells"]]
    assert made.axes == {
        "scheduler": ("ddim", "ddpm"), "decoder.guidance_scale": ("1", "4"),
    }  # fmt: skip
    rows = made.table()
    assert len(rows) == 16
    pandas.testing.assert_frame_equal(rows, table(made))
    pandas.testing.assert_frame_equal(rows, table(made.folder))


def test_a_comparison_is_that_of_the_table(made: Sweep) -> None:
    compared = made.compare(by="scheduler", within="decoder.guidance_scale", baseline="ddim")
    rows = compared.table().query("metric == 'sharpness'")
    pictures = made.table().pivot_table(
        index=["decoder.guidance_scale", "prompt", "seed"], columns="scheduler", values="sharpness"
    )
    difference = pictures["ddpm"] - pictures["ddim"]
    found = rows.set_index("decoder.guidance_scale")["difference"]
    for guidance in (1, 4):
        assert found[guidance] == pytest.approx(difference[guidance].mean(), abs=1e-9)
    assert "by scheduler, within decoder.guidance_scale" in repr(compared)
    assert "sharpness" in str(compared)


def test_its_files_are_written_where_they_are_asked_for(made: Sweep, tmp_path: Path) -> None:
    compared = made.compare("scheduler", where="decoder.guidance_scale=4")
    files = {file.name for file in compared.write(tmp_path / "compared")}
    assert {"comparison.md", "comparison.csv", "comparison.tex"} <= files
    assert not (made.folder / "comparison").exists()
    page = made.report(tmp_path / "page")
    assert page == tmp_path / "page" / "index.html"
    assert page.is_file()


def test_what_was_made_earlier_is_read_again(made: Sweep) -> None:
    again = Sweep.read(made.folder)
    assert again == made
    assert Run.read(str(made[0].folder)) == made[0]
    with pytest.raises(ConfigError, match=r"(?s)is a run, no sweep.*Run\.read"):
        Sweep.read(made[0].folder)
    with pytest.raises(ConfigError, match=r"(?s)is a sweep, no run.*Sweep\.read"):
        Run.read(made.folder)
    with pytest.raises(ConfigError, match=r"no manifest\.json"):
        Run.read(made.folder.parent)


def test_what_is_read_stays_what_it_was(made: Sweep, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to(made.folder)
    (tmp_path / "run").symlink_to(made[1].folder)
    again, run = Sweep.read(tmp_path / "latest"), Run.read(tmp_path / "run")
    for link in ("latest", "run"):
        (tmp_path / link).unlink()
        (tmp_path / link).symlink_to(tmp_path)
    assert again == made
    assert run == made[1]
    assert again[0].images[0].image.size == made[0].images[0].image.size
    assert "scheduler=ddpm decoder.guidance_scale=4" in again._repr_html_()


def test_reprs_fit_a_line_or_two(made: Sweep, few: dict[str, Any]) -> None:
    for shown in (made, made[0], made[0].images[0], plan(prompt="a blue square", **few)):
        assert len(repr(shown)) < 120 + len(str(made[0].images[0].file))
    assert "4 cells, 16 images" in repr(made)
    assert "Kandinsky 2.2 text2img, 1 image of 128 x 128, 2 stages" in repr(
        plan(prompt="a blue square", **few)
    )


def test_a_notebook_shows_the_pictures_and_texts_stay_texts(
    made: Sweep, few: dict[str, Any]
) -> None:
    shown = Shown(made._repr_html_())
    assert len(shown.pictures) == 16
    assert "script" not in shown.elements
    assert shown.text.count(HOSTILE) == 8
    assert "scheduler=ddpm decoder.guidance_scale=4" in shown.text
    kind, _, data = shown.pictures[0].partition(",")
    assert kind == "data:image/webp;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        assert picture.size == made[0].images[0].image.size
    assert len(Shown(made[0]._repr_html_()).pictures) == 4
    assert len(Shown(made[0].images[0]._repr_html_()).pictures) == 1
    planned = plan("scheduler=ddim,ddpm", prompt=HOSTILE, **few)
    assert isinstance(planned, PlannedSweep)
    plan_shown = Shown(planned._repr_html_())
    assert {"script", "img"}.isdisjoint(plan_shown.elements)
    assert "2 cells, 2 images, 3 distinct stages" in plan_shown.text
    table_shown = Shown(made.compare("scheduler")._repr_html_())
    assert "sharpness" in table_shown.text
    assert "table" in table_shown.elements


def test_a_damaged_picture_is_named_in_its_place(few: dict[str, Any]) -> None:
    run = generate(prompt="a blue square", seeds=[7, 8], **few)
    run.images[0].file.write_bytes(b"no picture")
    shown = Shown(run._repr_html_())
    assert len(shown.pictures) == 1
    assert run.images[0].file.name in shown.text


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK"])
def test_a_picture_in_memory_is_an_input_picture(
    few: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setenv("KANDINSKY_CACHE", str(tmp_path / "cache"))
    picture = Image.new("RGB", (64, 64), "white")
    picture.paste((200, 30, 30), (16, 16, 48, 48))
    picture = picture.convert(mode)
    if mode == "RGBA":
        picture.putalpha(Image.linear_gradient("L").resize((64, 64)))
    # CMYK has no PNG; what is shown of it is RGB.
    file = tmp_path / "picture.png"
    (picture.convert("RGB") if mode == "CMYK" else picture).save(file)
    asked = {"task": "img2img", "prompt": "a blue square", "strength": 0.5, **few}
    ours = generate(inputs={"image": picture}, **asked)
    direct = generate(inputs={"image": file}, cache="off", **asked)
    assert ours.images[0].saved.sha256 == direct.images[0].saved.sha256
    named = Path(read_manifest(ours.folder)["config"]["inputs"]["image"])
    assert named.parent == tmp_path / "cache" / "pictures"


def test_pictures_in_memory_are_values_of_an_axis(
    few: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KANDINSKY_CACHE", str(tmp_path / "cache"))
    array = np.full((64, 64, 3), (200, 30, 30), np.uint8)
    Image.fromarray(array[..., ::-1]).save(tmp_path / "blue.png")
    pictures = [array, Image.fromarray(array), tmp_path / "blue.png"]
    asked = {"task": "img2img", "prompt": "a blue square", "strength": 0.5, **few}
    one, two = sweep(axes={"inputs.image": pictures}, **asked)  # the same content: one cell
    by_path = generate(inputs={"image": tmp_path / "blue.png"}, cache="off", **asked)
    assert two.images[0].saved.sha256 == by_path.images[0].saved.sha256
    assert one.images[0].saved.sha256 != two.images[0].saved.sha256
    again = sweep(axes={"inputs.image": tuple(pictures)}, **asked)
    assert again[0].folder == one.folder
    with pytest.raises(ConfigError, match=r"axes\.inputs\.image\[0\]=array of float64, 4 x 4 x 3"):
        plan(axes={"inputs.image": [np.zeros((4, 4, 3))]}, **asked)


def test_a_photo_is_turned_upright(few: dict[str, Any], tmp_path: Path) -> None:
    photo = Image.new("RGB", (64, 64), "white")
    photo.paste((200, 30, 30), (0, 0, 64, 16))
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.save(tmp_path / "photo.jpg", exif=exif)
    asked = {"task": "img2img", "prompt": "a blue square", "strength": 0.5, **few}
    by_path = generate(inputs={"image": tmp_path / "photo.jpg"}, **asked)
    with Image.open(tmp_path / "photo.jpg") as opened:
        in_memory = generate(inputs={"image": opened}, **asked)
    assert in_memory.images[0].saved.sha256 == by_path.images[0].saved.sha256


def test_a_picture_of_undefined_brightness_is_refused(few: dict[str, Any]) -> None:
    items = [{"text": "a blue square", "weight": 0.5}, {"image": Image.new("F", (64, 64))}]
    with pytest.raises(ConfigError, match=r"interpolate\.items\[1\]\.image.*mode F"):
        generate(task="interpolate", interpolate={"items": items}, **few)


def test_nothing_is_printed_unless_asked(
    few: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    generate(prompt="a blue square", seeds=[11], **few)
    sweep("scheduler=ddim,ddpm", prompt="a blue square", seeds=[11], **few)
    assert capfd.readouterr() == ("", "")
    generate(prompt="a blue square", seeds=[12], progress="lines", **few)
    assert "decode" in capfd.readouterr().err
    generate("progress=auto", prompt="a blue square", seeds=[13], **few)
    assert "decode" in capfd.readouterr().err


def test_a_sweep_that_fails_in_part_keeps_its_object(few: dict[str, Any]) -> None:
    with pytest.raises(RunFailedError) as caught:
        sweep("decoder.guidance_scale=4,1e38", prompt="a blue square", seeds=[21], **few)
    error = caught.value
    assert [len(run.images) for run in error.sweep] == [1, 0]
    assert error.run == error.sweep[1]
