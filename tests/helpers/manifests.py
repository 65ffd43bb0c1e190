"""Reads a run's folder as a user would, without the runner's code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def read_manifest(folder: Path) -> dict[str, Any]:
    """manifest.json, as any program reads it."""
    content = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def hashes(manifest: Mapping[str, Any]) -> dict[tuple[str, int], str]:
    """(prompt, seed) -> sha256 of the pixels."""
    return {(image["prompt"], image["seed"]): image["sha256"] for image in manifest["images"]}
