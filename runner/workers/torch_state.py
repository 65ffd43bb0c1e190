"""torch's settings for a whole process, for workers that go on with other work."""

from __future__ import annotations

CUDNN = ("allow_tf32", "benchmark", "deterministic")


class TorchState:
    """torch's settings for the whole process, as they were: code of a command may change them."""

    def __init__(self) -> None:
        import torch

        self._dtype = torch.get_default_dtype()
        self._precision = torch.get_float32_matmul_precision()
        self._deterministic = torch.are_deterministic_algorithms_enabled()
        self._cudnn = {name: getattr(torch.backends.cudnn, name) for name in CUDNN}
        self._random = torch.get_rng_state()

    def restore(self) -> None:
        """Set them again."""
        import torch

        torch.set_default_dtype(self._dtype)
        torch.set_float32_matmul_precision(self._precision)
        torch.use_deterministic_algorithms(self._deterministic)
        for name, value in self._cudnn.items():
            setattr(torch.backends.cudnn, name, value)
        torch.set_rng_state(self._random)
        torch.set_grad_enabled(True)
