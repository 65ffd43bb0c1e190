"""The checkpoints: one function each, named after its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import DPTConfig, DPTForDepthEstimation

from random_weights import parts
from random_weights.files import (
    THEN,
    THEN_DPT,
    add_card,
    add_pickles,
    add_positions,
    backdate,
    write_json,
)
from random_weights.filling import fill
from random_weights.kandinsky2_0 import kandinsky_2_0, kandinsky_2_0_inpaint
from random_weights.kandinsky5 import kandinsky_5_i2i, kandinsky_5_t2i
from random_weights.tokenizers import CLIP_TOKENS, save_clip, save_t5, save_xlm_roberta

DDPM_FOLDER = "ddpm_scheduler"
DEPTH_SIDE = 64
SHARD_BYTES = 16_000
"""At most, of Kandinsky 3's text encoder: five shards, as in the released repository."""
TAGS = ("text-to-image", "kandinsky")
TOKENIZERS = {
    "CLIPTokenizer": save_clip,
    "XLMRobertaTokenizerFast": save_xlm_roberta,
    "T5Tokenizer": save_t5,
}


def kandinsky_2_1_prior(folder: Path, seed: int = 0) -> Path:
    """`folder`/kandinsky-2-1-prior."""
    return prior_folder(folder / "kandinsky-2-1-prior", "KandinskyPriorPipeline", "2-1", seed)


def kandinsky_2_1(folder: Path, seed: int = 0) -> Path:
    """`folder`/kandinsky-2-1, with a second scheduler beside the main one."""
    unet = parts.unet("2.1/unet", seed, told="text_image")
    path = folder / "kandinsky-2-1"
    parts.ddpm_2_1().save_pretrained(path / DDPM_FOLDER)
    return decoder_2_1(path, unet, seed)


def kandinsky_2_1_inpaint(folder: Path, seed: int = 0) -> Path:
    """`folder`/kandinsky-2-1-inpaint, whose index names the pipeline of the other decoder."""
    unet = parts.unet("2.1/inpaint", seed, told="text_image", in_channels=9)
    return decoder_2_1(folder / "kandinsky-2-1-inpaint", unet, seed)


def kandinsky_2_2_prior(folder: Path, seed: int = 0) -> Path:
    """`folder`/kandinsky-2-2-prior. Its image encoder has half precision, whatever its name."""
    return prior_folder(folder / "kandinsky-2-2-prior", "KandinskyV22PriorPipeline", "2-2", seed)


def kandinsky_2_2_decoder(folder: Path, seed: int = 0) -> Path:
    """`folder`/kandinsky-2-2-decoder."""
    unet = parts.unet("2.2/unet", seed)
    path = folder / "kandinsky-2-2-decoder"
    return decoder_2_2(path, "KandinskyV22Pipeline", unet, parts.ddpm(), seed)


def kandinsky_2_2_decoder_inpaint(folder: Path, seed: int = 0) -> Path:
    """`folder`/kandinsky-2-2-decoder-inpaint."""
    unet = parts.unet("2.2/inpaint", seed, in_channels=9)
    path = folder / "kandinsky-2-2-decoder-inpaint"
    return decoder_2_2(
        path, "KandinskyV22InpaintPipeline", unet, parts.ddpm(clip_sample=False), seed
    )


def kandinsky_2_2_controlnet_depth(
    folder: Path, seed: int = 0, *, pull_request: bool = False
) -> Path:
    """`folder`/kandinsky-2-2-controlnet-depth, which has pickled weights alone.

    Args:
        pull_request: with safetensors beside them, as in refs/pr/5.
    """
    unet = parts.unet("2.2/controlnet", seed, told="image_hint", in_channels=8)
    path = folder / "kandinsky-2-2-controlnet-depth"
    kind = "KandinskyV22ControlnetPipeline"
    return decoder_2_2(path, kind, unet, parts.ddpm(), seed, pickled=not pull_request)


def kandinsky_3(folder: Path, seed: int = 0) -> Path:
    """`folder`/kandinsky-3: half precision alone, but for some layers of its text encoder."""
    path = folder / "kandinsky-3"
    modules = {
        "unet": parts.unet_3("3/unet", seed).half(),
        "movq": parts.movq("3/movq", seed).half(),
        "scheduler": parts.ddpm_3(),
    }
    save(path, modules, variant="fp16")
    text_encoder = parts.t5_encoder("3/text", seed).half()
    for name, module in text_encoder.named_modules():
        if name.endswith(".wo"):
            module.float()  # transformers keeps these layers so, since T5 overflows there
    save(path, {"text_encoder": text_encoder}, variant="fp16", max_shard_size=SHARD_BYTES)
    modules["text_encoder"] = text_encoder
    save_index(path, "Kandinsky3Pipeline", "3", modules, "T5Tokenizer")
    add_card(path, tags=TAGS)
    return path


@torch.no_grad()
def dpt_large(folder: Path, seed: int = 0) -> Path:
    """`folder`/dpt-large: a depth estimator for transformers."""
    config = DPTConfig(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=64,
        image_size=DEPTH_SIDE,
        patch_size=16,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[16, 16, 16, 16],
        fusion_hidden_size=16,
    )
    model = fill(DPTForDepthEstimation(config), "depth", seed)
    # Depths go through a last ReLU, which must not make them all zero.
    model.head.head[4].weight.abs_()
    path = folder / "dpt-large"
    model.save_pretrained(path)
    add_pickles(path, ["."])
    write_json(
        path / "preprocessor_config.json",
        {
            "do_normalize": True, "do_resize": True,
            "feature_extractor_type": "DPTFeatureExtractor",
            "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 2, "size": DEPTH_SIDE,
        },
    )  # fmt: skip
    backdate(path, THEN_DPT)
    add_card(path, tags=("vision", "depth-estimation"))
    return path


BUILDERS = (
    kandinsky_2_0,
    kandinsky_2_0_inpaint,
    kandinsky_2_1_prior,
    kandinsky_2_1,
    kandinsky_2_1_inpaint,
    kandinsky_2_2_prior,
    kandinsky_2_2_decoder,
    kandinsky_2_2_decoder_inpaint,
    kandinsky_2_2_controlnet_depth,
    kandinsky_3,
    kandinsky_5_t2i,
    kandinsky_5_i2i,
    dpt_large,
)


def build_all(folder: Path, seed: int = 0) -> Path:
    """Every checkpoint below `folder`; equal seeds give equal bytes."""
    for build in BUILDERS:
        build(folder, seed)
    return folder


def prior_folder(path: Path, kind: str, version: str, seed: int) -> Path:
    """A prior: both versions have the same components."""
    named = version.replace("-", ".")
    image_encoder = parts.clip_vision(f"{named}/vision", seed)
    modules = {
        "prior": parts.prior(f"{named}/prior", seed),
        "image_encoder": image_encoder.half() if version == "2-2" else image_encoder,
        "text_encoder": parts.clip_text(f"{named}/text", seed),
        "scheduler": parts.prior_scheduler(),
        "image_processor": parts.image_processor(),
    }
    save(path, modules)
    save_index(path, kind, version, modules, "CLIPTokenizer")
    positions = image_encoder.vision_model.embeddings.num_positions
    add_positions(path, "image_encoder", "vision_model.embeddings.position_ids", positions)
    add_positions(path, "text_encoder", "text_model.embeddings.position_ids", CLIP_TOKENS)
    add_pickles(path, ("prior", "image_encoder", "text_encoder"))
    add_card(path, tags=TAGS)
    return path


def decoder_2_1(path: Path, unet: Any, seed: int) -> Path:
    """A decoder of 2.1."""
    text_encoder = parts.multilingual_clip("2.1/multilingual", seed)
    modules = {
        "unet": unet,
        "text_encoder": text_encoder,
        "scheduler": parts.ddim(),
        "movq": parts.movq("2.1/movq", seed),
    }
    save(path, modules)
    save_index(path, "KandinskyPipeline", "2-1", modules, "XLMRobertaTokenizerFast")
    positions = text_encoder.config.max_position_embeddings
    add_positions(path, "text_encoder", "transformer.embeddings.position_ids", positions)
    add_pickles(path, ("unet", "text_encoder", "movq"))
    add_card(path, prior="kandinsky-2-1-prior", tags=TAGS)
    return path


def decoder_2_2(
    path: Path, kind: str, unet: Any, scheduler: Any, seed: int, *, pickled: bool = False
) -> Path:
    """A decoder of 2.2; `pickled`: without safetensors."""
    modules = {"unet": unet, "scheduler": scheduler, "movq": parts.movq("2.2/movq", seed)}
    save(path, modules)
    save_index(path, kind, "2-2", modules)
    add_pickles(path, ("unet", "movq"), alone=pickled)
    add_card(path, prior="kandinsky-2-2-prior", tags=TAGS)
    return path


def save(path: Path, modules: Mapping[str, Any], **how: Any) -> None:
    """Write each module into its folder; `how`: for those that have weights."""
    for name, module in modules.items():
        given = how if isinstance(module, torch.nn.Module) else {}
        module.save_pretrained(path / name, **given)


def save_index(
    path: Path, kind: str, version: str, modules: Mapping[str, Any], tokenizer: str | None = None
) -> None:
    """Write the index, and let the configs be of the libraries of then."""
    index = {name: [library_of(module), type(module).__name__] for name, module in modules.items()}
    if "image_processor" in index:
        index["image_processor"][1] = "CLIPImageProcessor"  # transformers 5 has two of them
    if tokenizer is not None:
        TOKENIZERS[tokenizer](path / "tokenizer")
        index["tokenizer"] = ["transformers", tokenizer]
    then = THEN[version]
    head = {"_class_name": kind, "_diffusers_version": then.diffusers}
    write_json(path / "model_index.json", {**head, **dict(sorted(index.items()))})
    backdate(path, then)


def library_of(module: object) -> str:
    """As diffusers names it: a library, or its own folder of a pipeline's parts."""
    library, *folders = type(module).__module__.split(".")
    return folders[1] if library == "diffusers" and folders[0] == "pipelines" else library
