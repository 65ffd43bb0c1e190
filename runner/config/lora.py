"""Checks `lora`, as far as the config alone tells."""

from __future__ import annotations

import math
from collections.abc import Sequence

from runner.config.run_config import Lora
from runner.config.sections import LoraConfig
from runner.errors import ConfigError

KEY = "lora"


def check_loras(entries: Sequence[LoraConfig]) -> tuple[Lora, ...]:
    """The LoRAs of a config. Raises ConfigError for one without a path, or without a number."""
    found = []
    for number, entry in enumerate(entries):
        if entry.path is None or not entry.path.strip():
            raise ConfigError(
                f"{KEY}[{number}].path", entry.path, "names no file",
                "a safetensors file, or a folder that holds one",
            )  # fmt: skip
        if not math.isfinite(entry.weight):
            raise ConfigError(
                f"{KEY}[{number}].weight", entry.weight, "is no finite number", "such as 0.5 or 1"
            )
        for name in ("file", "revision"):
            if (told := getattr(entry, name)) is not None and not told.strip():
                raise ConfigError(f"{KEY}[{number}].{name}", told, "is empty", "a name, or null")
        found.append(Lora(entry.path, entry.weight, entry.role.name, entry.file, entry.revision))
    return tuple(found)
