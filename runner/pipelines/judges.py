"""The judges, live: published models that score pictures, by transformers' classes alone.

Their own packages are not used: these pin libraries of years ago, and load whole pickles.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from runner.catalog.judges import BERT_SHAPE
from runner.pipelines import judge_layouts as layouts
from runner.pipelines.judged_pictures import cropped, filled
from runner.pipelines.transformers_models import OFFLINE, OwnPipeline

WEIGHTS = "model.safetensors"
CLIP_TOKENS = 77
REWARD_TOKENS = 35
REWARD_MEAN, REWARD_DEVIATION = 0.16717362830052426, 1.0333394966054072
"""Of ImageReward's scores of its training pictures, by which they are normalised."""
HPS_HEAD_WIDTH, HPS_TEXT_HEADS = 80, 16
"""Of open_clip's ViT-H-14; its tensors do not tell."""
BLIP_HEAD_WIDTH = 64
BLIP_EPSILON = 1e-6


class Judge(OwnPipeline):
    """A model that scores pictures: see `runner.metrics.Judge`."""

    def __init__(self, models: Mapping[str, Any], tokenizer: Any, side: int) -> None:
        super().__init__(models)
        self._tokenizer = tokenizer
        self._side = side

    def score(self, image: Image.Image, prompt: str = "") -> float:
        """Its score of a picture; a text that is longer than it reads is cut."""
        with torch.inference_mode():
            return float(self._score(image, prompt))

    def _score(self, image: Image.Image, prompt: str) -> Tensor:
        raise NotImplementedError

    def _tokens(self, text: str, most: int) -> Tensor:
        """Ids of one text, [1, N], without padding."""
        found = self._tokenizer(text, truncation=True, max_length=most, return_tensors="pt")
        return found.input_ids.to(self._execution_device)  # type: ignore[no-any-return]

    def _pixels(self, pixels: Tensor, model: Any) -> Tensor:
        return pixels.to(self._execution_device, model.dtype)


class _OfClip(Judge):
    """By a CLIP that was trained on people's choices: the embeddings of both, [D], normalised."""

    def _embeddings(self, pixels: Tensor, prompt: str) -> tuple[Tensor, Tensor, Tensor]:
        with self.on_device("clip") as clip:
            found = clip(
                input_ids=self._tokens(prompt, CLIP_TOKENS), pixel_values=self._pixels(pixels, clip)
            )
            scale = clip.logit_scale.float().exp()
            seen, text = (
                torch.nn.functional.normalize(one[0].float(), dim=0)
                for one in (found.image_embeds, found.text_embeds)
            )
        return seen, text, scale


class PickScore(_OfClip):
    """PickScore (Kirstain et al. 2023): the cosine by its CLIP-H, times its learned scale."""

    @classmethod
    def from_folder(cls, folder: Path, dtype: torch.dtype) -> PickScore:
        """The model of a folder, with its tokenizer within."""
        from transformers import CLIPConfig, CLIPModel

        config = CLIPConfig.from_dict(_read(folder / "config.json"))
        clip = _made(lambda: CLIPModel(config), _without_positions(_tensors(folder)), dtype)
        side = config.vision_config.image_size
        return cls({"clip": clip}, _clip_tokenizer(folder / "tokenizer"), side)

    def _score(self, image: Image.Image, prompt: str) -> Tensor:
        seen, text, scale = self._embeddings(cropped(image, self._side, rounds=False), prompt)
        return scale * (seen @ text)


class HPS(_OfClip):
    """Human Preference Score v2 (Wu et al. 2023): the cosine by its CLIP-H."""

    @classmethod
    def from_folder(cls, folder: Path, dtype: torch.dtype) -> HPS:
        """The model of a folder, in open_clip's layout, with its tokenizer within."""
        from transformers import CLIPConfig, CLIPModel

        tensors = _tensors(folder)
        width, _, patch, _ = tensors["visual.conv1.weight"].shape
        side = patch * layouts.square(tensors["visual.positional_embedding"])
        words, text_width = tensors["token_embedding.weight"].shape
        projection = tensors["text_projection"].shape[1]
        act = {"hidden_act": "gelu", "projection_dim": projection}
        depth = r"transformer\.resblocks\.(\d+)"
        config = CLIPConfig(
            projection_dim=projection,
            vision_config={
                "hidden_size": width,
                "intermediate_size": len(tensors["visual.transformer.resblocks.0.mlp.c_fc.bias"]),
                "num_hidden_layers": layouts.layers(tensors, rf"visual\.{depth}"),
                "num_attention_heads": width // HPS_HEAD_WIDTH,
                "image_size": side,
                "patch_size": patch,
                **act,
            },
            text_config={
                "vocab_size": words,
                "hidden_size": text_width,
                "intermediate_size": len(tensors["transformer.resblocks.0.mlp.c_fc.bias"]),
                "num_hidden_layers": layouts.layers(tensors, depth),
                "num_attention_heads": HPS_TEXT_HEADS,
                "max_position_embeddings": len(tensors["positional_embedding"]),
                # transformers' word for pooling where the largest id is, as open_clip does.
                "eos_token_id": 2,
                "bos_token_id": 0,
                "pad_token_id": 1,
                **act,
            },
        )  # fmt: skip
        clip = _made(lambda: CLIPModel(config), layouts.clip_of_open_clip(tensors), dtype)
        return cls({"clip": clip}, _clip_tokenizer(folder / "tokenizer"), side)

    def _score(self, image: Image.Image, prompt: str) -> Tensor:
        seen, text, _ = self._embeddings(filled(image, self._side), prompt)
        return seen @ text


class ImageReward(Judge):
    """ImageReward (Xu et al. 2023): BLIP's encoder of text and picture, and linear layers."""

    @classmethod
    def from_folder(cls, folder: Path, dtype: torch.dtype) -> ImageReward:
        """The model of a folder, in its own layout, with its tokenizer within."""
        from transformers import BlipTextConfig, BlipTextModel, BlipVisionConfig, BlipVisionModel

        tensors = _tensors(folder)
        seeing = layouts.within(tensors, "blip.visual_encoder.")
        reading = layouts.within(tensors, "blip.text_encoder.")
        width, _, patch, _ = seeing["patch_embed.proj.weight"].shape
        side = patch * layouts.square(seeing["pos_embed"])
        vision = BlipVisionConfig(
            hidden_size=width,
            intermediate_size=len(seeing["blocks.0.mlp.fc1.bias"]),
            num_hidden_layers=layouts.layers(seeing, r"blocks\.(\d+)"),
            num_attention_heads=width // BLIP_HEAD_WIDTH,
            image_size=side,
            patch_size=patch,
            hidden_act="gelu",
            layer_norm_eps=BLIP_EPSILON,
        )
        told = _read(folder / "med_config.json")
        text = BlipTextConfig(
            **{name: told[name] for name in BERT_SHAPE},
            encoder_hidden_size=width,
            bos_token_id=None,
            # It builds the layers that attend to the picture; it decodes nothing.
            is_decoder=True,
        )

        def blip_text() -> Any:
            return BlipTextModel(text, add_pooling_layer=False)

        models = {
            "image_encoder": _made(
                lambda: BlipVisionModel(vision), layouts.blip_vision(seeing), dtype
            ),
            "text_encoder": _made(blip_text, layouts.blip_text(reading), dtype),
            "head": Head(tensors, "mlp.layers.").to(dtype),
        }
        return cls(models, _bert_tokenizer(folder / "tokenizer"), side)

    def _score(self, image: Image.Image, prompt: str) -> Tensor:
        with self.on_device("image_encoder") as encoder:
            pixels = self._pixels(cropped(image, self._side, rounds=True), encoder)
            seen = encoder(pixel_values=pixels).last_hidden_state
        with self.on_device("text_encoder") as encoder:
            read = encoder(
                input_ids=self._tokens(prompt, REWARD_TOKENS),
                encoder_hidden_states=seen,
                is_decoder=False,
            ).last_hidden_state[:, 0]
        with self.on_device("head") as head:
            return (head(read)[0, 0].float() - REWARD_MEAN) / REWARD_DEVIATION  # type: ignore[no-any-return]


class AestheticScore(Judge):
    """LAION's aesthetic predictor v2: linear layers on CLIP-L's embedding of a picture."""

    @classmethod
    def from_folder(cls, folder: Path, dtype: torch.dtype) -> AestheticScore:
        """The layers of a folder, with the CLIP within."""
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

        told = _read(folder / "clip" / "config.json")
        own = {**told.get("vision_config", told)}
        own["projection_dim"] = told.get("projection_dim", own.get("projection_dim", 512))
        known = CLIPVisionConfig().to_dict()
        config = CLIPVisionConfig(
            **{name: value for name, value in own.items() if name in known and name not in NO_SHAPE}
        )
        tensors = _without_positions(_tensors(folder / "clip"))
        seeing = {
            n: t for n, t in tensors.items() if n.startswith(("vision_model.", "visual_proj"))
        }
        models = {
            "image_encoder": _made(lambda: CLIPVisionModelWithProjection(config), seeing, dtype),
            "head": Head(_tensors(folder), "layers.").to(dtype),
        }
        return cls(models, None, config.image_size)

    def _score(self, image: Image.Image, prompt: str) -> Tensor:
        with self.on_device("image_encoder") as encoder:
            pixels = self._pixels(cropped(image, self._side, rounds=True), encoder)
            seen = encoder(pixel_values=pixels).image_embeds
        with self.on_device("head") as head:
            return head(torch.nn.functional.normalize(seen, dim=-1))[0, 0]  # type: ignore[no-any-return]


class Head(torch.nn.Sequential):
    """Linear layers, one after the other; the dropout between them is only for training."""

    def __init__(self, tensors: layouts.Tensors, prefix: str) -> None:
        super().__init__()
        for weight, bias in layouts.in_order(tensors, prefix):
            layer = torch.nn.Linear(weight.shape[1], weight.shape[0], device="meta")
            layouts.load(layer, {"weight": weight, "bias": bias})
            self.append(layer)

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights."""
        return next(self.parameters()).dtype

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device


JUDGES: dict[str, type[PickScore | HPS | ImageReward | AestheticScore]] = {
    cls.__name__: cls for cls in (PickScore, HPS, ImageReward, AestheticScore)
}
"""By the name in `runner.catalog.judges.Judge.pipeline`."""

NO_SHAPE = ("model_type", "architectures", "dtype", "torch_dtype", "transformers_version")
"""What configs say beside the shape of a model."""


def _made(build: Callable[[], Any], tensors: layouts.Tensors, dtype: torch.dtype) -> Any:
    """A model with these weights; none are drawn at random before."""
    from accelerate import init_empty_weights

    with init_empty_weights(include_buffers=False):
        model = build()
    layouts.load(model, tensors)
    return model.to(dtype).eval()


def _tensors(folder: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / WEIGHTS)  # type: ignore[no-any-return]


def _without_positions(tensors: layouts.Tensors) -> dict[str, Tensor]:
    """Without the numbers 0, 1, 2, ..., which transformers once kept among the weights."""
    return {name: t for name, t in tensors.items() if not name.endswith(".position_ids")}


def _read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _clip_tokenizer(folder: Path) -> Any:
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(str(folder), **OFFLINE)


def _bert_tokenizer(folder: Path) -> Any:
    from transformers import BertTokenizer

    return BertTokenizer.from_pretrained(str(folder), **OFFLINE)
