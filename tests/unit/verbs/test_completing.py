"""What the shell is told: verbs, and paths where paths belong."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.cli import VERBS
from runner.verbs.completing import completions


@pytest.mark.parametrize(
    ("typed", "found", "more"),
    [
        ("comp", ["compare"], True),
        ("", list(VERBS), True),
        ("compare out", ["outputs/"], False),
        ("compare outputs/fir", ["outputs/first.png"], False),
        ("--config-dir out", ["outputs/"], False),
        ("inputs.image=outputs/", ["inputs.image=outputs/first.png"], False),
        ("plan prompt_file=not/there/", [], False),
        ("plan sched", [], True),
        ("scheduler=dd", [], True),
    ],
)
def test_words_are_completed(
    typed: str, found: list[str], more: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "first.png").touch()
    monkeypatch.chdir(tmp_path)
    assert completions(f"kandinsky {typed}", VERBS) == (found, more)
