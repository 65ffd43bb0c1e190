"""Any config is either refused with one message, or it plans, and what plans also runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import Phase, given, seed, settings
from PIL import Image

from contract.random_configs import configs
from helpers.composing import compose_tree
from helpers.fuzzing import SAME
from runner.config.hydra.problems import config_problem
from runner.config.resolve import resolve
from runner.errors import RunnerError
from runner.planning.planner import make_plan
from runner.runs.plan_text import plan_text
from unit.conftest import Command, assert_refused

CONFIGS = 50
RUNS = 20
"""Fewer are run than planned: it takes minutes."""
EACH_BY_COMMAND = 10

UNSHRUNK = settings(SAME, max_examples=CONFIGS, phases=[Phase.generate])


@pytest.fixture
def fixed(
    command: Command, random_weights: Path, tmp_path: Path, pictures: Callable[[Path], None]
) -> list[str]:
    """What all have in common; the working directory holds the pictures."""
    working = tmp_path / "working"
    pictures(working)
    Image.new("RGB", (192, 64), "green").save(working / "wide.png")
    Image.linear_gradient("L").save(working / "grey.png")
    (working / "text.png").write_text("no picture")
    return [f"weights={random_weights}", "device=cpu", "threads=1"]


@cache
def verdict(*overrides: str) -> tuple[int, str]:
    """What `kandinsky plan` says, by a single composition where Hydra's main makes two.

    Remembered: both tests ask for the same ones, beside the same pictures.
    """
    try:
        composed = compose_tree(*overrides)
    except Exception as error:
        # As the verb does: whatever Hydra raises is an error of the config.
        return 2, config_problem(error)
    try:
        return 0, plan_text(make_plan(resolve(composed, overrides=overrides)))
    except RunnerError as error:
        return error.exit_status, str(error)


def test_every_config_plans_or_is_refused_with_one_message(
    command: Command, fixed: list[str]
) -> None:
    statuses: list[int] = []

    @seed(1)
    @UNSHRUNK
    @given(configs())
    def each(overrides: list[str]) -> None:
        status, text = verdict(*fixed, *overrides)
        statuses.append(status)
        assert status in (0, 2), text
        assert len(text.strip()) > 10
        assert "Traceback" not in text
        if len(statuses) % EACH_BY_COMMAND == 0:
            said = command("plan", *fixed, *overrides)
            assert said.status == status
            if status == 0:
                assert (said.out, said.err) == (f"{text}\n", "")
            else:
                assert_refused(said)
                assert (said.out, said.err) == ("", f"error: {text}\n")

    each()
    # Else the strategy went wrong, and nothing was tested.
    assert len(statuses) >= CONFIGS * 0.9
    assert statuses.count(0) > CONFIGS / 4
    assert statuses.count(2) > CONFIGS / 4


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_config_that_plans_also_runs(
    command: Command, fixed: list[str], tmp_path: Path
) -> None:
    untracked = ["tracking=none", "progress=lines"]
    latest = tmp_path / "working" / "outputs" / "latest"
    ran: list[int] = []
    failed: list[str] = []

    @seed(1)
    @settings(UNSHRUNK, max_examples=RUNS)
    @given(configs())
    def each(overrides: list[str]) -> None:
        if verdict(*fixed, *overrides)[0] != 0:
            return
        said = command("run", *fixed, *untracked, *overrides)
        images = len(list(latest.glob("*.png"))) if said.status == 0 else 0
        ran.append(images)
        if not images or not said.out.startswith(f"{images} of {images} image"):
            failed.append(f"{said.status} {said.out}{said.err}  {' '.join(overrides)}")

    each()
    # All that failed, not the first alone: one fault often hides another.
    assert not failed, "\n".join(failed)
    assert len(ran) > RUNS / 4
    assert set(ran) == {1, 2}
