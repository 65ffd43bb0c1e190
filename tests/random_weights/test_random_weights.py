"""The random checkpoints load, run in every pipeline, and react to every input."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForDepthEstimation, AutoTokenizer, pipeline

from random_weights import BUILDERS, build_all, dpt_large
from random_weights.checkpoints import DDPM_FOLDER
from random_weights.loading import arguments
from random_weights.parts import WIDTH

Given = dict[str, Any]

CLASSES = {
    "kandinsky-2-1-prior": "KandinskyPriorPipeline",
    "kandinsky-2-1": "KandinskyPipeline",
    "kandinsky-2-1-inpaint": "KandinskyPipeline",  # as released
    "kandinsky-2-2-prior": "KandinskyV22PriorPipeline",
    "kandinsky-2-2-decoder": "KandinskyV22Pipeline",
    "kandinsky-2-2-decoder-inpaint": "KandinskyV22InpaintPipeline",
    "kandinsky-2-2-controlnet-depth": "KandinskyV22ControlnetPipeline",
    "kandinsky-3": "Kandinsky3Pipeline",
}
OTHERS = (
    "dpt-large", "kandinsky-2-0", "kandinsky-2-0-inpaint",
    "Kandinsky-5.0-T2I-Lite-sft-Diffusers", "Kandinsky-5.0-I2I-Lite-sft-Diffusers",
)  # fmt: skip
"""No pipelines of diffusers, or with tests of their own."""
PROMPT, OTHER, NEGATIVE = "a red circle on blue", "a yellow cat in a house", "low quality"


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    """Threads that wait for each other are far slower than one, where tests run side by side."""
    torch.set_num_threads(1)


def noise(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def blotches(seed: int) -> Image.Image:
    """A picture of 8 x 8 random colours, 64 px."""
    colours = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize((64, 64))


def half(axis: int) -> np.ndarray:
    """A mask to repaint the first half along `axis`."""
    return (np.indices((64, 64))[axis] < 32).astype(np.float32)


def hint(seed: int) -> torch.Tensor:
    return torch.from_numpy(np.asarray(blotches(seed)) / 255).permute(2, 0, 1)[None].float()


SIZE = {"height": 64, "width": 64}
EMBEDS = {"image_embeds": noise(1, 1, WIDTH), "negative_image_embeds": noise(2, 1, WIDTH)}
TEXT = {"prompt": PROMPT}
IMAGE = {"image": blotches(1)}
STRENGTH = {"strength": 0.7}
MASK = {"mask_image": half(0)}
HINT = {"hint": hint(3)}
CHANGED = {
    "prompt": OTHER,
    "negative_prompt": NEGATIVE,
    "image": blotches(2),
    "mask_image": half(1),
    "hint": hint(4),
    "image_embeds": noise(3, 1, WIDTH),
    "negative_image_embeds": noise(4, 1, WIDTH),
}


@dataclass(frozen=True)
class Case:
    """A pipeline class on a checkpoint, what it is given, and what of that tests change."""

    kind: str
    folder: str
    given: Given
    also: tuple[str, ...] = field(default=())

    @property
    def inputs(self) -> list[str]:
        return [name for name in CHANGED if name in self.given or name in self.also]


WORDS = ("negative_prompt",)
IN_2_1, IN_2_2 = {**SIZE, **EMBEDS, **TEXT}, {**SIZE, **EMBEDS}
DEPTH = "kandinsky-2-2-controlnet-depth"
CASES = (
    Case("KandinskyPipeline", "kandinsky-2-1", IN_2_1, WORDS),
    Case("KandinskyImg2ImgPipeline", "kandinsky-2-1", {**IN_2_1, **IMAGE, **STRENGTH}, WORDS),
    Case("KandinskyInpaintPipeline", "kandinsky-2-1-inpaint", {**IN_2_1, **IMAGE, **MASK}, WORDS),
    Case("KandinskyV22Pipeline", "kandinsky-2-2-decoder", IN_2_2),
    Case("KandinskyV22Img2ImgPipeline", "kandinsky-2-2-decoder", {**IN_2_2, **IMAGE, **STRENGTH}),
    Case(
        "KandinskyV22InpaintPipeline", "kandinsky-2-2-decoder-inpaint", {**IN_2_2, **IMAGE, **MASK}
    ),
    Case("KandinskyV22ControlnetPipeline", DEPTH, {**IN_2_2, **HINT}),
    Case("KandinskyV22ControlnetImg2ImgPipeline", DEPTH, {**IN_2_2, **IMAGE, **HINT, **STRENGTH}),
    Case("Kandinsky3Pipeline", "kandinsky-3", {**SIZE, **TEXT}, WORDS),
    Case("Kandinsky3Img2ImgPipeline", "kandinsky-3", {**TEXT, **IMAGE, **STRENGTH}, WORDS),
)
FROM_IMAGE = {**TEXT, **IMAGE, "strength": 0.4}
PRIORS = (
    Case("KandinskyPriorPipeline", "kandinsky-2-1-prior", TEXT, WORDS),
    Case("KandinskyV22PriorPipeline", "kandinsky-2-2-prior", TEXT, WORDS),
    Case("KandinskyV22PriorEmb2EmbPipeline", "kandinsky-2-2-prior", FROM_IMAGE, WORDS),
)


def load(random_weights: Path, kind: str, folder: str) -> Any:
    cls = getattr(diffusers, kind)
    loaded = cls.from_pretrained(random_weights / folder, **arguments(folder))
    loaded.set_progress_bar_config(disable=True)
    return loaded


def made(loaded: Any, given: Given) -> Any:
    generator = torch.Generator().manual_seed(0)
    return loaded(**{"num_inference_steps": 3, "guidance_scale": 4.0, **given}, generator=generator)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)
def test_pixels_answer_to_every_input(case: Case, random_weights: Path) -> None:
    loaded = load(random_weights, case.kind, case.folder)

    def pixels(**changed: Any) -> np.ndarray:
        return made(loaded, {**case.given, **changed, "output_type": "np"}).images[0] * 255

    usual = pixels()
    assert usual.shape == (64, 64, 3)
    assert np.isfinite(usual).all()
    assert 30 < usual.std() < 70
    assert np.mean((usual <= 0) | (usual >= 255)) < 0.1
    for name in case.inputs:
        difference = np.abs(pixels(**{name: CHANGED[name]}) - usual)
        assert np.mean(difference >= 3) > 0.5, name


@pytest.mark.parametrize("case", PRIORS, ids=lambda case: case.kind)
def test_embeddings_answer_to_every_input(case: Case, random_weights: Path) -> None:
    loaded = load(random_weights, case.kind, case.folder)

    def embeds(**changed: Any) -> tuple[torch.Tensor, torch.Tensor]:
        out = made(loaded, {**case.given, **changed})
        return out.image_embeds, out.negative_image_embeds

    usual, negative = embeds()
    assert usual.shape == negative.shape == (1, WIDTH)
    assert torch.isfinite(usual).all()
    for name in case.inputs:
        assert torch.dist(embeds(**{name: CHANGED[name]})[0], usual) > 0.1 * usual.norm(), name
    if case.kind != "KandinskyV22PriorEmb2EmbPipeline":
        assert torch.dist(embeds(negative_prompt=NEGATIVE)[1], negative) > 0.1 * negative.norm()


@pytest.mark.parametrize("case", PRIORS[:2], ids=lambda case: case.kind)
def test_interpolation_lies_between(case: Case, random_weights: Path) -> None:
    loaded = load(random_weights, case.kind, case.folder)

    def embeds(weight: float) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        mix = ([PROMPT, blotches(1)], [weight, 1 - weight])
        return loaded.interpolate(*mix, num_inference_steps=2, generator=generator).image_embeds

    ends = embeds(1.0), embeds(0.0)
    assert torch.allclose(embeds(0.5), (ends[0] + ends[1]) / 2, atol=1e-4)
    assert torch.dist(*ends) > 1


@torch.no_grad()
@pytest.mark.parametrize("folder", [name for name in CLASSES if "prior" not in name])
def test_unet_answers_to_the_time_step(folder: str, random_weights: Path) -> None:
    kind = "Kandinsky3UNet" if folder == "kandinsky-3" else "UNet2DConditionModel"
    unet = getattr(diffusers, kind).from_pretrained(
        random_weights / folder, subfolder="unet", **arguments(folder)
    )
    given: Given = {"encoder_hidden_states": noise(0, 1, 5, WIDTH)}
    channels = unet.config.in_channels
    if kind == "Kandinsky3UNet":
        given["encoder_attention_mask"] = torch.ones(1, 5)
    else:
        embeds = noise(1, 1, WIDTH)
        told = {"image_embeds": embeds, "text_embeds": embeds, "hint": hint(0)}
        given["added_cond_kwargs"] = told
        channels -= 4 if unet.config.addition_embed_type == "image_hint" else 0
    early, late = (unet(noise(2, 1, channels, 8, 8), time, **given).sample for time in (900, 100))
    assert early.shape[1] == (4 if kind == "Kandinsky3UNet" else 8)
    assert torch.dist(early, late) > 0.1 * early.norm()


@pytest.mark.parametrize("folder", CLASSES)
def test_model_index_names_the_class(folder: str, random_weights: Path) -> None:
    index = diffusers.DiffusionPipeline.load_config(random_weights / folder)
    assert index["_class_name"] == CLASSES[folder]


@pytest.mark.parametrize("folder", ["kandinsky-2-1", "kandinsky-2-1-prior", "kandinsky-3"])
def test_tokenizers_tell_words_apart(folder: str, random_weights: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(random_weights / folder / "tokenizer")
    words = ["red", "green", "unheard-of", "unheard-if", "кот", "кит", ""]
    ids = [tuple(tokenizer(word).input_ids) for word in words]
    assert len(set(ids)) == len(words)
    marks = tokenizer(""), tokenizer("red")
    assert len(marks[1].input_ids) == len(marks[0].input_ids) + 1
    if folder != "kandinsky-2-1-prior":  # CLIP knows every byte: its unknown token is its end
        assert all(tokenizer.unk_token_id not in some for some in ids)


def test_second_scheduler_of_2_1(random_weights: Path) -> None:
    loaded = load(random_weights, "KandinskyPipeline", "kandinsky-2-1")
    given = {**IN_2_1, "output_type": "np"}
    with_ddim = made(loaded, given).images
    loaded.scheduler = diffusers.DDPMScheduler.from_pretrained(
        random_weights / "kandinsky-2-1", subfolder=DDPM_FOLDER
    )
    assert loaded.scheduler.config.variance_type == "learned_range"
    assert np.abs(made(loaded, given).images - with_ddim).mean() > 0.02


def test_depth(random_weights: Path) -> None:
    path = random_weights / "dpt-large"
    estimate = pipeline(
        "depth-estimation",
        model=AutoModelForDepthEstimation.from_pretrained(path, **arguments("dpt-large")),
        image_processor=AutoImageProcessor.from_pretrained(path, local_files_only=True),
    )
    depths = [estimate(blotches(seed).resize((96, 64))) for seed in (1, 2)]
    assert [depth["depth"].size for depth in depths] == [(96, 64)] * 2
    first, second = (depth["predicted_depth"] for depth in depths)
    assert first.std() > 0.1
    assert (first - second).abs().mean() > 0.1


def test_equal_seeds_give_equal_bytes(random_weights: Path, tmp_path: Path) -> None:
    again = contents(build_all(tmp_path))
    assert again == contents(random_weights)
    assert len(BUILDERS) == len(list(random_weights.iterdir())) == len(CLASSES) + len(OTHERS)
    other = contents(dpt_large(tmp_path / "other", seed=1))
    assert other[Path("model.safetensors")] != again[Path("dpt-large/model.safetensors")]


def contents(folder: Path) -> dict[Path, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder): path.read_bytes() for path in files}
