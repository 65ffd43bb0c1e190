"""torch's settings for a whole process, for workers that go on with other work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

CUDNN = ("allow_tf32", "benchmark", "deterministic")


class TorchState:
    """torch's settings for the whole process, as they were: code of a command may change them."""

    def __init__(self) -> None:
        import torch

        self._settings = {name: get() for name, (get, _) in _settings().items()}
        self._random = torch.get_rng_state()

    def restore(self) -> None:
        """Set them again. Those that are as they were are not touched: a setting that is set, to
        what it is anyway, is another one to torch.compile, which would take nothing that was kept.
        """
        import torch

        for name, (get, change) in _settings().items():
            if get() != self._settings[name]:
                change(self._settings[name])
        torch.set_rng_state(self._random)


def _settings() -> Mapping[str, tuple[Callable[[], Any], Callable[[Any], object]]]:
    """Name -> how a setting is read, and set."""
    import torch

    cudnn = torch.backends.cudnn
    return {
        "dtype": (torch.get_default_dtype, torch.set_default_dtype),
        "products": (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
        "deterministic": (
            torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms,
        ),
        "gradients": (torch.is_grad_enabled, torch.set_grad_enabled),
        **{
            f"cudnn.{name}": (partial(getattr, cudnn, name), partial(setattr, cudnn, name))
            for name in CUDNN
        },
    }  # fmt: skip
