"""Finds the LoRAs of a recorded run: the files with the recorded bytes, or none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.config.lora import KEY
from runner.errors import ConfigError
from runner.recording.recorded import read_environment
from runner.runs.find import RunRecord
from runner.runs.sources import Source


def with_loras(record: RunRecord, config: Mapping[str, Any]) -> dict[str, Any]:
    """The config with its LoRAs where they are.

    Raises:
        ConfigError: one is gone, or has changed since.
    """
    entries = config.get(KEY) or []
    if not entries:
        return dict(config)
    recorded = read_environment(record.environment).loras
    found = []
    for number, entry in enumerate(entries):
        key, named = f"{KEY}[{number}].path", str(entry.get("path"))
        if key not in recorded:
            raise ConfigError(key, named, "has no hash in the record, which tells what it was")
        path, problem = Source(key, named, "", recorded[key]).find()
        if path is None:
            allowed = f"the file with the sha256 {recorded[key].sha256}"
            raise ConfigError(key, named, problem, allowed)
        found.append({**entry, "path": path})
    return {**config, KEY: found}
