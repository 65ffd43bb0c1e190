"""kandinsky-runner: Kandinsky image models, run from config files.

From Python: `from runner import generate, plan, sweep, table` (see `runner.api`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runner.api import PlannedSweep, Run, Sweep, generate, plan, sweep, table

__version__ = "0.2.0.dev0"
__all__ = [
    "PlannedSweep", "Run", "Sweep", "__version__", "generate", "plan", "sweep", "table",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # Imported at first use, so that `import runner` stays fast.
    if name in __all__:
        from runner import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
