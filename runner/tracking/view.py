"""The page of MLflow that shows what an output folder has: its newest runs, picture by picture."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.catalog.tracking import ARTIFACTS
from runner.tracking.pictures import IMAGES

VIEW = "kandinsky"
SHARED = f"mlflow.sharedViewState.{VIEW}"
"""Tag of an experiment that holds a view of its runs, as "Views" in MLflow 3 saves one."""
MOST_BYTES = 5000
"""MLflow's limit for such a tag."""
RUN = re.compile(r"[0-9a-f]{32}")
BUSY_SECONDS = 5.0

NEWEST = """
SELECT run_uuid, experiment_id FROM runs WHERE lifecycle_stage = 'active' AND run_uuid NOT IN
(SELECT run_uuid FROM tags WHERE key = 'mlflow.parentRunId') ORDER BY start_time DESC LIMIT 1
"""
CELLS = "SELECT run_uuid FROM tags WHERE key = 'mlflow.parentRunId' AND value = ?"
SAVE = "INSERT OR REPLACE INTO experiment_tags (key, value, experiment_id) VALUES (?, ?, ?)"


@dataclass(frozen=True)
class Pages:
    """What follows the server's address.

    Attributes:
        runs: the runs of the newest one's experiment.
        pictures: those of the newest sweep side by side; None: the newest run is no sweep, or its
            pictures are not in the store's own folder.
    """

    runs: str
    pictures: str | None = None


def pages_of(store: Path) -> Pages:
    """The pages to open of an output folder's store. Saves a view of the newest sweep in it: MLflow
    lists each run's parameters above its picture, and folds a sweep's cells, unless a view says
    otherwise.
    """
    runs = ""
    try:
        with closing(sqlite3.connect(store, timeout=BUSY_SECONDS)) as there:
            newest = there.execute(NEWEST).fetchone()
            if newest is None:
                return Pages(runs)
            sweep, experiment = newest
            runs = f"#/experiments/{int(experiment)}/runs"
            cells = [cell for (cell,) in there.execute(CELLS, (sweep,))]
            keys = _keys(store.parent / ARTIFACTS, cells)
            if not keys:
                return Pages(runs)
            with there:
                there.execute(SAVE, (SHARED, _view(sweep, keys), experiment))
            return Pages(runs, f"{runs}?viewStateShareKey={VIEW}&compareRunsMode=CHART")
    except sqlite3.Error:  # read-only, perhaps, or of another MLflow
        return Pages(runs)


def _keys(artifacts: Path, cells: Iterable[str]) -> list[str]:
    """Keys of the pictures of some runs, in order."""
    found: dict[str, None] = {}
    for cell in filter(RUN.fullmatch, cells):
        for file in artifacts.glob(f"*/{cell}/artifacts/{IMAGES}/*+compressed.*"):
            found[file.name.partition("+")[0].replace("~", "/")] = None
    return sorted(found)


def _view(sweep: str, keys: Sequence[str]) -> str:
    """A view of a sweep's cells by name: a section for each prompt, in it a chart for each seed.
    As many charts as there is room for; MLflow adds the others.
    """
    sections: dict[str, str] = {}
    charts: list[dict[str, Any]] = []
    text = ""
    for number, key in enumerate(keys):
        section = sections.setdefault(key.rpartition("/")[0] or "Pictures", f"s{len(sections)}")
        charts.append(
            {
                "uuid": f"c{number}",
                "type": "IMAGE",
                "metricSectionId": section,
                "imageKeys": [key],
                "step": 0,
                "showRunParams": False,
                "runsCountToCompare": 10,
                "isGenerated": True,
                "deleted": False,
            }
        )
        longer = _state(sweep, sections, charts)
        if len(longer) > MOST_BYTES:
            break
        text = longer
    return text


def _state(sweep: str, sections: dict[str, str], charts: Sequence[dict[str, Any]]) -> str:
    state = {
        "searchFilter": f"tags.mlflow.parentRunId = '{sweep}'",
        "orderByKey": "tags.`mlflow.runName`",
        "orderByAsc": True,
        "isAccordionReordered": True,
        "compareRunCharts": charts,
        "compareRunSections": [
            {"uuid": uuid, "name": name, "display": True, "isReordered": False, "deleted": False,
             "isGenerated": True, "columns": 1}
            for name, uuid in sections.items()
        ],
    }  # fmt: skip
    return json.dumps(state)
