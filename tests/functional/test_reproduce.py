"""`kandinsky reproduce`: the same pictures, or a report of what differs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from functional.made import Kandinsky
from helpers.made_sweeps import Made, write_sweep
from runner import sweep
from runner.cli import main
from runner.config.hydra import tree
from runner.images.png import image_of_png, png_bytes, text_of_png

INPUTS = tree.config_dir() / "experiment" / "inputs"
KINDS = {
    "text2img": (),
    "ddpm": ("scheduler=ddpm", "seeding=shared"),
    "several": ('prompt=["a red circle","синий квадрат"]', "seeds=[3,4]"),
    "negative prompt": ("negative_prompt=a cross", "prior.guidance_scale=3"),
    "braces": (r"prompt='\"a \${red} circle\"'",),
    "sliced": ("attention=sliced", "height=64"),
    "img2img": ("task=img2img", f"inputs.image={INPUTS / 'circle.png'}", "strength=0.7"),
    "inpaint": (
        "task=inpaint", f"inputs.image={INPUTS / 'circle.png'}", "inputs.mask_box=[0,0,400,400]",
    ),
    "interpolate": (
        "task=interpolate", "prompt=null",
        f"interpolate.items=[{{text: a red circle, weight: 0.3}}, "
        f"{{image: {INPUTS / 'square.png'}, weight: 0.7}}]",
    ),
    "controlnet": ("task=controlnet", f"inputs.hint={INPUTS / 'depth_of_a_cross.png'}"),
    "2.1": ("model=kandinsky2_1",),
}  # fmt: skip


def again(*arguments: object) -> int:
    return main(["reproduce", *map(str, arguments), "--progress", "quiet"])


@pytest.mark.parametrize("overrides", KINDS.values(), ids=KINDS)
def test_the_same_comes_out(
    kandinsky: Kandinsky, overrides: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    made = kandinsky(*overrides)
    capsys.readouterr()
    assert again(made.folder / "manifest.json") == 0
    count = len(made.files)
    said = capsys.readouterr().out
    assert said == f"{count} of {count} picture{'s' * (count > 1)} the same, pixel by pixel\n"
    # The last picture alone holds all that is needed.
    assert again(made.files[-1]) == 0
    assert capsys.readouterr().out.startswith("1 of 1 picture the same")


HAVING = ("img2img", "inpaint", "interpolate", "controlnet")


@pytest.mark.parametrize("kind", HAVING)
def test_elsewhere_it_starts_from_the_pictures_that_were_kept(
    kandinsky: Kandinsky, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = shutil.copytree(INPUTS, tmp_path / "sources")
    made = kandinsky(*(text.replace(str(INPUTS), str(sources)) for text in KINDS[kind]))
    folder = shutil.copytree(made.folder, tmp_path / "elsewhere")
    shutil.rmtree(sources)
    capsys.readouterr()
    assert again(folder) == 0
    said = capsys.readouterr().out
    assert said.startswith("1 of 1 picture the same, pixel by pixel\n")
    assert "is not here; " in said
    # One picture alone, as it lies among the artifacts of MLflow.
    (folder / "images").mkdir()
    alone = (folder / made.files[0].name).rename(folder / "images" / made.files[0].name)
    (folder / "manifest.json").unlink()
    assert again(alone) == 0
    assert capsys.readouterr().out.startswith("1 of 1 picture the same")


def test_a_source_that_changed_or_is_lost_is_told(
    kandinsky: Kandinsky, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "source.png"
    shutil.copy(INPUTS / "circle.png", source)
    made = kandinsky("task=img2img", f"inputs.image={source}", "strength=0.7")
    Image.new("RGB", (768, 768)).save(source)
    capsys.readouterr()
    assert again(made.folder) == 0
    assert f"inputs.image: {source} has changed since; " in capsys.readouterr().out
    folder = shutil.copytree(made.folder, tmp_path / "elsewhere")
    (kept,) = (folder / "inputs").iterdir()
    Image.new("RGB", (128, 128)).save(kept)
    assert again(folder) == 2
    assert f"{kept} has changed since the run" in capsys.readouterr().err
    kept.unlink()
    assert again(folder) == 2
    said = capsys.readouterr().err
    assert f"inputs.image={source}: has changed since, and no copy of it is kept" in said


def test_a_run_is_found_by_its_id_and_a_cell_of_a_sweep_too(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output_dir = tmp_path / "outputs"
    runs = sweep(
        "scheduler=ddim,ddpm", weights=weights, output_dir=output_dir, tracking="none",
        progress="quiet", prior={"num_inference_steps": 3}, decoder={"num_inference_steps": 3},
    )  # fmt: skip
    before = sorted(output_dir.rglob("*"))
    assert again(runs[1].manifest["run_id"], output_dir) == 0
    assert sorted(output_dir.rglob("*")) == before  # it leaves nothing behind
    # What another run left behind damaged is no hindrance.
    damaged = output_dir / "0" / "0" / "manifest.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_text('{"run_id": ')
    assert again(runs[1].manifest["run_id"], output_dir) == 0
    assert again("20200101T000000-nowhere", output_dir) == 2
    said = capsys.readouterr().err
    assert "is no file, and no run in" in said
    assert str(damaged) in said


Alter = Callable[[dict[str, Any]], None]


def _seed(manifest: dict[str, Any]) -> None:
    manifest["images"][0]["seed"] = 99


def _weights(manifest: dict[str, Any]) -> None:
    manifest["environment"]["weights"]["decoder"]["sha256"] = "0" * 64


def _guidance(manifest: dict[str, Any]) -> None:
    manifest["config"]["decoder"]["guidance_scale"] = 3.5


def _pixels(manifest: dict[str, Any]) -> None:
    manifest["images"][0]["sha256"] = "0" * 64


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        (_seed, "seed 99: differs by up to"),
        (_weights, "weights of the decoder: sha256 0000"),
        (_guidance, "does not lead to the recorded keys of decode"),
        (_pixels, "its pixels are not those of the record"),
    ],
)
def test_an_altered_record_is_told_by_what_differs(
    kandinsky: Kandinsky, alter: Alter, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = kandinsky()
    manifest = made.folder / "manifest.json"
    content = json.loads(manifest.read_text())
    alter(content)
    manifest.write_text(json.dumps(content))
    assert again(manifest) == 1
    assert said in capsys.readouterr().out


def test_other_pixels_are_measured_and_what_has_changed_is_named(
    kandinsky: Kandinsky, capsys: pytest.CaptureFixture[str]
) -> None:
    """As if an older library had drawn one pixel a little darker."""
    made = kandinsky()
    (file,) = made.files
    text = text_of_png(file.read_bytes())
    image = image_of_png(file.read_bytes())
    red, green, blue = image.getpixel((5, 5))  # type: ignore[misc]
    image.putpixel((5, 5), (red - 3 if red >= 3 else red + 3, green, blue))
    environment = json.loads(text["environment"])
    environment["libraries"]["torch"] = "1.0.0"
    file.write_bytes(png_bytes(image, {**text, "environment": json.dumps(environment)}))
    assert again(file) == 1
    said = capsys.readouterr().out
    assert "differs by up to 3 of 255 levels" in said
    assert "likely because of: torch: 1.0.0, here" in said
    assert again(file, "--tolerance", 2) == 1
    assert again(file, "--tolerance", 3) == 0


def test_pictures_of_something_else_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "other.png"
    Image.new("RGB", (8, 8)).save(picture)
    assert again(picture) == 2
    assert "does not say how it was made" in capsys.readouterr().err
    picture.write_bytes(b"no picture")
    assert again(picture) == 2
    Image.new("RGB", (8, 8)).save(tmp_path / "other.jpg")
    assert again(tmp_path / "other.jpg") == 2
    assert "holds no record of how it was made" in capsys.readouterr().err
    (tmp_path / "manifest.json").write_text("{}")
    assert again(tmp_path) == 2
    assert "is no record of a run" in capsys.readouterr().err


def test_a_sweep_is_refused_with_the_names_of_its_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = write_sweep(tmp_path / "sweep", Made())
    assert main(["reproduce", str(sweep)]) == 2
    said = capsys.readouterr().err
    assert "is a sweep: its runs are reproduced one by one" in said
    assert str(sweep / "0005_cell") in said
