"""Checks of the output folder and of the folder in it, before anything is written there."""

from __future__ import annotations

import os
import re
from pathlib import Path

from runner.config.choices import Tracker
from runner.config.groups import TrackingConfig
from runner.config.texts import text_problem
from runner.errors import ConfigError
from runner.system.files import LONGEST_NAME

LONGEST_PATH = 4096
"""Bytes that systems take."""
ROOM = 1024
"""Bytes that are left for what lies in the folder: a run, a cell, a picture, an artifact."""

KEY = "output_dir"

TAKEN_NAMES = ("latest", "mlartifacts", "mlflow.db")
"""What else lies in the output folder: a run's folder of that name would end up inside it."""
RUN_NAME = re.compile(r"[\w][\w .-]*")


def check_output_dir(named: str, tracking: TrackingConfig) -> Path:
    """The output folder, absolute.

    Raises:
        ConfigError: it cannot be made, or MLflow could not name what lies in it.
    """
    if not named.strip():
        raise ConfigError(KEY, named, "names no folder", "a folder; . is here")
    path = Path(named).absolute()
    names = [len(os.fsencode(part)) for part in path.parts]
    if max(names) > LONGEST_NAME or len(os.fsencode(path)) > LONGEST_PATH - ROOM:
        raise ConfigError(
            KEY, named, "is too long",
            f"names of {LONGEST_NAME} bytes, {LONGEST_PATH - ROOM} in all",
        )  # fmt: skip
    if _is_something_else(path):
        raise ConfigError(KEY, path, "is no folder")
    if tracking.tracker is Tracker.mlflow and text_problem(str(path)):
        raise ConfigError(
            KEY, path, "lies in a folder whose name is no UTF-8 text: MLflow cannot find it",
            "another folder, or tracking=none",
        )  # fmt: skip
    return path


def run_name(name: str | None, experiment: str | None) -> str:
    """The name of the folder of a config's runs. Raises ConfigError where it cannot be one."""
    chosen = name if name is not None else experiment or "default"
    # An experiment of a user's own may lie in a folder: experiment=mine/steps.
    return check_name(chosen.replace("/", "-") if name is None else chosen)


def check_name(chosen: str) -> str:
    """Check the name of a run or sweep. Raises ConfigError where no folder may have it."""
    if not RUN_NAME.fullmatch(chosen):
        raise ConfigError(
            "name", chosen, "cannot be the name of a folder", "letters, digits, _ - ."
        )
    if chosen in TAKEN_NAMES:
        raise ConfigError("name", chosen, "is the name of something else in the output folder")
    return chosen


def _is_something_else(path: Path) -> bool:
    try:
        return (path.is_symlink() or path.exists()) and not path.is_dir()
    except OSError:
        return False  # it may not be looked at: the run tells why it cannot write there
