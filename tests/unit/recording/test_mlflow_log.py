"""What the log of a run holds at its end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from runner.recording.mlflow_log import RunLog
from runner.tracking.status import Status


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
