"""The keys on measuring."""

from __future__ import annotations

import pytest

from runner.config.choices import CacheMode
from runner.config.run_config import Bench
from unit.conftest import Command, Compose, assert_refused


def test_measuring_takes_nothing_from_the_store(composed: Compose) -> None:
    assert composed().cache is CacheMode.use
    assert composed().bench is None
    measured = composed("bench=true", "repeats=3")
    assert measured.cache is CacheMode.off
    assert measured.bench == Bench(warmup=1, repeats=3)
    assert measured.workers == 1
    assert composed("bench=true", "cache=refresh").cache is CacheMode.refresh


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["bench=true", "cache=use"], ["cache=use", "take what is stored", "auto, off, refresh"]),
        (["bench=true", "workers=2"], ["workers=2", "slow each other down"]),
        (["repeats=0"], ["repeats=0", "1 to 1000"]),
        (["warmup=-1"], ["warmup=-1", "0 to 1000"]),
        (["bench=maybe"], ["bench", "maybe"]),
        (
            ["-m", "bench=true", "seeds=[0],[1]", "hydra/launcher=ray"],
            ["bench=true", "in this process"],
        ),
    ],
)
def test_what_is_refused(command: Command, overrides: list[str], said: list[str]) -> None:
    assert_refused(command("run", *overrides), *said)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("null", ()),
        ("'scheduler=ddim strength=0.4'", ("scheduler=ddim", "strength=0.4")),
        ("['scheduler=ddim','a=b c']", ("scheduler=ddim", "a=b c")),
        ("\"'prompt=a red circle' scheduler=ddim\"", ("prompt=a red circle", "scheduler=ddim")),
    ],
)  # fmt: skip
def test_a_baseline_is_a_text_or_a_list(
    composed: Compose, written: str, meant: tuple[str, ...]
) -> None:
    assert composed(f"baseline={written}").baseline == meant


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["objective=clip_score"], ["objective=clip_score", "not measured here", "seconds"]),
        (["metrics=[blank]", "objective=[blank,ssim]"], ["objective=ssim", "blank, seconds"]),
        (["objective=seconds"], ["objective=seconds", "not measured", "bench=true"]),
        (["objective=3"], ["objective=3", "no list of names"]),
    ],
)
def test_an_objective_is_something_that_is_measured(
    command: Command, overrides: list[str], said: list[str]
) -> None:
    assert_refused(command("plan", *overrides), *said)
