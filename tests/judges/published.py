"""Small copies of the judges' repositories: published names and layouts, random numbers.

Each function makes a folder and returns it. What is peculiar is kept: pickles, half precision,
tensors under `state_dict`, names of open_clip and BLIP, tensors that nobody uses.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import BertTokenizer, CLIPConfig, CLIPModel

from random_weights.files import write_json
from random_weights.filling import fill
from random_weights.tokenizers import WORDS, clip_size, save_clip

SIDE, PATCH, PROJECTION = 32, 8, 24
VISION, TEXT = 80, 32
"""Widths: one head of open_clip's ViT-H-14 for pictures, and 16 of two numbers for texts."""
BLIP_WIDTH, BERT_WIDTH, BERT_HEADS = 64, 32, 4
LAYERS = 2
PLACES = (SIDE // PATCH) ** 2 + 1


def clip_tokenizer(folder: Path) -> Path:
    """What judges read of laion/CLIP-ViT-H-14-laion2B-s32B-b79K."""
    save_clip(folder)
    return folder


def bert_tokenizer(folder: Path) -> Path:
    """What ImageReward reads of google-bert/bert-base-uncased."""
    letters = [chr(one) for one in range(ord("a"), ord("z") + 1)]
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [*marks, *dict.fromkeys([*WORDS, *letters, *(f"##{one}" for one in letters)])]
    BertTokenizer({word: number for number, word in enumerate(words)}).save_pretrained(folder)
    return folder


def pick_score(folder: Path) -> Path:
    """yuvalkirstain/PickScore_v1: transformers' CLIPModel, its config as of 2023."""
    folder.mkdir(parents=True, exist_ok=True)
    model = clip_model("pick_score")
    save_file({**model.state_dict(), **positions()}, folder / "model.safetensors")
    told = model.config.to_dict()
    for part in ("text_config", "vision_config"):
        told[part] |= {"bad_words_ids": None, "pruned_heads": {}, "torch_dtype": None,
                       "transformers_version": "4.27.0.dev0", "use_bfloat16": False}  # fmt: skip
    told |= {"_commit_hash": "0", "_name_or_path": "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
             "text_config_dict": None, "torch_dtype": "float32", "vision_config_dict": None,
             "transformers_version": None}  # fmt: skip
    write_json(folder / "config.json", told)
    return folder


def hps(folder: Path, name: str = "HPS_v2.1_compressed.pt") -> Path:
    """xswu/HPSv2: a training's checkpoint of open_clip in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.half() for key, value in open_clip().items()}
    torch.save({"epoch": 3, "name": "hps", "state_dict": state}, folder / name)
    return folder


def image_reward(folder: Path) -> Path:
    """zai-org/ImageReward: the tensors of its own classes."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(reward(), folder / "ImageReward.pt")
    write_json(
        folder / "med_config.json",
        {
            "architectures": ["BertModel"], "attention_probs_dropout_prob": 0.1,
            "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": BERT_WIDTH,
            "initializer_range": 0.02, "intermediate_size": 2 * BERT_WIDTH,
            "layer_norm_eps": 1e-12, "max_position_embeddings": 48, "model_type": "bert",
            "num_attention_heads": BERT_HEADS, "num_hidden_layers": LAYERS, "pad_token_id": 0,
            "type_vocab_size": 2, "vocab_size": 200, "encoder_width": 768,
            "add_cross_attention": True,
        },
    )  # fmt: skip
    return folder


def aesthetic(folder: Path) -> Path:
    """shunk031's repository: CLIP's image encoder and the layers, with a flat config."""
    folder.mkdir(parents=True, exist_ok=True)
    clip = clip_model("aesthetic")
    seeing = {n: t for n, t in clip.state_dict().items() if n.startswith("vis")}
    save_file({**seeing, **head("layers", PROJECTION)}, folder / "model.safetensors")
    told = clip.config.vision_config.to_dict()
    told |= {"architectures": ["AestheticsPredictorV2Linear"], "projection_dim": PROJECTION,
             "auto_map": {"AutoModel": "modeling_v2.AestheticsPredictorV2Linear"},
             "model_type": "aesthetics_predictor"}  # fmt: skip
    write_json(folder / "config.json", told)
    return folder


def aesthetic_layers(folder: Path) -> Path:
    """The file of christophschuhmann/improved-aesthetic-predictor."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(head("layers", PROJECTION), folder / "sac+logos+ava1-l14-linearMSE.pth")
    return folder


def clip(folder: Path) -> Path:
    """openai/clip-vit-large-patch14: as pickles and with positions, as of 2022."""
    model = clip_model("aesthetic")
    model.config.save_pretrained(folder)
    torch.save({**model.state_dict(), **positions()}, folder / "pytorch_model.bin")
    return folder


def positions() -> dict[str, Tensor]:
    """The numbers that transformers kept among the weights until 2023."""
    return {
        "text_model.embeddings.position_ids": torch.arange(77)[None],
        "vision_model.embeddings.position_ids": torch.arange(PLACES)[None],
    }


def clip_model(name: str) -> CLIPModel:
    """A small CLIP of transformers."""
    act: dict[str, Any] = {"num_hidden_layers": LAYERS, "num_attention_heads": 4,
                           "projection_dim": PROJECTION}  # fmt: skip
    config = CLIPConfig(
        projection_dim=PROJECTION,
        text_config={"hidden_size": TEXT, "intermediate_size": 64, "vocab_size": clip_size(),
                     "max_position_embeddings": 77, "eos_token_id": 2, **act},
        vision_config={"hidden_size": 32, "intermediate_size": 64, "image_size": SIDE,
                       "patch_size": PATCH, **act},
    )  # fmt: skip
    return fill(CLIPModel(config), name, 0)


class Numbers:
    """Random tensors by the names of a layout, sized so that no layer drowns another."""

    def __init__(self, seed: int) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._generator = torch.Generator().manual_seed(seed)

    def table(self, name: str, *shape: int) -> None:
        """Standard normal numbers."""
        self.tensors[name] = torch.randn(shape, generator=self._generator)

    def linear(self, name: str, out: int, *into: int) -> None:
        """The weight and bias of a linear or convolution layer."""
        size = torch.Size(into).numel()
        self.table(f"{name}.weight", out, *into)
        self.tensors[f"{name}.weight"] /= size**0.5
        self.table(f"{name}.bias", out)
        self.tensors[f"{name}.bias"] *= 0.1

    def norm(self, name: str, width: int) -> None:
        """Those of a layer norm."""
        self.table(f"{name}.weight", width)
        self.tensors[f"{name}.weight"] *= 0.1
        self.tensors[f"{name}.weight"] += 1
        self.table(f"{name}.bias", width)


def open_clip() -> dict[str, Tensor]:
    """The tensors of open_clip's CLIP."""
    made = Numbers(1)
    made.linear("visual.conv1", VISION, 3, PATCH, PATCH)
    del made.tensors["visual.conv1.bias"]
    made.table("visual.class_embedding", VISION)
    made.table("visual.positional_embedding", PLACES, VISION)
    made.norm("visual.ln_pre", VISION)
    made.norm("visual.ln_post", VISION)
    made.table("visual.proj", VISION, PROJECTION)
    made.table("token_embedding.weight", clip_size(), TEXT)
    made.table("positional_embedding", 77, TEXT)
    made.norm("ln_final", TEXT)
    made.table("text_projection", TEXT, PROJECTION)
    for place, width in (("visual.", VISION), ("", TEXT)):
        for number in range(LAYERS):
            layer = f"{place}transformer.resblocks.{number}"
            made.norm(f"{layer}.ln_1", width)
            made.norm(f"{layer}.ln_2", width)
            made.linear(f"{layer}.attn.in_proj", 3 * width, width)
            for kind in ("weight", "bias"):
                tensor = made.tensors.pop(f"{layer}.attn.in_proj.{kind}")
                made.tensors[f"{layer}.attn.in_proj_{kind}"] = tensor
            made.linear(f"{layer}.attn.out_proj", width, width)
            made.linear(f"{layer}.mlp.c_fc", 4 * width, width)
            made.linear(f"{layer}.mlp.c_proj", width, 4 * width)
    return {**made.tensors, "logit_scale": torch.tensor(4.6)}


def reward() -> dict[str, Tensor]:
    """The tensors of ImageReward's class."""
    made, seen, read = Numbers(2), "blip.visual_encoder", "blip.text_encoder"
    made.table(f"{seen}.cls_token", 1, 1, BLIP_WIDTH)
    made.table(f"{seen}.pos_embed", 1, PLACES, BLIP_WIDTH)
    made.linear(f"{seen}.patch_embed.proj", BLIP_WIDTH, 3, PATCH, PATCH)
    for number in range(LAYERS):
        layer = f"{seen}.blocks.{number}"
        made.norm(f"{layer}.norm1", BLIP_WIDTH)
        made.norm(f"{layer}.norm2", BLIP_WIDTH)
        made.linear(f"{layer}.attn.qkv", 3 * BLIP_WIDTH, BLIP_WIDTH)
        made.linear(f"{layer}.attn.proj", BLIP_WIDTH, BLIP_WIDTH)
        made.linear(f"{layer}.mlp.fc1", 4 * BLIP_WIDTH, BLIP_WIDTH)
        made.linear(f"{layer}.mlp.fc2", BLIP_WIDTH, 4 * BLIP_WIDTH)
    made.norm(f"{seen}.norm", BLIP_WIDTH)
    made.table(f"{read}.embeddings.word_embeddings.weight", 200, BERT_WIDTH)
    made.table(f"{read}.embeddings.position_embeddings.weight", 48, BERT_WIDTH)
    made.norm(f"{read}.embeddings.LayerNorm", BERT_WIDTH)
    for number in range(LAYERS):
        layer = f"{read}.encoder.layer.{number}"
        for attention, into in (("attention", BERT_WIDTH), ("crossattention", BLIP_WIDTH)):
            made.linear(f"{layer}.{attention}.self.query", BERT_WIDTH, BERT_WIDTH)
            made.linear(f"{layer}.{attention}.self.key", BERT_WIDTH, into)
            made.linear(f"{layer}.{attention}.self.value", BERT_WIDTH, into)
            made.linear(f"{layer}.{attention}.output.dense", BERT_WIDTH, BERT_WIDTH)
            made.norm(f"{layer}.{attention}.output.LayerNorm", BERT_WIDTH)
        made.linear(f"{layer}.intermediate.dense", 2 * BERT_WIDTH, BERT_WIDTH)
        made.linear(f"{layer}.output.dense", BERT_WIDTH, 2 * BERT_WIDTH)
        made.norm(f"{layer}.output.LayerNorm", BERT_WIDTH)
    made.linear("blip.vision_proj", 8, BLIP_WIDTH)
    made.linear("blip.text_proj", 8, BERT_WIDTH)
    positions = torch.arange(48)[None]
    return {
        **made.tensors, f"{read}.embeddings.position_ids": positions,
        **head("mlp.layers", BERT_WIDTH),
    }  # fmt: skip


def head(name: str, width: int) -> dict[str, Tensor]:
    """The tensors of the linear layers with which two of the judges end."""
    made = Numbers(3)
    widths = {0: 1024, 2: 128, 4: 64, 6: 16, 7: 1}
    for number, out in widths.items():
        made.linear(f"{name}.{number}", out, width)
        width = out
    return made.tensors
