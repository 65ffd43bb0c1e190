"""Metrics as stages: their numbers, their references, and what happens when one fails."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from functional.made import STEPS, Made
from helpers.manifests import read_manifest
from runner.cli import main
from runner.metrics.likeness import psnr, ssim
from runner.metrics.sets import fid

PROMPTS = ["a red circle on a white background", "зелёный крест на сером фоне"]

OWN = """
from pathlib import Path
from runner.metrics import metric

@metric(better="higher")
def blueness(image, prompt, *, from_level: int = 128):
    with open(CALLS, "a") as calls:
        calls.write("called\\n")
    if "cross" in prompt:
        raise RuntimeError("crosses are not measured")
    blue = image.getchannel("B")
    return {"share": sum(blue.histogram()[from_level:]) / (blue.width * blue.height), "top": 1}
"""

Sweep = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def sweep(weights: Path, tmp_path: Path) -> Sweep:
    """Runs a sweep; the manifests of its cells."""

    def run(*overrides: str, status: int = 0) -> list[dict[str, Any]]:
        given = (f"weights={weights}", f"output_dir={tmp_path / 'outputs'}", "tracking=none")
        assert main(["-m", "progress=quiet", "workers=1", *given, *STEPS, *overrides]) == status
        folder = (tmp_path / "outputs" / "latest").resolve()
        cells = json.loads((folder / "sweep.json").read_text())["cells"]
        return [
            {**read_manifest(folder / c["folder"]), "folder": folder / c["folder"]} for c in cells
        ]

    return run


def scores(manifest: dict[str, Any]) -> list[dict[str, float]]:
    return [image["scores"] for image in manifest["images"]]


def pictures(manifest: dict[str, Any]) -> list[Image.Image]:
    found = []
    for image in manifest["images"]:
        with Image.open(manifest["folder"] / image["file"]) as opened:
            found.append(opened.convert("RGB"))
    return found


@pytest.mark.slow
def test_clip_score_is_that_of_the_priors_own_encoders(kandinsky: Any, weights: Path) -> None:
    made: Made = kandinsky(
        f"prompt={json.dumps(PROMPTS, ensure_ascii=False)}", "metrics=[clip_score]"
    )
    from diffusers import KandinskyV22PriorPipeline

    # The small prior shares nothing, so diffusers loads it as it is.
    prior = KandinskyV22PriorPipeline.from_pretrained(weights / "kandinsky-2-2-prior")
    for file, image in zip(made.files, made.manifest["images"], strict=True):
        tokens = prior.tokenizer(
            image["prompt"], padding="max_length", truncation=True, return_tensors="pt",
            max_length=prior.tokenizer.model_max_length,
        )  # fmt: skip
        with Image.open(file) as opened, torch.inference_mode():
            pixels = prior.image_processor(opened.convert("RGB"), return_tensors="pt").pixel_values
            text = prior.text_encoder(tokens.input_ids).text_embeds[0]
            seen = prior.image_encoder(pixels).image_embeds[0]
        wanted = torch.nn.functional.cosine_similarity(text, seen, dim=0)
        assert image["scores"] == {"clip_score": pytest.approx(float(wanted), abs=1e-5)}


@pytest.mark.slow
def test_a_right_prompt_scores_higher_than_a_wrong_one(kandinsky: Any) -> None:
    """Each picture fits its own prompt better than the other one's."""
    steps = ("decoder.num_inference_steps=10", "prior.num_inference_steps=10")
    made: Made = kandinsky(f"prompt={json.dumps(PROMPTS, ensure_ascii=False)}", *steps)
    from helpers.loading import opened as folder_of
    from runner.catalog.kandinsky2_2 import CLIP_2_2
    from runner.pipelines.transformers_models import Clip

    with folder_of(Path(made.manifest["config"]["weights"]["path"]), CLIP_2_2) as folder:
        clip = Clip.from_folder(folder, torch.float32)
    for file, image in zip(made.files, made.manifest["images"], strict=True):
        with Image.open(file) as opened:
            seen = clip.embed_image(opened.convert("RGB"))
        fits = {text: clip.cosine(seen, clip.embed_text(text)) for text in PROMPTS}
        assert max(fits, key=lambda text: fits[text]) == image["prompt"]


@pytest.mark.slow
def test_pictures_are_compared_with_the_same_prompt_and_seed_of_the_baseline(sweep: Sweep) -> None:
    cells = sweep(
        "scheduler=ddim,ddpm", "decoder.num_inference_steps=3,4", "seeds=[0,1]",
        f"prompt={json.dumps(PROMPTS, ensure_ascii=False)}", "metrics=[ssim,psnr]",
        "baseline='scheduler=ddim'",
    )  # fmt: skip
    settings = [
        (c["config"]["scheduler"]["name"], c["config"]["decoder"]["num_inference_steps"])
        for c in cells
    ]
    assert settings == [("ddim", 3), ("ddpm", 3), ("ddim", 4), ("ddpm", 4)]
    assert scores(cells[0]) == scores(cells[2]) == [{}] * 4  # they are the baselines
    for cell, baseline in ((cells[1], cells[0]), (cells[3], cells[2])):
        pairs = zip(pictures(cell), pictures(baseline), scores(cell), strict=True)
        for image, reference, found in pairs:
            assert found == {"ssim": ssim(image, reference), "psnr": psnr(image, reference)}


@pytest.mark.slow
def test_img2img_may_be_compared_with_what_it_was_made_from(
    kandinsky: Any, pictures: Any, tmp_path: Path
) -> None:
    blue = tmp_path / "blue.png"
    Image.new("RGB", (128, 128), "blue").save(blue)
    made: Made = kandinsky(
        "task=img2img", f"inputs.image={blue}", "strength=0.4", "metrics=[psnr]",
        "metrics.psnr.against=image",
    )  # fmt: skip
    (image,) = made.manifest["images"]
    assert image["scores"] == {"psnr": psnr(made.image(), Image.new("RGB", (128, 128), "blue"))}


@pytest.mark.slow
def test_kandinsky_3_is_seen_with_the_clip_of_2_2(kandinsky: Any) -> None:
    steps = "decoder.num_inference_steps=2"
    size = ("height=128", "width=128")  # of a folder, whatever is in it, the default is 1024
    made: Made = kandinsky("model=kandinsky3", "metrics=[clip_score]", steps, *size)
    assert set(made.manifest["environment"]["weights"]) == {"text", "decoder", "clip_kandinsky3"}
    repo = made.manifest["environment"]["weights"]["clip_kandinsky3"]["repo"]
    assert repo == "kandinsky-community/kandinsky-2-2-prior"
    (image,) = made.manifest["images"]
    assert -1 <= image["scores"]["clip_score"] <= 1


class Colours(torch.nn.Module):
    """Stands for the Inception of the paper."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.float().mean(dim=(2, 3))


@pytest.mark.slow
def test_the_documents_commands_measure_against_a_folder(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for number in range(3):
        Image.effect_noise((64, 64), 20 * number).convert("RGB").save(f"photos/{number}.jpg")
    network = "inception-2015-12-05.pt"
    torch.jit.trace(Colours(), torch.zeros(1, 3, 8, 8, dtype=torch.uint8)).save(network)
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    section = page.partition("## Distances from real pictures")[2]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block is not None
    one, several = (shlex.split(line)[1:] for line in block[1].splitlines())
    given = (f"weights={weights}", "tracking=none", "progress=quiet", *STEPS)
    assert main([*one, *given]) == 0
    assert read_manifest(Path("outputs/latest"))["scores"]["clip_fid"] > 0
    assert main([*several, *given, "workers=1"]) == 0
    folder = Path("outputs/latest")
    for cell in json.loads((folder / "sweep.json").read_text())["cells"]:
        manifest = {**read_manifest(folder / cell["folder"]), "folder": folder / cell["folder"]}
        wanted = fid(pictures(manifest), real="photos", network=network)
        assert manifest["scores"] == {"fid": pytest.approx(wanted)}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A metric of a user's own, with its option; notes its calls."""
    (tmp_path / "own.py").write_text(f"CALLS = {str(tmp_path / 'calls')!r}\n{OWN}")
    options = tmp_path / "options" / "metrics"
    options.mkdir(parents=True)
    (options / "blueness.yaml").write_text(
        f"blueness:\n  function: {tmp_path / 'own.py'}:blueness\n  arguments:\n    from_level: 9\n"
    )
    return tmp_path


def calls(own: Path) -> int:
    return (own / "calls").read_text().count("called")


@pytest.mark.slow
def test_a_metric_of_ones_own_is_measured_once_until_it_changes(kandinsky: Any, own: Path) -> None:
    given = (f"--config-dir={own / 'options'}", "metrics=[blueness]", f"prompt={PROMPTS[0]}")
    first: Made = kandinsky(*given)
    (image,) = first.manifest["images"]
    blue = first.image().getchannel("B").histogram()
    share = sum(blue[9:]) / sum(blue)
    assert image["scores"] == {"blueness.share": pytest.approx(share), "blueness.top": 1}
    assert first.manifest["metrics"] == {"blueness": {"better": "higher"}}
    assert calls(own) == 1

    again: Made = kandinsky(*given)
    assert calls(own) == 1
    assert scores(again.manifest) == scores(first.manifest)
    assert again.manifest["images"][0]["reused"]

    kandinsky(*given, "metrics.blueness.arguments.from_level=10")
    assert calls(own) == 2

    (own / "own.py").write_text((own / "own.py").read_text() + "\n# another one now\n")
    other: Made = kandinsky(*given)
    assert calls(own) == 3
    assert other.manifest["images"][0]["reused"]  # the picture itself


@pytest.mark.slow
def test_a_metric_that_fails_costs_no_picture(weights: Path, own: Path) -> None:
    prompts = [PROMPTS[0], "a green cross on a gray background"]
    output_dir = own / "outputs"
    given = (
        f"--config-dir={own / 'options'}", "metrics=[blueness,blank]", "progress=quiet",
        f"weights={weights}", f"output_dir={output_dir}", "tracking=none", *STEPS,
    )  # fmt: skip
    assert main([*given, f"prompt={json.dumps(prompts)}"]) == 1
    made = Made(output_dir)
    assert len(made.files) == 2
    assert all(file.is_file() for file in made.files)
    assert [set(found) for found in scores(made.manifest)] == [
        {"blueness.share", "blueness.top", "blank"}, {"blank"},
    ]  # fmt: skip
    (failure,) = made.manifest["failures"]
    assert failure["stage"] == "measure"
    assert "crosses are not measured" in failure["error"]
    assert made.manifest["status"] == "FAILED"


@pytest.mark.slow
def test_scores_come_from_the_store_with_the_pictures(kandinsky: Any, weights: Path) -> None:
    first: Made = kandinsky("metrics=[sharpness,blank]")
    shutil.rmtree(first.folder)
    again: Made = kandinsky("metrics=[blank,sharpness]")
    assert scores(first.manifest) == scores(again.manifest)
    assert list(again.manifest["images"][0]["scores"]) == ["blank", "sharpness"]  # as asked for
    assert again.manifest["images"][0]["took"] == first.manifest["images"][0]["took"]


@pytest.mark.slow
def test_all_pictures_of_a_cell_are_measured_together(kandinsky: Any, tmp_path: Path) -> None:
    """Those of one scheduler are further from real ones than these from themselves."""
    real: Made = kandinsky("seeds=[0,1,2]")
    folder = tmp_path / "real"
    folder.mkdir()
    for file in real.files:
        shutil.copy(file, folder)
    given = ("metrics=[cmmd,clip_fid]", *(
        f"metrics.{name}.arguments.real={folder}" for name in ("cmmd", "clip_fid")
    ))  # fmt: skip
    same: Made = kandinsky("seeds=[0,1,2]", *given)
    other: Made = kandinsky("seeds=[3,4,5]", 'prompt="a green cross"', *given)
    assert same.manifest["scores"]["cmmd"] == pytest.approx(0, abs=1e-4)
    for name in ("cmmd", "clip_fid"):
        assert other.manifest["scores"][name] > same.manifest["scores"][name] + 1e-3
    assert all(image["scores"] == {} for image in same.manifest["images"])

    shutil.copy(other.files[0], folder)  # other real pictures: measured anew
    again: Made = kandinsky("seeds=[0,1,2]", *given)
    assert again.manifest["scores"]["cmmd"] > same.manifest["scores"]["cmmd"]
