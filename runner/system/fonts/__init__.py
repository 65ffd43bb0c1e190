"""The font of pictures that hold text, with its licence beside it."""

from __future__ import annotations

from pathlib import Path

FONT = Path(__file__).parent / "NotoSansCJKsc-Regular-subset.otf"
"""Latin, Greek, Cyrillic, kana, and the 3755 most common Chinese characters."""
