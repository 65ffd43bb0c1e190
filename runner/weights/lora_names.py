"""The names of a LoRA's tensors: of what layer, and which part.

Two layouts are read: that of peft and diffusers (`X.lora_A.weight`, `X.lora_B.weight`), and the
older one of diffusers' own training scripts for Kandinsky 2.2, where they belong to an attention
processor (`Y.processor.to_q_lora.down.weight`) or a layer (`X.lora.down.weight`).
Source: examples/kandinsky2_2/text_to_image in diffusers; diffusers/utils/state_dict_utils.py
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Part(Enum):
    """What a tensor is to its layer, whose weights become W + weight * alpha / rank * (B A)."""

    down = "lora_A.weight"
    up = "lora_B.weight"
    alpha = "alpha"


@dataclass(frozen=True)
class LoraTensor:
    """A tensor of a LoRA.

    Attributes:
        layer: the name of the model's layer, below the model.
        part: what it is to it.
    """

    layer: str
    part: Part

    @property
    def name(self) -> str:
        """Its name in peft's layout."""
        return f"{self.layer}.{self.part.value}"


class UnknownTensorError(Exception):
    """A tensor is none of a LoRA that is read; the message says what it is, if that is known."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"has a tensor {name!r}, {why}")


UNREAD = (
    (re.compile(r"^lora_(unet|prior|te\d?|transformer)_"), "which is of kohya's layout"),
    (re.compile(r"^base_model\.model\."), "which peft's own save_pretrained writes: the alpha of "
     "such a file stands in another one"),
    (re.compile(r"dora_scale|lora_magnitude_vector"), "which is of a DoRA"),
    (re.compile(r"\.lokr_|\.hada_|\.oft_|\.diff(_b)?$"), "which is of another kind than LoRA"),
    (re.compile(r"lora_B\.bias$"), "a bias, which is not read"),
    (re.compile(r"^text_encoder"), "which is of a text encoder: no text encoder takes a LoRA here"),
)  # fmt: skip
"""What is told of tensors that are not read."""

PEFT = re.compile(r"^(?P<layer>.+)\.lora_(?P<part>[AB])\.weight$")
OF_PROCESSOR = re.compile(
    r"^(?P<attention>.+)\.processor\.(?P<layer>to_q|to_k|to_v|to_out|add_k_proj|add_v_proj)_lora"
    r"\.(?P<part>down|up)\.weight$"
)
OF_LAYER = re.compile(r"^(?P<layer>.+)\.lora\.(?P<part>down|up)\.weight$")
ALPHA = re.compile(r"^(?P<layer>.+)\.alpha$")
PARTS = {"A": Part.down, "B": Part.up, "down": Part.down, "up": Part.up}


def read_names(names: Iterable[str], modules: Iterable[str]) -> tuple[str, dict[str, LoraTensor]]:
    """What each tensor of a file is.

    Args:
        modules: the names that may stand before all of them ("unet.").

    Returns:
        the module that stands before them, "" where none does; and name -> what it is.

    Raises:
        UnknownTensorError: one is no tensor of a LoRA.
    """
    given = sorted(names)
    before = next((m for m in modules if given and given[0].startswith(f"{m}.")), "")
    found: dict[str, LoraTensor] = {}
    for name in given:
        bare = name.removeprefix(f"{before}.") if before else name
        if before and bare == name:
            raise UnknownTensorError(name, _why(name) or f"beside those of {before}")
        tensor = _tensor(bare)
        if tensor is None:
            raise UnknownTensorError(name, _why(bare) or "which is none of a LoRA that is read")
        found[name] = tensor
    return before, found


def _tensor(name: str) -> LoraTensor | None:
    if any(pattern.search(name) for pattern, _ in UNREAD):
        return None
    if (match := OF_PROCESSOR.match(name)) is not None:
        # The processor's `to_out` is the first layer of the attention's.
        layer = "to_out.0" if match["layer"] == "to_out" else match["layer"]
        return LoraTensor(f"{match['attention']}.{layer}", PARTS[match["part"]])
    for pattern in (PEFT, OF_LAYER):
        if (match := pattern.match(name)) is not None:
            return LoraTensor(match["layer"].replace(".processor.", "."), PARTS[match["part"]])
    match = ALPHA.match(name)
    return None if match is None else LoraTensor(match["layer"], Part.alpha)


def _why(name: str) -> str | None:
    return next((why for pattern, why in UNREAD if pattern.search(name)), None)
