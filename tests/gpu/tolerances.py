"""How far pictures on an accelerator may be from each other."""

from __future__ import annotations

SAME_KERNELS = 1
"""Levels of 255 between offload modes: the same kernels run on the same numbers."""
OTHER_KERNELS = 12
"""Levels of 255 between devices, backends and compiled graphs: kernels add up in another order."""
