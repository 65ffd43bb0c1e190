"""The result store: results by key, in memory and on disk.

An entry is a folder `<key[:2]>/<key>/` with the result (safetensors, PNG or JSON) and `entry.json`,
which is written last into a temporary folder that is then renamed: an entry is whole or absent,
even when a process is killed or several write the same key.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from runner.config.choices import CacheMode
from runner.engine.results import Encoded, Made, encode
from runner.errors import StorageError
from runner.graph.node import Node
from runner.graph.stage_table import STAGES, ResultKind
from runner.system.untrusted import parse_json, read_regular

ENTRY = "entry.json"
SECONDS, WEIGHTS = "seconds", "weights_mb"
"""Numbers in it: what a result cost."""
FILE_NAMES = {
    ResultKind.tensors: "result.safetensors",
    ResultKind.image: "result.png",
    ResultKind.scores: "result.json",
}
"""A batch's own result is never stored."""


class Store:
    """Looks up and keeps the results of nodes.

    Args:
        folder: where the entries are on disk.
        mode: use, refresh (write, do not read) or off (memory only, within one run).
    """

    def __init__(self, folder: Path, mode: CacheMode) -> None:
        self._folder = folder
        self._mode = mode
        self._memory: dict[str, Made] = {}
        self._external: dict[str, Callable[[], Made | None]] = {}
        self._costs: dict[str, Mapping[str, float]] = {}

    def holds(self, node: Node) -> bool:
        """Whether `read` would find an entry, judging by names on disk alone."""
        return (
            node.key in self._memory
            or node.key in self._external
            or (self._mode is CacheMode.use and (self._entry(node) / ENTRY).is_file())
        )

    def read(self, node: Node) -> Made | None:
        """The stored result, or None; what is read from disk is not decoded. An entry whose bytes
        do not match its hash is dropped.
        """
        if node.key in self._memory:
            return self._memory[node.key]
        found: Made | None = None
        if node.key in self._external:
            found = self._external[node.key]()
        elif self._mode is CacheMode.use:
            found = self._read(node)
        if found is not None:
            self._memory[node.key] = found
        return found

    def put(self, node: Node, made: Made, seconds: float, weights_mb: float | None = None) -> None:
        """Keep a result, as bytes, and what it cost (see `observer.Ran`). Raises StorageError where
        it cannot be written to disk.
        """
        kept = self._memory[node.key] = encode(STAGES[node.stage].result, made).bare
        costs = {SECONDS: seconds, **({} if weights_mb is None else {WEIGHTS: weights_mb})}
        self._costs[node.key] = costs
        if self._mode is not CacheMode.off:
            try:
                self._publish(node, kept, costs)
            except OSError as error:
                raise StorageError(
                    f"cannot store the result of {node.stage} in {self._folder}: {error.strerror}"
                ) from error

    def put_external(self, node: Node, read: Callable[[], Made | None]) -> None:
        """Register the result of an external node; it is not stored.

        Args:
            read: called when the result is needed; returns None if it no longer exists.
        """
        self._external[node.key] = read

    def seconds(self, node: Node) -> float | None:
        """Seconds that a node took when its result was made; None where not known."""
        return self._number(node, SECONDS)

    def weights_mb(self, node: Node) -> float | None:
        """MiB of weights of the models that made a node's result; None where not known."""
        return self._number(node, WEIGHTS)

    def forget(self, node: Node) -> None:
        """Drop a result from memory; its entry on disk stays."""
        self._memory.pop(node.key, None)

    def _entry(self, node: Node) -> Path:
        return self._folder / node.key[:2] / node.key

    def _number(self, node: Node, name: str) -> float | None:
        if node.key not in self._costs:
            self._costs[node.key] = self._recorded_costs(node)
        return self._costs[node.key].get(name)

    def _recorded_costs(self, node: Node) -> dict[str, float]:
        if self._mode is not CacheMode.use:
            return {}
        try:
            entry = parse_json(read_regular(self._entry(node) / ENTRY))
            return {name: float(entry[name]) for name in (SECONDS, WEIGHTS) if name in entry}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def _read(self, node: Node) -> Encoded | None:
        entry = self._entry(node)
        kind = STAGES[node.stage].result
        if not (entry / ENTRY).is_file():
            return None
        try:
            record = parse_json(read_regular(entry / ENTRY))
            content = read_regular(entry / FILE_NAMES[kind])
            whole = record["sha256"] == hashlib.sha256(content).hexdigest()
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            whole = False
        except OSError:
            return None
        if not whole:
            drop(entry)
            return None
        with contextlib.suppress(OSError):
            # The time of last use, for `store_care.trim`: the system's access time lags behind.
            os.utime(entry / ENTRY, (time.time(),) * 2)
        return Encoded(kind, content)

    def _publish(self, node: Node, made: Encoded, costs: Mapping[str, float]) -> None:
        kind, content = made.kind, made.content
        entry = self._entry(node)
        entry.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{node.key[:8]}-", dir=entry.parent))
        try:
            (temporary / FILE_NAMES[kind]).write_bytes(content)
            work, amount = work_of(node)
            record: dict[str, Any] = {
                "key": node.key,
                "stage": node.stage,
                "work": work,
                "amount": amount,
                "sha256": hashlib.sha256(content).hexdigest(),
                **costs,
                "created": time.time(),
            }
            (temporary / ENTRY).write_text(json.dumps(record, indent=1))
            if self._mode is CacheMode.refresh:
                drop(entry)
            _move(temporary, entry)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def work_of(node: Node) -> tuple[str, float]:
    """A node's kind of work (all that its run time depends on, except the number of steps), and
    its number of steps; 1 where it has none.
    """
    params = node.params
    steps = params.get("num_inference_steps")
    guidance = params.get("guidance_scale")
    kind = {
        "stage": node.stage,
        "pipeline": node.pipeline_identity,
        "size": [params.get("height"), params.get("width"), params.get("size")],
        "metric": params.get("function"),
        "guided": isinstance(guidance, int | float) and guidance > 1,
    }
    text = json.dumps(kind, sort_keys=True)
    amount = steps * _share(node) if isinstance(steps, int) else 1
    return hashlib.sha256(text.encode()).hexdigest()[:16], amount


def _share(node: Node) -> float:
    """The share of the steps that is run: less than 1 where the stage starts from a picture."""
    strength = node.params.get("strength")
    return strength if isinstance(strength, int | float) else 1.0


def _move(temporary: Path, entry: Path) -> None:
    for attempt in (1, 2):
        try:
            temporary.rename(entry)
            return
        except OSError:
            if (entry / ENTRY).is_file():
                return  # another process published the same key first: its bytes are as good
            if attempt == 2:
                raise
            drop(entry)  # the rest of an entry that was being removed when its process was killed


def drop(entry: Path) -> None:
    """Remove an entry in one step: no reader ever sees half of it."""
    aside = Path(tempfile.mkdtemp(prefix=f".{entry.name[:8]}-", dir=entry.parent))
    with contextlib.suppress(OSError):
        entry.rename(aside / "dropped")
    shutil.rmtree(aside, ignore_errors=True)
