"""The files of the random checkpoints are those of the released repositories."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from sentencepiece import SentencePieceProcessor
from transformers import AutoTokenizer

from random_weights import kandinsky_2_2_controlnet_depth


def test_both_kinds_of_vocabulary_give_the_same_ids(random_weights: Path) -> None:
    folder = random_weights / "kandinsky-2-1" / "tokenizer"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    file = folder / "sentencepiece.bpe.model"
    pieces = SentencePieceProcessor(model_file=str(file))
    for text in ("a red circle", "unheard-of  Кот", "☃☃ x<b>", ""):
        ids = [number + 1 if number != pieces.unk_id() else 3 for number in pieces.encode(text)]
        assert tokenizer(text).input_ids == [0, *ids, 2]


SAFETENSORS_ALONE = ("kandinsky-2-0", "kandinsky-2-0-inpaint", "kandinsky-3")


def test_files_are_as_released(random_weights: Path) -> None:
    files = {folder.name: listed(folder) for folder in random_weights.iterdir()}
    assert {file for file in files["kandinsky-3"] if "config" not in file} == {
        ".gitattributes", "README.md", "model_index.json",
        "movq/diffusion_pytorch_model.fp16.safetensors",
        "text_encoder/model.safetensors.index.fp16.json",
        *(f"text_encoder/model.fp16-0000{number}-of-00005.safetensors" for number in range(1, 6)),
        "tokenizer/special_tokens_map.json", "tokenizer/spiece.model",
        "unet/diffusion_pytorch_model.fp16.safetensors",
    }  # fmt: skip
    depth = files.pop("kandinsky-2-2-controlnet-depth")
    assert {Path(file).suffix for file in depth if "model." in file} == {".bin"}
    for name, both in files.items():
        weights = {file for file in both if file.endswith(".safetensors")}
        pickled = {file for file in both if file.endswith(".bin")}
        alone = name in SAFETENSORS_ALONE or name.startswith("Kandinsky-5.0-")
        assert len(pickled) == (0 if alone else len(weights))


def test_numbers_are_as_released(random_weights: Path) -> None:
    prior = random_weights / "kandinsky-2-2-prior"
    floats = {
        name: {
            tensor.dtype
            for tensor in load_file(prior / name / "model.safetensors").values()
            if tensor.is_floating_point()
        }
        for name in ("image_encoder", "text_encoder")
    }
    assert floats == {"image_encoder": {torch.float16}, "text_encoder": {torch.float32}}
    text = [load_file(file) for file in (random_weights / "kandinsky-3").glob("text_*/*.safe*s")]
    wide = {name for shard in text for name in shard if shard[name].dtype == torch.float32}
    assert wide == {name for shard in text for name in shard if ".wo." in name} != set()
    tokenizer = AutoTokenizer.from_pretrained(prior / "tokenizer")
    ids = tokenizer("red !", padding="max_length").input_ids
    # A mark in a prompt is that which prompts are filled up with.
    assert ids[2:] == [0, tokenizer.eos_token_id, *[0] * 73]
    config = json.loads((prior / "text_encoder" / "config.json").read_text())
    assert [config[f"{name}_token_id"] for name in ("bos", "pad", "eos")] == [0, 1, 2]


def test_pickled_and_safe_weights_are_the_same(random_weights: Path, tmp_path: Path) -> None:
    pulled = kandinsky_2_2_controlnet_depth(tmp_path, pull_request=True)
    main = random_weights / pulled.name
    assert listed(pulled) - listed(main) == {
        f"{name}/diffusion_pytorch_model.safetensors" for name in ("unet", "movq")
    }
    pickled = torch.load(main / "unet" / "diffusion_pytorch_model.bin", weights_only=True)
    safe = load_file(pulled / "unet" / "diffusion_pytorch_model.safetensors")
    assert pickled.keys() == safe.keys()
    assert all(torch.equal(pickled[name], safe[name]) for name in safe)


def listed(folder: Path) -> set[str]:
    return set(map(str, contents(folder)))


def contents(folder: Path) -> dict[Path, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder): path.read_bytes() for path in files}
