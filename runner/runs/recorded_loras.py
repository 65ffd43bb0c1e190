"""Finds the LoRAs of a recorded run: the files with the recorded bytes, or none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.config.lora import KEY
from runner.config.recorded import LATER_OF_LORAS
from runner.errors import ConfigError
from runner.recording.recorded import read_environment
from runner.runs.find import RunRecord
from runner.runs.sources import Source
from runner.weights.lora_places import MINI, packaged_file


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
        own, place = recorded[key], Path(named)
        if named.startswith(MINI):
            place = packaged_file(named.removeprefix(MINI)) or place
        path, problem = Source(key, str(place), "", own).find()
        if path is not None:
            # The file itself, which is in no folder or repository any more.
            entry = {k: v for k, v in entry.items() if k not in LATER_OF_LORAS}
        elif own.repo == named and own.revision is not None:
            path, entry = named, {**entry, "revision": own.revision}
        else:
            allowed = f"the file with the sha256 {own.sha256}"
            raise ConfigError(key, named, problem, allowed)
        found.append({**entry, "path": path})
    return {**config, KEY: found}
