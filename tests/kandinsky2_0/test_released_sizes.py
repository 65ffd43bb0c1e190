"""At the released sizes, on the meta device: every tensor of diffusers' models has a place in the
published files, and every tensor of these is used.
"""

from __future__ import annotations

import json
from math import prod
from pathlib import Path

import pytest

from kandinsky2_0 import original
from kandinsky2_0.original_vae import Autoencoder, vae_shapes
from runner.errors import WeightsError
from runner.kandinsky2_0.conversion import components
from runner.kandinsky2_0.conversion.planning import PlannedFile, plan_tensors
from runner.weights.pickled import Pickled, StoredTensor

XLM_ROBERTA_LARGE = {
    "model_type": "xlm-roberta", "hidden_size": 1024, "num_hidden_layers": 24,
    "num_attention_heads": 16, "intermediate_size": 4096, "vocab_size": 250002,
    "max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5,
    "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1,
}  # fmt: skip
MT5_SMALL = {
    "model_type": "mt5", "d_model": 512, "d_kv": 64, "d_ff": 1024, "num_layers": 8, "num_heads": 6,
    "vocab_size": 250112, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False,
}  # fmt: skip


def planned(published: components.Published, shapes: original.Shapes) -> PlannedFile:
    """What is made of a file with tensors of these shapes."""
    tensors = {}
    for name, shape in shapes.items():
        stride = tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))
        storage = ("storage", "FloatStorage", name, "cpu", prod(shape))
        tensors[name] = StoredTensor(storage, 0, shape, stride)
    return plan_tensors(Path("x"), published, Pickled(tensors, ""), None)


@pytest.mark.parametrize(
    ("net", "in_channels", "parameters"),
    [(original.RELEASED, 4, 1_223_352_584), (original.RELEASED_INPAINT, 9, 1_223_369_864)],
)
def test_the_unets(net: original.Net, in_channels: int, parameters: int) -> None:
    shapes = original.unet_shapes(net)
    assert len(shapes) == 604
    assert sum(map(prod, shapes.values())) == parameters
    published = components.unet_file("x", components.RELEASED, in_channels)
    plan = planned(published, shapes)
    assert (len(plan.pieces["unet"]), len(plan.pieces["text_proj"])) == (716, 20)
    assert sum(prod(piece.shape) for piece in plan.pieces["text_proj"]) == 3_749_376
    assert plan.bytes == 4 * parameters
    assert not plan.dropped
    del shapes["middle_block.1.encoder_kv.bias"]
    with pytest.raises(WeightsError, match=r"missing: middle_block\.1\.encoder_kv\.bias, 3072"):
        planned(published, shapes)


def test_the_autoencoder() -> None:
    shapes = vae_shapes(Autoencoder())
    assert len(shapes) == 248
    plan = planned(components.vae_file(components.RELEASED), shapes)
    assert plan.bytes == 4 * 83_653_863


def test_the_text_encoders(tmp_path: Path) -> None:
    for folder, config in (("text_encoder1", XLM_ROBERTA_LARGE), ("text_encoder2", MT5_SMALL)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "config.json").write_text(json.dumps(config))
    for published, parameters in (
        (components.text_file(tmp_path, components.RELEASED), 560_546_432),
        (components.text_file_2(tmp_path, components.RELEASED), 146_940_608),
    ):
        (component,) = published.components
        assert planned(published, component.shapes).bytes == 4 * parameters


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"hidden_size": 768}, r"has hidden_size=768\n  allowed: 1024"),
        ({"model_type": "M-CLIP"}, r"has model_type=M-CLIP\n  allowed: xlm-roberta"),
        ({"num_hidden_layers": "many"}, "is damaged"),
    ],
)
def test_a_config_of_another_model_is_refused(
    tmp_path: Path, changed: dict[str, object], said: str
) -> None:
    (tmp_path / "text_encoder1").mkdir()
    config = json.dumps({**XLM_ROBERTA_LARGE, **changed})
    (tmp_path / "text_encoder1/config.json").write_text(config)
    with pytest.raises(WeightsError, match=said):
        components.text_file(tmp_path, components.RELEASED)
