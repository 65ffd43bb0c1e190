"""Opens pipelines in a worker for one execution profile of a command after another."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from runner.engine.stage_runner import PipelineSource
from runner.workers.setup import WorkerSetup, open_kept, open_pipelines
from runner.workers.torch_state import TorchState

if TYPE_CHECKING:
    from runner.pipelines.kept import KeptPipelines


class ProfileOpener:
    """Opens the pipelines of each profile, with what the one before has loaded, where the next one
    would load it in the same way.

    Under `bench` nothing is left of other profiles, and nothing is set aside: neither their memory
    nor what they have compiled is part of what is measured.
    """

    def __init__(self) -> None:
        self._torch = TorchState()
        self._kept: KeptPipelines | None = None

    def __call__(self, opening: WorkerSetup) -> PipelineSource:
        """The pipelines of a profile; those of the one before are used no more."""
        self._torch.restore()
        if opening.profile.bench is None:
            self._kept = open_kept(opening, self._kept)
            return self._kept
        if self._kept is not None:
            self._kept.unload()
            self._kept = None
        if "torch._dynamo" in sys.modules:
            sys.modules["torch._dynamo"].reset()
        return open_pipelines(opening)
