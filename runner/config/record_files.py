"""Reads files of records."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.errors import ConfigError


def read_records(path: Path) -> list[Mapping[str, Any]]:
    raise ConfigError("axes", path, "is no mapping of keys to values")
