"""What conversion makes of the published files computes what the original does."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file
from sentencepiece import SentencePieceProcessor
from transformers import T5Tokenizer, XLMRobertaTokenizer

from kandinsky2_0 import original, published, tiny
from kandinsky2_0.conftest import drawn, quiet
from kandinsky2_0.original_vae import Running, vae_shapes
from runner.cli import main
from runner.kandinsky2_0 import samplings
from runner.kandinsky2_0.conversion.convert import Conversion, convert
from runner.kandinsky2_0.pipeline_kandinsky2_0 import KandinskyV20Pipeline
from runner.kandinsky2_0.pipeline_kandinsky2_0_inpaint import KandinskyV20InpaintPipeline
from runner.kandinsky2_0.text_projection import KandinskyV20TextProjection

EXACT = 1e-10
TEXT2IMG, INPAINT = "kandinsky-2-0", "kandinsky-2-0-inpaint"


@pytest.fixture(scope="module")
def done(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Conversion:
    """What was made of them."""
    return convert(source, tmp_path_factory.mktemp("made") / "new", sizes=published.SIZES)


@pytest.fixture(scope="module")
def made(done: Conversion) -> Path:
    """The folder of it."""
    return done.folders[0].parent


@torch.no_grad()
@pytest.mark.parametrize(
    ("folder", "net", "seed"),
    [(TEXT2IMG, published.NET, 0), (INPAINT, published.NET_INPAINT, 1)],
)
def test_the_unet_is_the_original_one(
    made: Path, folder: str, net: original.Net, seed: int
) -> None:
    state = original.random_state(original.unet_shapes(net), seed)
    unet = UNet2DConditionModel.from_pretrained(made / folder / "unet", dtype=torch.float64)
    projection = KandinskyV20TextProjection.from_pretrained(
        made / folder / "text_proj", dtype=torch.float64
    )
    states, states_2, pooled, x = (
        torch.randn(shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
        for shape in ((2, 5, 32), (2, 6, 56), (2, 24), (2, net.in_channels, 8, 12))
    )
    told, added = original.run_text_layers(net, state, states, states_2, pooled)
    found = projection(states, states_2, pooled)
    assert (found.encoder_hidden_states - told).abs().max() < EXACT
    assert (found.class_labels - added).abs().max() < EXACT

    # diffusers computes it in float32, whatever the model's dtype.
    exact = original.time_embedding(321, net.base)
    assert torch.allclose(unet.time_proj(torch.tensor([321])).double(), exact, atol=1e-4)
    unet.time_proj = Given(exact.expand(2, -1))
    wanted = original.run_unet(net, state, x, 321, told, added)
    got = unet(x, 321, **found).sample
    assert wanted.abs().max() > 0.5
    assert (got - wanted).abs().max() < EXACT


class Given(torch.nn.Module):
    """A module that returns what it was given."""

    def __init__(self, value: torch.Tensor) -> None:
        super().__init__()
        self.value = value

    def forward(self, _: torch.Tensor) -> torch.Tensor:
        return self.value


@torch.no_grad()
def test_the_autoencoder_is_the_original_one(made: Path) -> None:
    state = original.random_state(vae_shapes(published.AUTOENCODER), 2)
    running = Running(published.AUTOENCODER, state)
    vae = AutoencoderKL.from_pretrained(made / TEXT2IMG / "vae", dtype=torch.float64)
    assert vae.config.scaling_factor == 0.0512
    pixels = torch.randn(1, 3, 32, 48, dtype=torch.float64)
    latents = torch.randn(1, 4, 4, 6, dtype=torch.float64)
    assert (vae.encode(pixels).latent_dist.parameters - running.encode(pixels)).abs().max() < EXACT
    assert (vae.decode(latents).sample - running.decode(latents)).abs().max() < EXACT


def test_the_text_encoders_are_the_published_ones(made: Path) -> None:
    for name, model in (
        ("text_encoder", tiny.text_encoder()),
        ("text_encoder_2", tiny.text_encoder_2()),
    ):
        loaded = type(model).from_pretrained(made / TEXT2IMG / name)
        for key, tensor in model.state_dict().items():
            assert torch.equal(loaded.state_dict()[key].float(), tensor), key
    config = json.loads((made / TEXT2IMG / "text_encoder/config.json").read_text())
    assert config["layer_norm_eps"] == 1e-5


def test_texts_become_the_published_tokens(source: Path, made: Path) -> None:
    text = "a red circle, Красный круг " * 20
    for name, tokenizer, path, more in (
        ("tokenizer", XLMRobertaTokenizer, "text_encoder1/sentencepiece.bpe.model", 1),
        ("tokenizer_2", T5Tokenizer, "text_encoder2/spiece.model", 0),
    ):
        loaded = tokenizer.from_pretrained(made / TEXT2IMG / name)
        assert loaded.model_max_length == 77
        assert (made / TEXT2IMG / name / "tokenizer.json").is_file()
        pieces = SentencePieceProcessor(model_file=str(source / path)).encode(text)
        own = loaded(text, add_special_tokens=False).input_ids
        assert own[:100] == [piece + more for piece in pieces][:100]
        cut = loaded(text, truncation=True, padding="max_length").input_ids
        assert len(cut) == 77
        assert cut[-1] == loaded.eos_token_id
        assert loaded("", padding="max_length").input_ids[-1] == loaded.pad_token_id


def test_the_folders_are_pipelines(made: Path, picture: Any, mask: Any) -> None:
    text2img = quiet(KandinskyV20Pipeline.from_pretrained(made / TEXT2IMG))
    inpaint = quiet(KandinskyV20InpaintPipeline.from_pretrained(made / INPAINT))
    assert np.array_equal(drawn(text2img), drawn(text2img))
    drawn(inpaint, image=picture, mask_image=mask)
    config = dict(text2img.scheduler.config)
    assert config == {**config, **samplings.DDIM}
    second = json.loads((made / INPAINT / "ddpm_scheduler/scheduler_config.json").read_text())
    assert second == {**second, **samplings.DDPM, "_class_name": "DDPMScheduler"}


def test_what_is_left_out_is_reported(done: Conversion, made: Path) -> None:
    left_out = {name: sorted(dropped) for name, dropped in done.dropped.items()}
    assert left_out == {
        "Kandinsky-2-0.pt": ["text_encoder.shared.weight"],
        "Kandinsky-2-0-inpainting.pt": ["text_encoder.shared.weight"],
        "vae.ckpt": ["loss.perceptual_loss.lin0.model.1.weight", "model_ema.decay"],
        "text_encoder1/pytorch_model.bin": ["transformer.embeddings.position_ids"],
        "text_encoder2/pytorch_model.bin": [
            "decoder.embed_tokens.weight", "encoder.embed_tokens.weight", "lm_head.weight",
        ],
    }  # fmt: skip
    one, other = (
        made / name / "vae/diffusion_pytorch_model.safetensors" for name in (TEXT2IMG, INPAINT)
    )
    assert one.samefile(other)  # on disk once
    assert sorted(path.name for path in made.iterdir()) == [TEXT2IMG, INPAINT]


def test_half_precision(source: Path, tmp_path: Path) -> None:
    convert(source, tmp_path, dtype="float16", sizes=published.SIZES)
    for name in ("unet", "text_proj", "vae"):
        tensors = load_file(tmp_path / TEXT2IMG / name / "diffusion_pytorch_model.safetensors")
        assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    tensors = load_file(tmp_path / TEXT2IMG / "text_encoder_2/model.safetensors")
    single = {name for name, tensor in tensors.items() if tensor.dtype == torch.float32}
    # transformers computes them in float32, also where all else is in float16.
    assert single == {name for name in tensors if ".wo." in name}
    assert single


def test_the_verb(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    arguments = ["convert", str(source), str(tmp_path / "new")]
    assert main(arguments) == 2  # these are not of the released sizes
    said = capsys.readouterr().err
    assert f"source={source / 'vae.ckpt'}: is not what was published" in said
    assert "shape: decoder.conv_in.bias is 32, and 512 is needed" in said
    assert not (tmp_path / "new").exists()
    small = partial(convert, sizes=published.SIZES)
    monkeypatch.setattr("runner.kandinsky2_0.conversion.convert.convert", small)
    assert main([*arguments, "--dtype", "float16"]) == 0
    out = capsys.readouterr().out
    assert "left out of vae.ckpt, as no model needs them: 1 x loss.*" in out
    assert "from text_encoder1/pytorch_model.bin" in out
    assert out.splitlines()[-1].endswith("kandinsky-2-0-inpaint")
