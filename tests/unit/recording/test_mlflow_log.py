"""What the log of a run holds at its end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner.planning.planner import make_plan
from runner.recording.mlflow_log import RunLog
from runner.recording.provenance import describe
from runner.tracking.status import Status
from unit.conftest import Compose


class Texts:
    """A session that keeps the texts that it is given."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def text(self, run: str, name: str, text: str) -> None:
        self.texts[name] = text

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **keys: None


def test_a_run_without_a_pipeline_says_so() -> None:
    session: Any = Texts()
    RunLog(session, "run").end(Status.FINISHED, [], {})
    (told,) = json.loads(session.texts["pipelines.json"])
    assert told == {"note": "no pipeline was loaded; stages run: 0, taken from the store: 0"}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("charts", [("picture", "a/seed 1"), ("picture", "a/seed 2")]),
        ("files", [("file", "images"), ("file", "images")]),
        ("none", []),
    ],
)
def test_pictures_are_logged_as_asked(
    composed: Compose, asked: str, expected: list[tuple[str, str]]
) -> None:
    told: list[tuple[str, str]] = []

    class Session(Texts):
        def picture(self, run: str, path: Path, key: str, time_ms: int) -> None:
            told.append(("picture", key))

        def file(self, run: str, path: Path, folder: str) -> None:
            told.append(("file", folder))

    plan = make_plan(composed("prompt=a", "seeds=[1,2]", f"tracking.images={asked}"))
    session: Any = Session()
    log = RunLog(session, "run")
    log.describe(plan, describe(plan))
    for image in plan.images:
        log.image_saved(image.request.index, Path("a.png"))
    assert told == expected
