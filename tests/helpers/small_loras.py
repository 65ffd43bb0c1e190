"""LoRAs of two layers for the small family, written without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from runner.weights.find import MINI_DIR
from runner.weights.safetensors_header import read_header

DECODER = MINI_DIR / "kandinsky-2-2-decoder" / "unet"
PRIOR = MINI_DIR / "kandinsky-2-2-prior" / "prior"
LAYERS = {
    DECODER: ("mid_block.attentions.0.to_q", "mid_block.resnets.0.conv1"),
    PRIOR: ("transformer_blocks.0.attn1.to_q", "proj_in"),
}
STYLE, OTHER, OF_PRIOR = "style.safetensors", "other.safetensors", "prior.safetensors"

Arrays = dict[str, "np.ndarray[tuple[int, ...], np.dtype[np.float32]]"]


def small_lora(module: Path = DECODER, *, rank: int = 2, seed: int = 0) -> Arrays:
    """Its tensors, in peft's layout without a prefix."""
    (file,) = module.glob("*.safetensors")
    shapes, random = read_header(file).shapes, np.random.default_rng(seed)
    found: Arrays = {}
    for layer in LAYERS[module]:
        out, *into = shapes[f"{layer}.weight"]
        ones = [1] * (len(into) - 1)
        found[f"{layer}.lora_A.weight"] = random.normal(size=(rank, *into)).astype(np.float32)
        found[f"{layer}.lora_B.weight"] = random.normal(size=(out, rank, *ones)).astype(np.float32)
    return found


def write_loras(folder: Path) -> None:
    """One for the decoder, another one, and one for the prior."""
    save_file(small_lora(), folder / STYLE)
    save_file(small_lora(seed=1), folder / OTHER)
    save_file(small_lora(PRIOR), folder / OF_PRIOR)
