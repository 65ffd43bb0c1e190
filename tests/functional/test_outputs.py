"""The files in the output folder after a run; nothing is written anywhere else."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from PIL import Image

from functional.made import STEPS, Kandinsky, Made
from runner.cli import main
from runner.config.resolve import resolve
from runner.images.png import image_of_png, pixel_sha256, text_of_png

PROMPTS = ["a red circle on a white background", "a blue square, very small"]
SEEDS = [3, 4]


def listing(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.lstat().st_mtime_ns for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty home and a working directory of its own for this module's runs."""
    root = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(root))
        patch.setenv("XDG_CACHE_HOME", str(root / ".cache"))
        yield root


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("work")
    (folder / "random.py").write_text("raise SystemExit('a file of the user was imported')\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def made(work: Path, weights: Path) -> Made:
    """One tracked run of four images, output folder as by default."""
    overrides = [
        f"prompt={json.dumps(PROMPTS)}", f"seeds={SEEDS}", "negative_prompt=a cross",
        f"weights={weights}", *STEPS,
    ]  # fmt: skip
    assert main(overrides) == 0
    return Made(work / "outputs")


@pytest.mark.slow
def test_images_have_names_that_say_what_they_are(made: Made) -> None:
    assert sorted(path.name for path in made.files) == [
        "0000_a-red-circle-on-a-white-background_seed3.png",
        "0001_a-red-circle-on-a-white-background_seed4.png",
        "0002_a-blue-square-very-small_seed3.png",
        "0003_a-blue-square-very-small_seed4.png",
    ]


@pytest.mark.slow
def test_the_manifest_is_complete(made: Made) -> None:
    manifest = made.manifest
    assert manifest["status"] == "FINISHED"
    assert manifest["failures"] == []
    assert re.fullmatch(r"[0-9a-f]{32}", manifest["mlflow_run_id"])
    assert "decoder.num_inference_steps=3" in manifest["overrides"]
    assert manifest["config"]["decoder"] == {"num_inference_steps": 3, "guidance_scale": 4.0}
    assert manifest["config"]["prompt"] == PROMPTS
    assert {(i["prompt"], i["seed"]) for i in manifest["images"]} == {
        (prompt, seed) for prompt in PROMPTS for seed in SEEDS
    }
    for image in manifest["images"]:
        content = (made.folder / image["file"]).read_bytes()
        assert pixel_sha256(image_of_png(content)) == image["sha256"]
        assert image["negative_prompt"] == "a cross"
        assert image["stage_keys"].keys() == {"prior", "negative", "decode"}
        assert image["seconds"] > 0
        assert image["reused"] is False
    keys = [tuple(image["stage_keys"].values()) for image in manifest["images"]]
    assert len(set(keys)) == 4


@pytest.mark.slow
def test_a_picture_alone_is_enough_to_make_it_again(
    made: Made, weights: Path, tmp_path: Path
) -> None:
    content = made.files[2].read_bytes()
    text = text_of_png(content)
    assert text["run_id"] == made.manifest["run_id"]
    config = json.loads(text["config"])
    assert resolve(OmegaConf.create(config)).prompts == tuple(PROMPTS)
    folder = tmp_path / "mine"
    (folder / "experiment").mkdir(parents=True)
    again = {
        **{key: config[key] for key in ("prior", "decoder", "negative_prompt", "seeding")},
        "prompt": text["prompt"],
        "seeds": [int(text["seed"])],
    }
    (folder / "experiment" / "again.yaml").write_text(
        "# @package _global_\n" + json.dumps(again, ensure_ascii=False)
    )
    options = [f"weights={weights}", f"output_dir={tmp_path}", "tracking=none"]
    assert main(["--config-dir", str(folder), "experiment=again", *options]) == 0
    remade = Made(tmp_path)
    assert pixel_sha256(remade.image().convert("RGB")) == pixel_sha256(image_of_png(content))


@pytest.mark.slow
def test_nothing_is_left_but_results(made: Made, work: Path, home: Path) -> None:
    assert Path.cwd() == work
    assert {path.name for path in work.iterdir()} == {"outputs", "random.py"}
    assert list(home.iterdir()) == []
    top = {path.name for path in (work / "outputs").iterdir()}
    assert top == {".cache", ".spool", "default", "latest", "mlartifacts", "mlflow.db"}
    assert [path for path in (work / "outputs" / ".spool").iterdir() if path.is_dir()] == []
    names = [path.name for path in (work / "outputs").rglob("*")]
    assert [name for name in names if name.endswith(".part") or name.endswith(".tmp")] == []
    assert {path.name for path in made.folder.iterdir()} == {
        "manifest.json",
        *(path.name for path in made.files),
    }


@pytest.mark.slow
def test_a_second_run_leaves_the_first_alone(made: Made, work: Path) -> None:
    before = listing(made.folder)
    outputs = work / "outputs"
    config = made.manifest["config"]
    assert (outputs / "latest").readlink() == Path("default", made.folder.name)
    assert main([f"weights={config['weights']['path']}", "tracking=none", *STEPS]) == 0
    assert listing(made.folder) == before
    second = Made(outputs)
    assert second.folder.parent == made.folder.parent
    assert second.folder != made.folder
    assert (outputs / "latest").readlink() == Path("default", second.folder.name)


HOSTILE = {
    "../../x": "x",
    "a/b": "a-b",
    "/etc/passwd": "etc-passwd",
    "..": "image",
    "one\ntwo\ttabs": "one-two-tabs",
    "Ein Bär, красный круг, 赤い円": "ein-bär-красный-круг-赤い円",
    "🙂🙃": "image",
    "CON <>:\"|?*'$(x) `y` \\z": "con-x-y-z",
    ".hidden -rf": "hidden-rf",
}


@pytest.mark.slow
def test_any_prompt_makes_a_safe_name(kandinsky: Kandinsky, tmp_path: Path) -> None:
    long = {"word " * 400: "word-" * 11 + "word", "円" * 500: "円" * 60}
    prompts = [*HOSTILE, *long]
    before = set(os.listdir(tmp_path))
    made = kandinsky(f"prompt={quoted(prompts)}")
    assert set(os.listdir(tmp_path)) - before == {"outputs"}
    names = {image["prompt"]: image["file"] for image in made.manifest["images"]}
    assert list(names) == prompts
    for number, (prompt, slug) in enumerate({**HOSTILE, **long}.items()):
        assert names[prompt] == f"{number:04d}_{slug}_seed0.png"
        file = made.folder / names[prompt]
        assert file.is_file()
        assert text_of_png(file.read_bytes())["prompt"] == prompt


def quoted(prompts: list[str]) -> str:
    """A list for Hydra's command line, which knows no escape but that of the quote."""
    escaped = [re.sub(r"(\\*)'", r"\1\1\\'", prompt) for prompt in prompts]
    return "[" + ",".join(f"'{text}'" for text in escaped) + "]"


def test_runs_of_the_same_second_have_folders_of_their_own(kandinsky: Kandinsky) -> None:
    runs = [kandinsky() for _ in range(4)]
    assert len({run.folder for run in runs}) == 4
    assert len({run.manifest["run_id"] for run in runs}) == 4
    assert all(run.files[0].is_file() for run in runs)


def test_a_sweep_makes_a_run_of_each_cell(weights: Path, tmp_path: Path) -> None:
    output_dir = tmp_path / "outputs"
    arguments = [
        "-m", f"weights={weights}", f"output_dir={output_dir}", "tracking=none",
        "name=sweep", "decoder.guidance_scale=1,4", *STEPS,
    ]  # fmt: skip
    assert main(arguments) == 0
    (sweep,) = (output_dir / "sweep").iterdir()
    names = sorted(folder.name for folder in sweep.iterdir() if folder.is_dir())
    assert names == ["0000_guidance-scale-1", "0001_guidance-scale-4"]
    manifests: list[dict[str, Any]] = [
        json.loads((sweep / name / "manifest.json").read_text()) for name in names
    ]
    scales = [manifest["config"]["decoder"]["guidance_scale"] for manifest in manifests]
    assert sorted(scales) == [1.0, 4.0]
    assert [manifest["status"] for manifest in manifests] == ["FINISHED", "FINISHED"]
    images = [image for manifest in manifests for image in manifest["images"]]
    assert len({image["sha256"] for image in images}) == 2
    assert len({image["stage_keys"]["prior"] for image in images}) == 1


def test_without_tracking_there_is_no_trace_of_mlflow(kandinsky: Kandinsky, tmp_path: Path) -> None:
    made = kandinsky()
    assert made.manifest["mlflow_run_id"] is None
    assert {p.name for p in (tmp_path / "outputs").iterdir()} == {".cache", "default", "latest"}


@pytest.mark.slow
@pytest.mark.parametrize("cache", ["use", "off"])
def test_what_an_image_was_made_from_is_kept_as_the_model_saw_it(
    kandinsky: Kandinsky, tmp_path: Path, cache: str
) -> None:
    photo = Image.new("L", (96, 48), 77)
    photo.save(tmp_path / "photo.png")
    controlled = [
        "task=controlnet_img2img",
        "strength=0.7",
        f"inputs.image={tmp_path / 'photo.png'}",
    ]
    kandinsky("prompt=a red circle", *controlled, "cache.mode=use")
    made = kandinsky("prompt=a red circle", "seeds=[0,1]", *controlled, f"cache.mode={cache}")
    assert [image["reused"] for image in made.manifest["images"]] == [cache == "use", False]
    first, second = (image["inputs"] for image in made.manifest["images"])
    assert first == second
    assert list(first) == ["image", "hint"]
    assert sorted(path.name for path in (made.folder / "inputs").iterdir()) == sorted(
        Path(file).name for file in first.values()
    )
    size = (made.manifest["images"][0]["width"], made.manifest["images"][0]["height"])
    with Image.open(made.folder / first["image"]) as seen:
        assert (seen.mode, seen.size) == ("RGB", size)
        assert seen.getcolors() == [(size[0] * size[1], (77, 77, 77))]
    with Image.open(made.folder / first["hint"]) as depth:
        assert depth.size == size  # estimated from the image


@pytest.mark.slow
def test_an_image_of_words_alone_has_nothing_beside_it(made: Made) -> None:
    assert all(image["inputs"] == {} for image in made.manifest["images"])
    assert not (made.folder / "inputs").exists()
