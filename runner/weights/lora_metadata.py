"""What a LoRA's file says of itself in its header, as diffusers writes it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from runner.system.untrusted import UntrustedError, parse_json

KEY = "lora_adapter_metadata"
"""diffusers.loaders.lora_base.LORA_ADAPTER_METADATA_KEY: the fields of a peft.LoraConfig."""

REFUSED = {
    "use_dora": "is a DoRA",
    "use_rslora": "is scaled by the root of its rank (use_rslora)",
    "lora_bias": "has biases (lora_bias)",
    "layer_replication": "repeats layers (layer_replication)",
    "use_qalora": "is a QA-LoRA",
    "alora_invocation_tokens": "acts at some tokens alone",
}
"""Fields by which a LoRA is of a kind that is not read, where they are set."""
NAME = re.compile(r"\^?[\w.]+")


class UnreadSettingError(Exception):
    """A LoRA is of a kind that is not read; the message says of which."""


def alphas_told(
    metadata: Mapping[str, str], module: str
) -> tuple[float | None, tuple[tuple[str, float], ...]]:
    """The alpha of all layers, and those of some: ends of their names -> alpha.

    Other fields are not taken: of what trained it, peft would take `lora_dropout` into inference.

    Args:
        module: the name that stands before its fields, where it is there.

    Raises:
        UnreadSettingError: it is of a kind that is not read, or cannot be read.
    """
    if KEY not in metadata:
        return None, ()
    try:
        content = parse_json(metadata[KEY].encode(), finite=True)
    except (UntrustedError, UnicodeError) as error:
        raise UnreadSettingError(f"has metadata ({KEY}) that cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise UnreadSettingError(f"has metadata ({KEY}) that is no mapping")
    fields = {str(name).removeprefix(f"{module}."): value for name, value in content.items()}
    for name, what in REFUSED.items():
        if fields.get(name):
            raise UnreadSettingError(what)
    if "lora_alpha" not in fields:
        raise UnreadSettingError(f"has metadata ({KEY}) without lora_alpha")
    alpha = _number("lora_alpha", fields["lora_alpha"])
    patterns = fields.get("alpha_pattern") or {}
    if not isinstance(patterns, dict) or not all(map(NAME.fullmatch, patterns)):
        raise UnreadSettingError("has an alpha_pattern that is none of names of layers")
    return alpha, tuple((name, _number(name, value)) for name, value in patterns.items())


def _number(name: str, value: Any) -> float:
    try:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        number = float(value) if is_number else math.nan
    except OverflowError:  # whole numbers have no end
        number = math.inf
    if not math.isfinite(number) or number == 0:
        raise UnreadSettingError(f"has an alpha that is no number: {name} {str(value)[:50]!r}")
    return number
