"""The provenance of a run: versions, code, machine. Never environment variables."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from runner import __version__
from runner.planning.plan import Plan
from runner.planning.specs import packages_of
from runner.recording.loras import describe_loras
from runner.system.machine import LOGGED_LIBRARIES, cpu_cores, versions
from runner.weights.found import FoundCheckpoint
from runner.weights.loras import PEFT


def describe(plan: Plan) -> dict[str, Any]:
    """The provenance as plain values. Device and threads are those settled by the plan."""
    loras = describe_loras(plan)
    return {
        "runner": __version__,
        "git_commit": git_commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cpu_cores": cpu_cores(),
        "device": plan.device,
        "threads": plan.threads,
        "threads_reason": plan.threads_reason,
        "libraries": versions((*LOGGED_LIBRARIES, *_extra(plan))),
        "scheduler": {
            "name": plan.scheduler.name,
            "changes": [asdict(change) for change in plan.scheduler.changes],
        },
        "pictures": {
            key: {"path": str(p.path), "sha256": p.sha256, "width": p.width, "height": p.height}
            for key, p in plan.pictures.items()
        },
        "weights": {
            role: {
                "source": found.source.name,
                "repo": found.repo,
                "revision": found.revision,
                "variant": found.variant,
                "sha256": found.checked.fingerprint if found.checked else None,
                "parameters": found.checked.parameters if found.checked else None,
                **_pickled(found),
            }
            for role, found in plan.weights.checkpoints.items()
        },
        **({"loras": loras} if loras else {}),
    }


def _extra(plan: Plan) -> tuple[str, ...]:
    """Packages that add LoRAs and that quantise, where they do; other records do not name them."""
    used = {PEFT for found in plan.weights.checkpoints.values() if found.loras}
    for node in plan.graph:
        if node.pipeline is not None:
            used |= packages_of(node.pipeline)
    return tuple(sorted(used))


def _pickled(found: FoundCheckpoint) -> dict[str, list[str]]:
    """The modules whose weights were pickled; the records of others do not name the key."""
    if found.checked is None or not found.checked.converted:
        return {}
    return {"pickled": sorted(found.checked.converted)}


@cache
def git_commit() -> str | None:
    """The commit of the runner's checkout, "+changes" if there are any; None if installed."""
    package = Path(__file__).resolve().parents[1]
    if not (package.parent / ".git").exists():
        return None
    try:
        commit = _git(package, "rev-parse", "HEAD")
        changed = _git(package, "status", "--porcelain", "--untracked-files=no", "--", ".")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}+changes" if changed else commit


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        capture_output=True,
        text=True,
        timeout=5,
        check=True,
        # Within a git hook GIT_DIR names another repository.
        env={key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
    )
    return done.stdout.strip()


@cache
def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            for line in info:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
