"""The status of sweeps that are taken together."""

from __future__ import annotations

from itertools import permutations

import pytest

from runner.tracking.status import Status, status_of_all


@pytest.mark.parametrize(
    ("statuses", "together"),
    [
        ([Status.FINISHED, Status.FINISHED], Status.FINISHED),
        ([Status.FINISHED, Status.KILLED], Status.KILLED),
        ([Status.KILLED, Status.FINISHED, Status.FAILED], Status.FAILED),
        ([Status.RUNNING, Status.FINISHED, Status.KILLED], Status.KILLED),
    ],
)
def test_the_status_of_several_does_not_depend_on_their_order(
    statuses: list[Status], together: Status
) -> None:
    assert {status_of_all(order) for order in permutations(statuses)} == {together}
