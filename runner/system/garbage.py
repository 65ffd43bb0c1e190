"""Sets objects aside from garbage collection: the imported libraries leave half a million, which a
collection looks through in a third of a second.
"""

from __future__ import annotations

import gc

_set_aside = False


def set_aside() -> None:
    """Leave all objects that there are out of collections, for the rest of this process.

    Garbage among them is never freed: collect it first where that counts.
    """
    global _set_aside
    gc.freeze()
    _set_aside = True


def is_set_aside() -> bool:
    """Whether `set_aside` was called; `gc.get_freeze_count` counts for a tenth of a second."""
    return _set_aside
