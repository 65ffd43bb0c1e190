"""The settings of a picture as other programs read them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from runner.images.png import png_bytes, text_of_png
from runner.planning.planner import make_plan
from runner.recording.infotext import infotext
from runner.recording.manifest import SavedImage
from unit.conftest import Compose

PAIR = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
"""`re_param` of stable-diffusion-webui's modules/infotext_utils.py."""


def parsed(text: str) -> tuple[str, str, dict[str, str]]:
    """Prompt, negative prompt and settings, by the rules of `parse_generation_parameters` there."""
    *lines, last = text.strip().split("\n")
    pairs = PAIR.findall(last)
    assert len(pairs) >= 3
    prompts: list[list[str]] = [[], []]
    negative = False
    for line in map(str.strip, lines):
        negative = negative or line.startswith("Negative prompt:")
        prompts[negative].append(line.removeprefix("Negative prompt:").strip())
    settings = {k: json.loads(v) if v[:1] == '"' else v for k, v in pairs}
    return "\n".join(prompts[0]), "\n".join(prompts[1]), settings


def told(composed: Compose, *overrides: str, prompt: str, negative: str | None = None) -> str:
    image = SavedImage(
        file="a.png", prompt=prompt, negative_prompt=negative, seed=7, height=64, width=96,
        sha256="", stage_keys={}, seconds=0.0, reused=False,
    )  # fmt: skip
    return infotext(make_plan(composed(*overrides)), image)


@pytest.mark.parametrize(
    ("prompt", "negative"),
    [
        ("a red circle", ""),
        ("a cat, 4k: best,\nSteps: 3", 'low "quality",\nblurry: yes'),
        ("красный круг 🔴", "синий"),
    ],
)
def test_it_is_parsed_as_it_was_meant(composed: Compose, prompt: str, negative: str) -> None:
    text = told(
        composed, "scheduler=dpmpp_2m", "scheduler.solver_order=3",
        "decoder.num_inference_steps=9", "decoder.guidance_scale=4.5",
        prompt=prompt, negative=negative or None,
    )  # fmt: skip
    found = parsed(text)
    assert found[:2] == (prompt, negative)
    assert found[2].items() >= {
        "Steps": "9", "Sampler": "DPM++ 2M", "CFG scale": "4.5", "Seed": "7", "Size": "96x64",
        "Model": "Kandinsky 2.2", "Task": "text2img", "Scheduler solver order": "3",
    }.items()  # fmt: skip
    assert "Denoising strength" not in found[2]


def test_a_strength_that_acts_is_told(composed: Compose, tmp_path: Path) -> None:
    Image.new("RGB", (96, 64)).save(tmp_path / "a.png")
    text = told(composed, "task=img2img", "inputs.image=a.png", "strength=0.3", prompt="")
    assert parsed(text)[2]["Denoising strength"] == "0.3"
    assert text.startswith("Steps: ")


def test_it_is_a_text_of_latin_1_where_it_can_be() -> None:
    image = Image.new("RGB", (8, 8))
    for text, chunk in (("a café", b"tEXtparameters"), ("круг", b"iTXtparameters")):
        content = png_bytes(image, {"prompt": "круг"}, {"parameters": text})
        assert chunk in content
        assert text_of_png(content) == {"prompt": "круг", "parameters": text}
