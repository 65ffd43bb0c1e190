"""The JSON files of a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runner.errors import WeightsError
from runner.system.untrusted import UntrustedError, parse_json, read_regular


def config_name(module: str) -> str:
    """The name of a module's config within its checkpoint."""
    return "config.json" if module == "." else f"{module}/config.json"


def read_json(path: Path, key: str) -> dict[str, Any]:
    """The contents of a JSON file.

    Raises:
        WeightsError: it is missing, or no JSON object.
    """
    try:
        content = parse_json(read_regular(path))
    except FileNotFoundError as error:
        raise WeightsError(
            key, path, "is not there", "a checkpoint folder in diffusers layout"
        ) from error
    except (OSError, UntrustedError) as error:
        raise WeightsError(key, path, f"cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise WeightsError(key, path, "is not a JSON object")
    return content
