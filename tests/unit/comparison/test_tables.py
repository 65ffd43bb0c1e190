"""Numbers as a table shows them."""

from __future__ import annotations

from helpers.fake_sweeps import Choice, sweep_of
from runner.analysis.comparison.comparing import compare
from runner.analysis.comparison.tables import tables

TINY = {"ddim": 0.0, "ddpm": -0.000123, "lcm": -0.2}


def score(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
    return {"quality": 0.6 + TINY[choice["scheduler"]] * (1 + 0.1 * (seed % 3)) + 0.1 * seed}


def test_a_decided_difference_is_never_written_as_none_at_all() -> None:
    sweep = sweep_of({"scheduler": tuple(TINY)}, score, seeds=range(12))
    (table,) = tables(compare(sweep), every_axis=False)
    rows = {line.cells[0]: line.cells for line in table.lines}
    *_, difference, interval, verdict = rows["ddpm"]
    assert verdict == "worse"
    assert float(difference) < 0
    low, high = map(float, interval.strip("[]").split(", "))
    assert low <= float(difference) <= high < 0
    # Others are as short as ever.
    assert len(rows["lcm"][-3]) < len(difference)
