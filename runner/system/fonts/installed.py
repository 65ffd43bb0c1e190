"""The fonts installed on this machine."""

from __future__ import annotations

import os
from functools import cache
from itertools import islice
from pathlib import Path

KINDS = (".ttf", ".otf", ".ttc")
MOST = 5000
"""Files that are looked at; 0.7 ms each."""
PLAIN = "regular"
OTHER_STYLES = ("bold", "italic", "oblique", "light", "thin", "black", "condensed", "mono", "serif")


def font_folders() -> tuple[Path, ...]:
    """Where fonts are on Linux (by the XDG base directories), macOS and Windows."""
    home = Path("~").expanduser()
    own = os.environ.get("XDG_DATA_HOME") or str(home / ".local/share")
    shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    named = [Path(folder, "fonts") for folder in (own, *shared.split(os.pathsep))]
    mac = (home / "Library/Fonts", Path("/Library/Fonts"), Path("/System/Library/Fonts"))
    windows = Path(os.environ.get("WINDIR") or "C:/Windows", "Fonts")
    return (*named, home / ".fonts", *mac, windows)


@cache
def installed_fonts(folders: tuple[Path, ...]) -> tuple[Path, ...]:
    """Font files in and below folders; plain styles of sans serif first, else by their names."""
    files = (
        Path(at, name)
        for folder in dict.fromkeys(folders)
        for at, below, names in os.walk(folder)
        # Sorted in place, so that the walk has the same order everywhere.
        for name in sorted(names, key=lambda name: (below.sort(), name)[1])
        if name.lower().endswith(KINDS)
    )
    return tuple(sorted(islice(files, MOST), key=_strangeness))


def _strangeness(file: Path) -> tuple[int, bool, str]:
    name = file.stem.lower()
    return sum(style in name for style in OTHER_STYLES), PLAIN not in name, name
