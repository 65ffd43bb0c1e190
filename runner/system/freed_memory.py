"""What the C library does with memory that is freed: glibc on Linux; elsewhere nothing is changed.

A stage frees tensors of megabytes and asks for as many a moment later. By default glibc gives them
to the system in between, which then clears each page anew: a fifth of the CPU time of decoding a
small picture.
"""

from __future__ import annotations

import ctypes
import os
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Source: M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h, mallopt(3)."""
KEPT_BYTES = 256 << 20
"""Freed memory that a process keeps, at most, where it lies at the end of its heap."""
LARGEST = 32 << 20
"""Bytes that are allocated within the heap, at most: more is not possible."""
SETTINGS = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")
"""Beginnings of variables by which users choose an allocator, or what it does."""


def keep_freed_memory() -> None:
    """Have this process keep some of it for its next allocations, unless the user has chosen."""
    library = _library()
    if library is not None and not any(name.startswith(SETTINGS) for name in os.environ):
        library.mallopt(MMAP_THRESHOLD, LARGEST)
        library.mallopt(TRIM_THRESHOLD, KEPT_BYTES)


def give_back_freed_memory() -> None:
    """Give all of it to the system: nothing is computed for a while."""
    library = _library()
    if library is not None:
        library.malloc_trim(0)


def _library() -> ctypes.PyDLL | None:
    # The process itself, which ctypes has opened: nothing is loaded.
    library = ctypes.pythonapi if sys.platform.startswith("linux") else None
    return library if hasattr(library, "malloc_trim") else None
