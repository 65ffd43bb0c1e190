"""Device, CPU threads and memory of this process, as torch sees them."""

from __future__ import annotations

import gc

import torch

from runner.errors import StageError


def set_threads(threads: int) -> None:
    """CPU threads of torch, for this process. Raises StageError: torch has another number."""
    torch.set_num_threads(threads)
    if torch.get_num_threads() != threads:
        raise StageError(f"threads={threads}: torch uses {torch.get_num_threads()}")


def check_device(device: str) -> None:
    """Check that torch has the device of the plan. Raises StageError where it does not."""
    kind, _, index = device.partition(":")
    if kind == "cuda":
        there = torch.cuda.is_available() and int(index or 0) < torch.cuda.device_count()
    else:
        there = kind == "cpu" or torch.backends.mps.is_available()
    if not there:
        raise StageError(f"device={device}: torch {torch.__version__} finds none here")


def free_memory(device: str) -> None:
    """Return freed memory to the device."""
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()


def memory_bytes(device: str) -> tuple[int, int] | None:
    """Device memory of this process, in bytes: what its tensors hold, and all that they could;
    None without an accelerator.
    """
    if not device.startswith("cuda"):
        return None
    free, _ = torch.cuda.mem_get_info(device)
    return int(torch.cuda.memory_allocated(device)), int(free + torch.cuda.memory_reserved(device))


def peak_memory_bytes(device: str) -> int | None:
    """Peak device memory in bytes since the last call; None without an accelerator."""
    if not device.startswith("cuda"):
        return None
    peak = int(torch.cuda.max_memory_allocated(device))
    torch.cuda.reset_peak_memory_stats(device)
    return peak
