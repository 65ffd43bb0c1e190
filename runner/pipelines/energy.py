"""The energy that an accelerator has taken, by the counter of its driver.

NVML: https://docs.nvidia.com/deploy/nvml-api, nvmlDeviceGetTotalEnergyConsumption, by the package
nvidia-ml-py. It counts the whole board, whoever uses it, from Volta on. A CPU's counter can be read
by root alone, and counts all processes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

Counter = Callable[[], float]
"""Reads the joules that were taken since the driver was loaded."""


def open_counter(device: str) -> Counter | None:
    """The counter of a device ("cuda:0", "cpu"); None where nothing tells its energy."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        handle = _handle(pynvml, device)
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except (pynvml.NVMLError, ValueError):
        return None

    def joules() -> float:
        return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000

    return joules


def _handle(pynvml: Any, device: str) -> Any:
    if not device.startswith("cuda"):
        raise ValueError(device)
    # NVML numbers devices in an order of its own, and knows nothing of CUDA_VISIBLE_DEVICES.
    uuid = torch.cuda.get_device_properties(torch.device(device)).uuid
    return pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}".encode())
