"""Where the config files are. Knows nothing of Hydra, so that it can be asked quickly."""

from __future__ import annotations

from pathlib import Path


def config_dir() -> Path:
    """The config tree: inside the package where it was installed, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"
