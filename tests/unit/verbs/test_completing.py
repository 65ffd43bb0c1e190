"""What the shell is told: verbs, and paths where paths belong."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.fake_sweeps import SWEEP
from runner.cli import VERBS
from runner.verbs.completing import completions


@pytest.mark.parametrize(
    ("typed", "found", "more"),
    [
        ("comp", ["compare"], True),
        ("", list(VERBS), True),
        ("compare out", ["outputs/"], False),
        ("view la", ["last"], False),
        ("table --csv out", ["outputs/"], False),
        ("compare outputs/fir", ["outputs/first.png"], False),
        ("--config-dir out", ["outputs/"], False),
        ("inputs.image=outputs/f", ["inputs.image=outputs/first.png"], False),
        ("plan prompt_file=not/there/", [], False),
        ("plan sched", [], True),
        ("scheduler=dd", [], True),
        ("-m into=", ["into=last", "into=20261125T101530-made"], False),
        ("-m into=2026", ["into=20261125T101530-made"], False),
        ("sweeps de", ["delete"], False),
        ("sweeps merge last 2026", ["20261125T101530-made"], False),
    ],
)
def test_words_are_completed(
    typed: str, found: list[str], more: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "first.png").touch()
    (tmp_path / "outputs" / "made" / "one").mkdir(parents=True)
    SWEEP.write(tmp_path / "outputs" / "made" / "one")
    monkeypatch.chdir(tmp_path)
    assert completions(f"kandinsky {typed}", VERBS) == (found, more)
