"""Published files that are not what they should be: each fault is named, nothing is executed."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from kandinsky2_0 import published
from kandinsky2_0.conftest import quiet
from random_weights.tokenizers import CONTROL, sentencepiece_model
from runner.errors import ConfigError, RunnerError, WeightsError
from runner.kandinsky2_0.conversion.convert import convert
from runner.kandinsky2_0.pipeline_kandinsky2_0_inpaint import KandinskyV20InpaintPipeline

TEXT2IMG, INPAINT = "kandinsky-2-0", "kandinsky-2-0-inpaint"


@pytest.fixture
def altered(source: Path, tmp_path: Path) -> Path:
    """A copy of the published files that a test may damage."""
    return Path(shutil.copytree(source, tmp_path / "published"))


def test_each_tensor_that_is_missing_left_over_or_misshapen_is_named(
    altered: Path, tmp_path: Path
) -> None:
    state = torch.load(altered / "Kandinsky-2-0.pt")
    del state["input_blocks.3.1.qkv.weight"]
    state["out.2.bias"] = torch.ones(4)
    state["prior.weight"] = torch.ones(4, 2)
    torch.save(state, altered / "Kandinsky-2-0.pt")
    state = torch.load(altered / "text_encoder2/pytorch_model.bin")
    state["encoder.embed_tokens.weight"] += 1
    torch.save(state, altered / "text_encoder2/pytorch_model.bin")
    with pytest.raises(RunnerError) as caught:
        convert(altered, tmp_path / "new", sizes=published.SIZES)
    assert caught.value.exit_status == 2
    for said in (
        f"{altered / 'Kandinsky-2-0.pt'}: is not what was published",
        "missing: input_blocks.3.1.qkv.weight, 96x32",
        "shape: out.2.bias is 4, and 8 is needed",
        "left over: prior.weight, 4x2",
        "left over: encoder.embed_tokens.weight, which is not equal to shared.weight",
    ):
        assert str(caught.value).count(said) == 1, said
    assert not (tmp_path / "new").exists()


def test_missing_files_are_named(altered: Path, tmp_path: Path) -> None:
    (altered / "Kandinsky-2-0.pt").unlink()
    (altered / "Kandinsky-2-0-inpainting.pt").unlink()
    (altered / "text_encoder2/spiece.model").unlink()
    with pytest.raises(WeightsError) as caught:
        convert(altered, tmp_path / "new", sizes=published.SIZES)
    assert "Kandinsky-2-0.pt (or Kandinsky-2-0-inpainting.pt), text_encoder2/spiece.model" in str(
        caught.value
    )
    assert "ai-forever/Kandinsky_2.0" in str(caught.value)


def test_a_tokenizer_of_another_encoder_is_refused(altered: Path, tmp_path: Path) -> None:
    more = sentencepiece_model([(f"<{number}>", CONTROL) for number in range(300)])
    (altered / "text_encoder2/spiece.model").write_bytes(more)
    with pytest.raises(WeightsError, match=r"has a tokenizer of \d+ tokens, and an encoder of 215"):
        convert(altered, tmp_path / "new", sizes=published.SIZES)


def test_one_unet_is_enough_and_nothing_is_overwritten(altered: Path, tmp_path: Path) -> None:
    (altered / "Kandinsky-2-0.pt").unlink()
    convert(altered, tmp_path, sizes=published.SIZES)
    quiet(KandinskyV20InpaintPipeline.from_pretrained(tmp_path / INPAINT))
    with pytest.raises(ConfigError, match="is there already"):
        convert(altered, tmp_path, sizes=published.SIZES)


class Malicious:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["Kandinsky-2-0.pt", "vae.ckpt"])
def test_nothing_of_a_file_is_executed(altered: Path, tmp_path: Path, name: str) -> None:
    """What is more than tensors is refused, or passed over where a checkpoint has it beside."""
    trap = tmp_path / "executed"
    content = torch.load(altered / name, weights_only=False, pickle_module=Tolerant)
    torch.save({**content, "more": Malicious(trap)}, altered / name)
    if name == "vae.ckpt":
        convert(altered, tmp_path / "new", sizes=published.SIZES)
    else:
        with pytest.raises(WeightsError, match="more than tensors: refused"):
            convert(altered, tmp_path / "new", sizes=published.SIZES)
    assert not trap.exists()


class Tolerant:
    """A pickle module that knows all classes."""

    class Unpickler(pickle.Unpickler):
        """Of torch's."""

        def find_class(self, module: str, name: str) -> Any:
            return dict if "lightning" in module else super().find_class(module, name)

    load = pickle.load


@pytest.mark.parametrize(
    ("name", "damage"),
    # Of the UNet of inpainting it is noticed when the other folder is whole.
    [("vae.ckpt", "cut"), ("vae.ckpt", "flipped"), ("Kandinsky-2-0-inpainting.pt", "flipped")],
)
def test_a_damaged_file_is_refused(altered: Path, tmp_path: Path, name: str, damage: str) -> None:
    path = altered / name
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    else:
        content[len(content) // 2] ^= 1  # among the numbers
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="is damaged"):
        convert(altered, tmp_path / "new", sizes=published.SIZES)
    assert not list(tmp_path.glob("new/*"))
    assert not list(tmp_path.glob("new/.*"))
