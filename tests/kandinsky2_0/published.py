"""The published files of Kandinsky 2.0, small and random, in the original's layout."""

from __future__ import annotations

import json
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from kandinsky2_0 import tiny
from kandinsky2_0.original import Net, State, random_state, unet_shapes
from kandinsky2_0.original_vae import Autoencoder, vae_shapes
from random_weights.tokenizers import CONTROL, UNKNOWN, save_xlm_roberta, sentencepiece_model
from runner.kandinsky2_0.conversion.components import Sizes

SIZES = Sizes(unet=tiny.UNET, text_proj=tiny.TEXT_PROJ, vae=tiny.VAE)
NET = Net(
    base=16, factors=(1, 2, 3), attends=(False, True, True), blocks=1, head=8, groups=8, told=40,
    text=32, pooled=24, text_2=56, pooling_heads=7,
)  # fmt: skip
NET_INPAINT = Net(**{**vars(NET), "in_channels": 9})
AUTOENCODER = Autoencoder(widths=(8, 16, 24, 32), blocks=1, groups=8)


def write(folder: Path) -> None:
    """All files, with what they hold beside the models."""
    for number, (name, net) in enumerate(
        (("Kandinsky-2-0.pt", NET), ("Kandinsky-2-0-inpainting.pt", NET_INPAINT))
    ):
        state = random_state(unet_shapes(net), number)
        # The class once had the second text encoder within.
        torch.save({**state, "text_encoder.shared.weight": torch.ones(2)}, folder / name)
    write_vae(folder / "vae.ckpt", random_state(vae_shapes(AUTOENCODER), 2))
    write_text_encoder(folder / "text_encoder1")
    write_text_encoder_2(folder / "text_encoder2")


def write_vae(path: Path, state: State) -> None:
    """A checkpoint of a training by Lightning, which names classes of modules that are not here."""
    module = ModuleType("pytorch_lightning_then")

    class ModelCheckpoint(dict):  # type: ignore[type-arg]
        """A callback."""

    ModelCheckpoint.__module__, ModelCheckpoint.__qualname__ = module.__name__, "ModelCheckpoint"
    module.ModelCheckpoint = ModelCheckpoint  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    weights = OrderedDict(state)
    weights["loss.perceptual_loss.lin0.model.1.weight"] = torch.ones(1, 2, 1, 1)
    weights["model_ema.decay"] = torch.ones(())
    content = {
        "epoch": 12,
        "callbacks": {ModelCheckpoint: {"best": torch.ones(3)}},
        "hyper_parameters": ModelCheckpoint(rate=4.5e-6),
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(3)}}}],
        "state_dict": weights,
    }
    torch.save(content, path)
    del sys.modules[module.__name__]


def write_text_encoder(folder: Path) -> None:
    """The first one, as a plain XLM-RoBERTa with a head that its config does not know."""
    save_xlm_roberta(folder)
    model = tiny.text_encoder().double()
    state: dict[str, Any] = dict(model.state_dict())
    state["transformer.embeddings.position_ids"] = torch.arange(79)[None]
    torch.save(state, folder / "pytorch_model.bin")
    names = (
        "bos_token_id", "eos_token_id", "hidden_act", "hidden_size", "intermediate_size",
        "layer_norm_eps", "max_position_embeddings", "num_attention_heads", "num_hidden_layers",
        "pad_token_id", "type_vocab_size", "vocab_size",
    )  # fmt: skip
    config = {name: getattr(model.config, name) for name in names}
    more = {"model_type": "xlm-roberta", "architectures": ["XLMRobertaModel"], "output_past": True}
    (folder / "config.json").write_text(json.dumps({**config, **more}))


def write_text_encoder_2(folder: Path) -> None:
    """The second one, with a decoder, and a tokenizer that is a model of sentencepiece alone."""
    folder.mkdir()
    model = tiny.text_encoder_2().double()
    state = dict(model.state_dict())
    state["encoder.embed_tokens.weight"] = state["shared.weight"].clone()
    state["decoder.embed_tokens.weight"] = state["shared.weight"]
    state["lm_head.weight"] = torch.ones(3, 2)
    torch.save(state, folder / "pytorch_model.bin")
    config = model.config.to_dict()
    (folder / "config.json").write_text(json.dumps({**config, "torch_dtype": "float32"}))
    special = [("<pad>", CONTROL), ("</s>", CONTROL), ("<unk>", UNKNOWN)]
    spiece = sentencepiece_model(special, pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    (folder / "spiece.model").write_bytes(spiece)
    marks = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    (folder / "special_tokens_map.json").write_text(json.dumps(marks))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({**marks, "extra_ids": 0, "additional_special_tokens": None})
    )
