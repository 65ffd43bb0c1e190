"""What first calls of compiled modules cost here, and from how many images compiling pays.

A first call's cost is kept beside the compiled code, so it is known for all output folders.
"""

from __future__ import annotations

import contextlib
import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from runner.engine.estimates import Estimator
from runner.engine.store import work_of
from runner.graph.node import Node
from runner.system.kept_code import code_dir

FIRST_CALLS = "first-calls.jsonl"
FEWEST = 2
"""Measured calls by which a kind of work is known: one of them may be the one that compiled."""


@dataclass(frozen=True)
class FirstCall:
    """A first call of compiled modules.

    Attributes:
        work: the kind of work, see `engine.store.work_of`.
        compiled: whether something was compiled, and not only taken from what was kept.
    """

    work: str
    seconds: float
    compiled: bool


def note_first_call(folder: Path, node: Node, seconds: float, *, compiled: bool) -> None:
    """Keep what a first call cost. Failure is no error: it is not known then."""
    work, _ = work_of(node)
    line = json.dumps({"work": work, "seconds": seconds, "compiled": compiled})
    with contextlib.suppress(OSError), (folder / FIRST_CALLS).open("a") as file:
        file.write(f"{line}\n")


def first_calls() -> list[FirstCall]:
    """All that are known of this user's machines."""
    found = []
    for file in sorted(code_dir().glob(f"*/{FIRST_CALLS}")):
        with contextlib.suppress(OSError):
            for line in file.read_text().splitlines():
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    one = json.loads(line)
                    found.append(
                        FirstCall(str(one["work"]), float(one["seconds"]), bool(one["compiled"]))
                    )
    return found


@dataclass(frozen=True)
class Paying:
    """What compiling costs and gains, for one image.

    Attributes:
        first: seconds of the first calls.
        kept: whether the code is there already, so that they compile nothing.
        later, without: seconds of later calls, and of the same ones not compiled; None: not known.
    """

    first: float
    kept: bool
    later: float | None
    without: float | None

    @property
    def images(self) -> int | None:
        """From how many images it pays; None: not known, or never."""
        if self.later is None or self.without is None or self.later >= self.without:
            return None
        return 1 + math.ceil(max(0.0, self.first - self.without) / (self.without - self.later))


def paying(
    nodes: Iterable[Node], estimator: Estimator, known: Sequence[FirstCall]
) -> Paying | None:
    """What compiling costs and gains for one image, whose nodes these are.

    Returns:
        None where none of them is compiled, or a first call of one is not known.
    """
    compiled = [node for node in nodes if node.pipeline and node.pipeline.is_compiled]
    calls = _by_work(known)
    first, kept = 0.0, True
    for node in compiled:
        of_node = calls.get(work_of(node)[0], [])
        if not of_node:
            return None
        taken = [one.seconds for one in of_node if not one.compiled]
        kept = kept and bool(taken)
        first += statistics.median(taken or [one.seconds for one in of_node])
    if not compiled:
        return None
    later = [estimator.fastest(node, FEWEST) for node in compiled]
    without = [estimator.fastest(_not_compiled(node), 1) for node in compiled]
    return Paying(first, kept, _sum(later), _sum(without))


def _not_compiled(node: Node) -> Node:
    assert node.pipeline is not None
    assert node.pipeline.compile is not None
    last = node.pipeline.compile.channels_last
    left = (
        replace(node.pipeline.compile, mode=None, fullgraph=False, regional=False) if last else None
    )
    return replace(node, pipeline=replace(node.pipeline, compile=left))


def _by_work(known: Sequence[FirstCall]) -> Mapping[str, list[FirstCall]]:
    found: dict[str, list[FirstCall]] = {}
    for one in known:
        found.setdefault(one.work, []).append(one)
    return found


def _sum(seconds: Sequence[float | None]) -> float | None:
    known = [one for one in seconds if one is not None]
    return sum(known) if len(known) == len(seconds) else None
