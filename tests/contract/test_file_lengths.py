"""No Python file is longer than 300 lines."""

from __future__ import annotations

from pathlib import Path

import runner

CHECKOUT = Path(runner.__file__).parents[1]
MOST = 300


def test_no_file_is_longer() -> None:
    lengths = {
        file.relative_to(CHECKOUT).as_posix(): len(file.read_text().splitlines())
        for folder in ("runner", "training", "tests", "benchmarks")
        for file in (CHECKOUT / folder).rglob("*.py")
    }
    assert len(lengths) > 300  # they were found
    too_long = {file for file, lines in lengths.items() if lines > MOST}
    assert not too_long
