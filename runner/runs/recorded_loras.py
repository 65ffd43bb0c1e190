"""Finds the LoRAs of a recorded run: under their names at the recorded commits or in the package,
else the files with the recorded bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.config.lora import KEY
from runner.config.recorded import LATER_OF_LORAS
from runner.errors import ConfigError
from runner.recording.recorded import RecordedLora, read_environment
from runner.runs.find import RunRecord
from runner.runs.sources import Source
from runner.system.hashes import file_sha256
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
        own = recorded[key]
        if own.repo == named and own.revision is not None:
            found.append({**entry, "revision": own.revision})
        elif _is_packaged(named, own):
            found.append(entry)
        else:
            path, problem = Source(key, named, "", own).find()
            if path is None:
                allowed = f"the file with the sha256 {own.sha256}"
                raise ConfigError(key, named, problem, allowed)
            # The file itself, which is in no folder or repository any more.
            entry = {k: v for k, v in entry.items() if k not in LATER_OF_LORAS}
            found.append({**entry, "path": path})
    return {**config, KEY: found}


def _is_packaged(named: str, own: RecordedLora) -> bool:
    """Whether this machine's own package has the file, under that name."""
    file = packaged_file(named.removeprefix(MINI)) if named.startswith(MINI) else None
    return file is not None and file_sha256(file) == own.sha256
