"""From what a command left to what is the same on every machine and at every time."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from PIL import Image

from .reading import REPOSITORY, Said

VARIES = "<varies>"
REPLACED = (
    (re.compile(r"'(<folder>/own)'"), r"\1"),  # a shell's quotes, where the path has a space
    (re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d(_\d+)?"), "<time>"),
    (re.compile(r"\d{8}T\d{6}-[0-9a-f-]+"), "<run>"),
    (re.compile(r"\b\d+\.\d+ s\b"), "<seconds> s"),
    (re.compile(r"\+timestamp\+\d+\+"), "+timestamp+<time>+"),
    (re.compile(r"open it with: .*"), "open it with: <command>"),
    (re.compile(r"(?m)^(  MLflow    )(?!run ).*"), r"\1<command>"),
    (re.compile(r"\b[0-9a-f]{32}(?=;|/artifacts)"), "<mlflow run>"),
)
"""Times, ids, and the command as it is called here."""


def lines(text: str, folder: Path) -> list[str]:
    """What was printed, without what varies.

    Args:
        folder: where the command was run.
    """
    for path, name in ((folder, "<folder>"), (REPOSITORY, "<repository>")):
        text = text.replace(str(path), name)
    for pattern, name in REPLACED:
        text = pattern.sub(name, text)
    return text.splitlines()


def printed(one: Said, folder: Path) -> dict[str, Any]:
    """Exit status and all that was printed."""
    found = {"status": one.status, "out": lines(one.out, folder), "err": lines(one.err, folder)}
    return {key: value for key, value in found.items() if value != []}


def sweep(record: Mapping[str, Any]) -> dict[str, Any]:
    """`sweep.json`."""
    runs = {lines(run, REPOSITORY)[0]: VARIES for run in record["runs"]}
    counts = {key: value for key, value in record.get("totals", {}).items() if "stages_" in key}
    totals = {**dict.fromkeys(record.get("totals", {}), VARIES), **counts}
    whole = {"sweep_id": VARIES, "started": VARIES, "seconds": VARIES, "runs": runs}
    return {**record, **whole, **({"totals": totals} if totals else {})}


def manifest(content: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """`manifest.json`: all names, and the values that every machine finds."""
    environment = dict(content["environment"])
    for key in ("runner", "git_commit", "python", "platform", "processor", "cpu_cores"):
        environment[key] = VARIES
    # What else is installed is the machine's.
    environment["libraries"] = sorted(set(environment["libraries"]) - {"xformers"})
    environment["pictures"] = {
        key: {**picture, "path": lines(picture["path"], folder)[0]}
        for key, picture in environment["pictures"].items()
    }
    flags = {"flags": [lines(text, folder)[0] for text in content.get("flags", ())]}
    return {
        **content,
        **(flags if flags["flags"] else {}),
        "run_id": VARIES,
        "mlflow_run_id": content["mlflow_run_id"] and VARIES,
        "images": [_image(image) for image in content["images"]],
        "scores": dict.fromkeys(content["scores"], VARIES),
        "failures": [
            {**failure, "error": lines(failure["error"], folder)} for failure in content["failures"]
        ],
        "environment": environment,
    }


def _image(image: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **image,
        "sha256": VARIES,
        "seconds": VARIES if image["seconds"] else image["seconds"],
        "took": dict.fromkeys(image["took"], VARIES),
        "inputs_sha256": dict.fromkeys(image["inputs_sha256"], VARIES),
        "timing": {**image["timing"], "attempt": VARIES},
        "repeats": {name: len(values) for name, values in image["repeats"].items()},
        "scores": dict.fromkeys(image["scores"], VARIES),
    }


def left(folder: Path) -> dict[str, Any]:
    """All that lies in the output folder: the files' names, the records, the pictures' pixels."""
    files = sorted(path for path in folder.glob("outputs/**/*") if path.is_file())
    manifests = [path for path in files if path.name == "manifest.json"]
    contents = [json.loads(path.read_text(encoding="utf-8")) for path in manifests]
    return {
        "files": sorted(lines(path.relative_to(folder).as_posix(), folder)[0] for path in files),
        "sweeps": [
            sweep(json.loads(path.read_text(encoding="utf-8")))
            for path in files
            if path.name == "sweep.json"
        ],
        "texts of pictures": sorted(
            {key for path in manifests for png in path.parent.glob("*.png") for key in _texts(png)}
        ),
        "manifests": [manifest(content, folder) for content in contents],
        "mlflow": mlflow(folder / "outputs/mlflow.db", folder),
        "pixels": [image["sha256"] for content in contents for image in content["images"]],
    }


def _texts(png: Path) -> list[str]:
    with Image.open(png) as image:
        return sorted(map(str, image.info))


def mlflow(database: Path, folder: Path) -> list[dict[str, Any]]:
    """The runs in MLflow's file, by experiment and name."""
    if not database.exists():
        return []
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute(
            "SELECT run_uuid, e.name, r.name, status FROM runs r JOIN experiments e"
            " USING (experiment_id) WHERE r.lifecycle_stage = 'active'"
        ).fetchall()
        names = {run: name for run, _, name, _ in found}

        def rows(table: str, columns: str, run: str) -> list[tuple[Any, ...]]:
            query = f"SELECT {columns} FROM {table} WHERE run_uuid = ? ORDER BY key"
            return connection.execute(query, (run,)).fetchall()

        runs = []
        for run, experiment, name, status in found:
            tags = {key: str(value) for key, value in rows("tags", "key, value", run)}
            if parent := tags.get("mlflow.parentRunId"):
                tags["mlflow.parentRunId"] = names[parent]
            metrics = [key for (key,) in rows("latest_metrics", "key", run)]
            runs.append(
                {
                    "experiment": experiment,
                    "name": name,
                    "status": status,
                    "params": dict(rows("params", "key, value", run)),
                    "tags": {key: _tag(key, value, folder) for key, value in tags.items()},
                    # Not every system tells it.
                    "metrics": [key for key in metrics if key != "peak_process_mb"],
                }
            )
    text = re.compile(r"-[0-9a-f]{8}$")
    for one in runs:  # the name of a run of one cell ends in a part of its id
        one["name"] = one["tags"]["mlflow.runName"] = text.sub("-<id>", one["name"])
    return sorted(runs, key=lambda one: (one["experiment"], one["name"]))


def _tag(key: str, value: str, folder: Path) -> Any:
    if key in ("mlflow.user", "mlflow.source.git.commit", "runner.run_id"):
        return VARIES
    return lines(value, folder)


def processor() -> str:
    """A short hash of what decides the last bits of a picture besides the libraries."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:
        text = ""
    kept = [line for line in text.splitlines() if line.startswith(("vendor", "model", "flags"))]
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()[:16]
