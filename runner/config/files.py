"""Locates the config files, without importing Hydra, so that it is fast."""

from __future__ import annotations

from pathlib import Path


def config_dir() -> Path:
    """The folder of the config tree: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"
