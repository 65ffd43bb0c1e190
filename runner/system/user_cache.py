"""The user's cache of this program: what was costly to find out about files that never change."""

from __future__ import annotations

import os
from pathlib import Path


def user_cache_dir() -> Path:
    """`KANDINSKY_CACHE`, or `kandinsky-runner` in the user's folder of caches.

    Source: https://specifications.freedesktop.org/basedir-spec/latest/
    """
    if own := os.environ.get("KANDINSKY_CACHE"):
        return Path(own).expanduser().absolute()
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser().absolute() / "kandinsky-runner"
