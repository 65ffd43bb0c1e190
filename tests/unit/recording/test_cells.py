"""When the records of a sweep's cells are opened, and what they hold."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from helpers.plans import plan
from runner.engine.observer import NodeResult, Ran
from runner.engine.results import Made
from runner.errors import StageError
from runner.graph.node import Node
from runner.planning.plan import Plan
from runner.recording.cells import CellAtWork, CellRecord, Recorder
from runner.recording.manifest import Manifest
from runner.tracking.status import Status

SECONDS = {"prior": 2.5, "decode": 0.5}
CELLS = 3


class Sweep:
    """Cells that share their prior, with folders of the runner's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        plans = [plan(decoder={"guidance_scale": 2 + n}, seeds=[0]) for n in range(CELLS)]
        self.prior, *others = (image.node.lineage()["prior"] for p in plans for image in p.images)
        assert {node.key for node in others} == {self.prior.key}
        self.decodes = [p.images[0].node for p in plans]
        self.ended: list[tuple[int, Status | None]] = []
        cells = [CellAtWork(n, p, partial(self._begin, n, p)) for n, p in enumerate(plans)]
        self.recorder = Recorder(cells, lambda cell: self.ended.append((cell.number, cell.status)))

    def _begin(self, number: int, planned: Plan) -> CellRecord:
        return CellRecord(planned, f"r-{number}", self.folder / str(number), None, run_name="")

    def run(self, node: Node) -> None:
        made: Made = {} if node is self.prior else Image.new("RGB", (8, 8))
        self.recorder.node_started(node)
        self.recorder.node_finished(NodeResult(node, Ran(made, SECONDS[node.stage]), reused=False))

    def statuses(self) -> list[str]:
        """Of the cells whose records are there."""
        return [Manifest.read(folder).status for folder in sorted(self.folder.glob("*"))]


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return Sweep(tmp_path)


def test_a_shared_stage_opens_no_record_and_counts_for_the_first_cell(sweep: Sweep) -> None:
    sweep.run(sweep.prior)
    assert sweep.statuses() == []
    sweep.recorder.node_started(sweep.decodes[0])
    assert sweep.statuses() == ["RUNNING"]
    for node in sweep.decodes:
        sweep.run(node)
    assert sweep.statuses() == ["FINISHED"] * CELLS
    seconds = [Manifest.read(sweep.folder / str(n)).images[0].seconds for n in range(CELLS)]
    assert seconds == [3.0, 0.5, 0.5]


def test_a_shared_stage_that_fails_is_told_by_each_cell(sweep: Sweep) -> None:
    sweep.recorder.node_started(sweep.prior)
    sweep.recorder.node_failed(sweep.prior, StageError("the prior is broken"))
    assert sweep.statuses() == []
    for node in sweep.decodes:
        sweep.recorder.node_blocked(node, sweep.prior)
    assert sweep.statuses() == ["FAILED"] * CELLS
    failures = [Manifest.read(sweep.folder / str(n)).failures for n in range(CELLS)]
    assert [[(f.stage, f.error) for f in each] for each in failures] == [
        [("prior", "the prior is broken")]
    ] * CELLS
    assert sweep.ended == [(n, Status.FAILED) for n in range(CELLS)]


def test_cells_without_a_stage_of_their_own_have_not_begun_when_a_sweep_stops(sweep: Sweep) -> None:
    sweep.run(sweep.prior)
    sweep.run(sweep.decodes[0])
    sweep.recorder.node_started(sweep.decodes[1])
    sweep.recorder.stop(Status.KILLED)
    assert sweep.statuses() == ["FINISHED", "KILLED"]
