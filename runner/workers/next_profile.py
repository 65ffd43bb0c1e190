"""Opens pipelines in a worker for one execution profile of a command after another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.engine.stage_runner import PipelineSource
from runner.planning.profile import ExecutionProfile
from runner.workers.setup import WorkerSetup, open_kept, open_pipelines
from runner.workers.torch_state import TorchState

if TYPE_CHECKING:
    from runner.pipelines.kept import KeptPipelines


class ProfileOpener:
    """Opens the pipelines of each profile, with what the one before has loaded, where the next one
    would load it in the same way.

    Under `bench` nothing is left of other profiles, and nothing is set aside: neither their memory
    nor what they have compiled is part of what is measured. Where workers share an accelerator
    neither: none can free what another has set aside.
    """

    def __init__(self) -> None:
        self._torch = TorchState()
        self._opened: PipelineSource | None = None
        self._kept: KeptPipelines | None = None

    def __call__(self, opening: WorkerSetup) -> PipelineSource:
        """The pipelines of a profile; those of the one before are used no more."""
        self._torch.restore()
        kept, self._kept = self._kept, None
        goes_on = hands_over(opening.profile)
        if self._opened is not None and not (goes_on and kept is not None):
            self._opened.unload()
            kept = None
            from runner.pipelines.compilation import forget_compiled

            forget_compiled()
        if goes_on:
            self._opened = self._kept = open_kept(opening, kept)
        else:
            self._opened = open_pipelines(opening)
        return self._opened


def hands_over(profile: ExecutionProfile) -> bool:
    """Whether what a worker has loaded for a profile stays for the next one, and while it waits."""
    shares = profile.device != "cpu" and (profile.workers or 1) > 1
    return profile.bench is None and not shares
