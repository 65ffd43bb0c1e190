"""`kandinsky ui`: MLflow's pages over the project's store, on this machine only."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from runner.catalog.tracking import ARTIFACTS, STORE, sqlite_uri
from runner.errors import ConfigError, TrackingError
from runner.system.loopback import usable_port
from runner.tracking.artifacts import follow_artifacts
from runner.tracking.view import pages_of
from runner.verbs.parser import VerbParser


def main(arguments: list[str]) -> int:
    """Run an MLflow server on loopback until Ctrl-C."""
    parser = VerbParser(prog="kandinsky ui", description=__doc__)
    parser.add_argument(
        "output_dir", nargs="?", default="outputs", type=Path, help="as in the runs (%(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=5000, help="of the pages (%(default)s); 0: a free one"
    )
    options = parser.parse_args(arguments)
    output_dir: Path = options.output_dir.absolute()
    database = output_dir / STORE
    if not database.is_file():
        raise ConfigError("output_dir", options.output_dir, "has no mlflow.db: nothing ran there")
    port = usable_port(options.port)
    try:
        follow_artifacts(database)
    except TrackingError as error:  # read-only, perhaps: the numbers can be looked at
        print(f"warning: {error}", file=sys.stderr)
    # Less than a fifth of the default's processes and memory: no job runners, one worker.
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    address, pages = f"http://127.0.0.1:{port}/", pages_of(database)
    print(f"MLflow: {address}{pages.runs}   (Ctrl-C to stop)", flush=True)
    if pages.pictures is not None:
        print(f"  the newest sweep's pictures: {address}{pages.pictures}", flush=True)
    command = [
        sys.executable, "-P", "-m", "mlflow", "server",
        "--backend-store-uri", sqlite_uri(database),
        "--default-artifact-root", (output_dir / ARTIFACTS).as_uri(),
        "--host", "127.0.0.1",
        "--port", str(port),
        "--workers", "1",
    ]  # fmt: skip
    os.execv(sys.executable, command)
