"""Writes the golden record anew: `python -m tests.golden.make`, from the repository's root; or some
of it: `python -m tests.golden.make sweeps runs`.

That is right in two cases: the versions of libraries that are part of the keys were raised, or a
change was meant to alter what the record holds. Read the difference before it is committed: each
line of it is something that users see, or results of theirs that are drawn once more. It is never
right only because a test fails.

`python -m tests.golden.make --unfinished` runs and kills the kept sweep anew. The one that is kept
was made before the modules moved into packages, and stands for the folders that users have: it is
made anew only where new library versions leave nothing of it to be reused.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from . import plain
from .cases import PLANS, RUNS
from .interrupted import make_unfinished
from .making import HERE, furnish, planned, ran
from .reading import key_libraries

RECORD = HERE / "record"


def main(arguments: list[str]) -> None:
    """Write all files of the record, or of the kept sweep."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if arguments == ["--unfinished"]:
        make_unfinished(HERE / "unfinished")
        return
    groups = arguments or [*PLANS, "runs"]
    RECORD.mkdir(exist_ok=True)
    write("versions", {"libraries": key_libraries(), "processor": plain.processor()})
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary).resolve()
        folder = furnish(place / "plans")
        for group in groups:
            if group == "runs":
                made = {name: ran(name, furnish(place / name)) for name in RUNS}
            else:
                made = {name: planned(group, name, folder) for name in PLANS[group]}
            write(group, made)


def write(name: str, content: Any) -> None:
    """A file of the record: a value a line, so that a difference is easily read."""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    (RECORD / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
