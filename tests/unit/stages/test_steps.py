"""diffusers counts steps from 0, the engine from 1."""

from __future__ import annotations

from runner.stages.steps import report_steps


def test_steps_are_reported_and_values_handed_back() -> None:
    told: list[tuple[int, int]] = []
    callback = report_steps(lambda done, of: told.append((done, of)), 3)
    values = {"latents": 1}
    assert [callback(None, step, 900, values) for step in range(3)] == [values] * 3
    assert told == [(1, 3), (2, 3), (3, 3)]
