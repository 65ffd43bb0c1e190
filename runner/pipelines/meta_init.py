"""Models without numbers: what a library draws for weights that are read afterwards."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from torch.nn import init
from torch.overrides import TorchFunctionMode

DRAW = (init.normal_, init.uniform_, init.kaiming_uniform_, init.constant_)
"""By which torch's own layers draw their first weights."""


class DrawingNothing(TorchFunctionMode):
    """In this context tensors on the meta device, which have no numbers, are left as they are.

    Otherwise the first layer that draws any would import torch's compiler: 1.3 s of CPU time.
    """

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Collection[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        if function in DRAW and given["tensor"].is_meta:
            return given["tensor"]
        return function(*args, **given)
