"""The components of Kandinsky 2.0: their configs, and what each published file holds of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.pipelines.kandinsky.text_encoder import MCLIPConfig, MultilingualCLIP
from transformers import MT5Config, MT5EncoderModel, XLMRobertaConfig

from runner.catalog.kandinsky2_0 import TEXT_FOLDER, TEXT_FOLDER_2, VAE_FILE
from runner.errors import WeightsError
from runner.kandinsky2_0.conversion.keys import (
    Placed,
    same_place,
    text_proj_place,
    unet_place,
    vae_place,
)
from runner.kandinsky2_0.text_projection import KandinskyV20TextProjection
from runner.weights.settings import read_json

DIFFUSERS_FILE, TRANSFORMERS_FILE = "diffusion_pytorch_model.safetensors", "model.safetensors"


@dataclass(frozen=True)
class Sizes:
    """The configs of the models, as the released weights need them.

    Attributes:
        unet: of text2img; that of inpainting has 9 input channels.
    """

    unet: Mapping[str, Any]
    text_proj: Mapping[str, Any]
    vae: Mapping[str, Any]


RELEASED = Sizes(
    unet={
        "sample_size": 64, "in_channels": 4, "out_channels": 8,
        "block_out_channels": (384, 768, 1152, 1536), "layers_per_block": 3,
        "cross_attention_dim": 768, "attention_head_dim": 64, "class_embed_type": "identity",
        "resnet_time_scale_shift": "scale_shift",
        "down_block_types": ("ResnetDownsampleBlock2D", *("SimpleCrossAttnDownBlock2D",) * 3),
        "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
        "up_block_types": (*("SimpleCrossAttnUpBlock2D",) * 3, "ResnetUpsampleBlock2D"),
    },
    text_proj={
        "text_dim": 1024, "pooled_dim": 640, "text_dim_2": 512, "cross_attention_dim": 768,
        "time_embed_dim": 1536, "pooling_heads": 8,
    },
    vae={
        "block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "latent_channels": 4,
        "norm_num_groups": 32, "sample_size": 512, "scaling_factor": 0.0512,
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
    },
)  # fmt: skip


@dataclass(frozen=True)
class Component:
    """A model of the pipelines.

    Attributes:
        name: of its folder.
        model: on torch's meta device.
        file: the name of its weights.
        placed: where a tensor of the model is kept.
        without: tensors of the model that are others of it, under a second name.
        stays_float32: layers, by a part of their tensors' names, that transformers keeps in
            float32 where the others are in float16.
    """

    name: str
    model: Any
    file: str
    placed: Placed
    without: tuple[str, ...] = ()
    stays_float32: tuple[str, ...] = ()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Its tensors."""
        state = self.model.state_dict()
        return {name: tuple(t.shape) for name, t in state.items() if name not in self.without}

    @property
    def rows(self) -> int | None:
        """How many tokens it knows; None: it reads none."""
        found: int | None = getattr(self.model.config, "vocab_size", None)
        return found

    def save_config(self, folder: Path) -> None:
        """Write its config.json."""
        if self.file == DIFFUSERS_FILE:
            self.model.save_config(folder)
        else:
            self.model.config.architectures = [type(self.model).__name__]
            self.model.config.save_pretrained(folder)


@dataclass(frozen=True)
class Published:
    """A published file of weights.

    Attributes:
        name: its path in the repository.
        components: what it holds.
        within: the key of its content under which the tensors are; None: the content itself.
        drops: beginnings of the names of tensors that no component needs.
        repeats: a tensor -> the one whose copy it must be, and is dropped then.
    """

    name: str
    components: tuple[Component, ...]
    within: str | None = None
    drops: tuple[str, ...] = ()
    repeats: Mapping[str, str] = field(default_factory=dict)


def unet_file(name: str, sizes: Sizes, in_channels: int) -> Published:
    """The UNet and the text projection, of text2img or of inpainting."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(**{**sizes.unet, "in_channels": in_channels})
        projection = KandinskyV20TextProjection(**sizes.text_proj)
    return Published(
        name,
        (
            Component("unet", unet, DIFFUSERS_FILE, unet_place(sizes.unet)),
            Component("text_proj", projection, DIFFUSERS_FILE, text_proj_place),
        ),
        # The original's class once had mT5 within.
        drops=("text_encoder.",),
    )


def vae_file(sizes: Sizes) -> Published:
    """The autoencoder, in a checkpoint of its training."""
    with torch.device("meta"):
        model = AutoencoderKL(**sizes.vae)
    component = Component("vae", model, DIFFUSERS_FILE, vae_place(sizes.vae))
    return Published(VAE_FILE, (component,), "state_dict", drops=("loss.", "model_ema."))


def text_file(source: Path, sizes: Sizes) -> Published:
    """The first text encoder.

    Raises:
        WeightsError: its config.json is damaged, or of another model.
    """
    config = read_json(source / TEXT_FOLDER / "config.json", "source")
    found = _checked(source / TEXT_FOLDER, config, "xlm-roberta", "hidden_size", sizes, "text_dim")
    width, pooled = sizes.text_proj["text_dim"], sizes.text_proj["pooled_dim"]

    def make() -> Any:
        told = XLMRobertaConfig(**found).to_dict()
        del told["model_type"], told["transformers_version"]
        return MultilingualCLIP(MCLIPConfig(transformerDimSize=width, imageDimSize=pooled, **told))

    model = _built(source / TEXT_FOLDER, make)
    return Published(
        f"{TEXT_FOLDER}/pytorch_model.bin",
        (Component("text_encoder", model, TRANSFORMERS_FILE, same_place),),
        drops=("transformer.embeddings.position_ids",),
    )


def text_file_2(source: Path, sizes: Sizes) -> Published:
    """The second text encoder.

    Raises:
        WeightsError: its config.json is damaged, or of another model.
    """
    config = read_json(source / TEXT_FOLDER_2 / "config.json", "source")
    found = _checked(source / TEXT_FOLDER_2, config, "mt5", "d_model", sizes, "text_dim_2")
    repeated = "encoder.embed_tokens.weight"
    model = _built(source / TEXT_FOLDER_2, lambda: MT5EncoderModel(MT5Config(**found)))
    return Published(
        f"{TEXT_FOLDER_2}/pytorch_model.bin",
        (
            Component(
                "text_encoder_2",
                model,
                TRANSFORMERS_FILE,
                same_place,
                without=(repeated,),
                stays_float32=(".wo.",),
            ),
        ),
        drops=("decoder.", "lm_head."),
        repeats={repeated: "shared.weight"},
    )


def _built(folder: Path, make: Callable[[], Any]) -> Any:
    """A model of a published config, without its weights."""
    try:
        with torch.device("meta"):
            return make()
    except Exception as error:  # a damaged config raises anything
        raise WeightsError("source", folder / "config.json", f"is damaged: {error}") from error


def _checked(
    folder: Path, config: dict[str, Any], kind: str, width: str, sizes: Sizes, needed: str
) -> dict[str, Any]:
    """What a config.json says, without what is not of the model."""
    for name, wanted in (("model_type", kind), (width, sizes.text_proj[needed])):
        if config.get(name) != wanted:
            raise WeightsError(
                "source", folder / "config.json", f"has {name}={config.get(name)}", str(wanted)
            )
    left = ("model_type", "architectures", "transformers_version", "_name_or_path", "torch_dtype")
    return {name: value for name, value in config.items() if name not in (*left, "dtype")}
