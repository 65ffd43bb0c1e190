"""Composes one config with Hydra's Compose API (https://hydra.cc/docs/advanced/compose_api/)."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hydra import compose, initialize_config_dir
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from runner.config.axes import KEY as AXES
from runner.config.axes import settings_of, together, without
from runner.config.cell import Cell
from runner.config.hydra import tree
from runner.config.hydra.arguments import is_together, prepare
from runner.config.hydra.expanding import (
    check_apart,
    completed,
    overrides_of_settings,
    own_values,
)
from runner.config.hydra.problems import config_problem
from runner.config.hydra.sweeper import axes_of, sweep_of, task_of
from runner.config.overrides import assigned
from runner.config.resolve import resolve
from runner.config.run_config import RunConfig
from runner.errors import ComposeError, ConfigError, RunnerError

STUDY = "experiment"
LONG = 500
"""Characters of an override from which on a list counts as long."""
LONG_LIST = re.compile(r"(?P<key>[a-z]\w*)=\[(?P<numbers>\s*\d{1,19}\s*(?:,\s*\d{1,19}\s*)*)\]")


def compose_one(overrides: Sequence[str], *, of_sweep: bool = False) -> RunConfig:
    """The config of a list of overrides.

    Args:
        of_sweep: whether it is a cell: what a study's file says of its sweep is not for it.

    Raises:
        ConfigError: a key, type or value is wrong; or a study is a sweep, and this is one run.
        ComposeError: Hydra's errors, reworded.
    """
    overrides = prepare(overrides)
    composed = _composed(overrides)
    if of_sweep:
        composed[AXES] = None
    elif composed.hydra.mode is RunMode.MULTIRUN and composed[AXES] is None:
        study = composed.hydra.runtime.choices.get("experiment")
        raise ConfigError("experiment", study, "is a sweep, and this is one run", "runner.sweep")
    return resolve_composed(composed, overrides)


def _composed(overrides: Sequence[str]) -> DictConfig:
    tree.register()
    try:
        return composed_with_hydra(overrides)
    except Exception as error:  # Hydra's, its parser's, those of files that it reads
        raise ComposeError(config_problem(error)) from error


@dataclass(frozen=True)
class OfStudy:
    """What the file of a study says of its cells.

    Attributes:
        is_sweep: whether it is one.
        params: overrides, with one value or several.
        axes: as the key `axes`.
    """

    is_sweep: bool
    params: tuple[str, ...] = ()
    axes: object = None


def of_study(overrides: Sequence[str]) -> OfStudy:
    """What the study that overrides name says of its cells, but for keys that they say.

    Raises:
        ConfigError, ComposeError: there is no such study.
    """
    chosen = [text for text in prepare(overrides) if text.startswith(f"{STUDY}=")]
    if not chosen or len(alternatives(chosen[-1])) > 1:
        return OfStudy(is_sweep=False)
    composed = _composed(chosen[-1:])
    said = {key.strip().lstrip("+") for text in overrides for key in _keys_of(text)}
    params = composed.hydra.sweeper.get("params") or {}
    own = axes_of(composed)
    task = assigned(overrides).get("task", task_of(composed))
    axes = None if own is None or AXES in said else without(settings_of(own), said, task) or None
    return OfStudy(
        composed.hydra.mode is RunMode.MULTIRUN,
        tuple(f"{key}={value}" for key, value in params.items() if key not in said),
        axes,
    )


def _says_axes(override: str) -> bool:
    key, _, value = override.partition("=")
    return key == AXES and value != "null"


def _keys_of(override: str) -> list[str]:
    return override.partition("=")[0].split(",")


def is_several(override: str) -> bool:
    """Whether it has several values, or sets `axes`. Raises ComposeError: it cannot be read."""
    if is_together(override) or _says_axes(override):
        return True
    return LONG_LIST.fullmatch(override) is None and len(alternatives(override)) > 1


def combinations(overrides: Sequence[str], axes: object = None) -> list[list[str]]:
    """The overrides of each cell of a sweep.

    Args:
        overrides: each with one value or several, or several keys that change together.
        axes: as the key `axes`.

    Raises:
        ConfigError, ComposeError: one of them cannot be read.
    """
    joined: list[list[list[str]]] = []
    alone: list[list[list[str]]] = []
    if axes is not None:
        joined.append(list(map(overrides_of_settings, settings_of(axes))))
    for text in overrides:
        if _says_axes(text):
            found = settings_of(text.partition("=")[2])
            joined.append(list(map(overrides_of_settings, found)))
        elif is_together(text):
            joined.append(list(map(overrides_of_settings, together(text))))
        else:
            alone.append([[one] for one in alternatives(text)])
    if joined:
        check_apart([*joined, *alone])
    return [[t for part in cell for t in part] for cell in itertools.product(*joined, *alone)]


def complete(cells: Sequence[Cell]) -> list[Cell]:
    """The cells, each with the keys of all; see `expanding.completed`."""

    def lacking(run: RunConfig, keys: Sequence[str]) -> list[str]:
        composed = composed_with_hydra(run.overrides)
        return own_values(run, composed.hydra.runtime.choices, keys)

    return completed(cells, lacking)


def alternatives(override: str) -> list[str]:
    """One override for each of its values. Raises ComposeError where it cannot be read."""
    try:
        return sweep_of(override)
    except RunnerError:
        raise
    except Exception as error:
        raise ComposeError(config_problem(error)) from error


def composed_with_hydra(overrides: Sequence[str]) -> DictConfig:
    """Compose with Hydra; the result has its `hydra` node.

    Raises:
        HydraException, OmegaConfBaseException: as Hydra raises them.
    """
    numbers = _numbers(overrides)
    others = [text for text in overrides if text.partition("=")[0] not in numbers]
    with initialize_config_dir(str(tree.config_dir()), version_base="1.3"):
        try:
            composed = compose(tree.CONFIG_NAME, others, return_hydra_config=True)
            for key, values in numbers.items():
                OmegaConf.update(composed, key, values, merge=False)
        except OmegaConfBaseException:
            # Hydra raises the error.
            composed = compose(tree.CONFIG_NAME, list(overrides), return_hydra_config=True)
    return composed


def _numbers(overrides: Sequence[str]) -> dict[str, list[int]]:
    """Long lists of whole numbers, by key: Hydra's parser takes 3 ms for each number."""
    keys = Counter(text.partition("=")[0] for text in overrides)
    found = (LONG_LIST.fullmatch(text) for text in overrides if len(text) > LONG)
    return {
        match["key"]: [int(number) for number in match["numbers"].split(",")]
        for match in found
        if match is not None and keys[match["key"]] == 1
    }


def resolve_composed(composed: DictConfig, overrides: Sequence[str]) -> RunConfig:
    """Check a composed config, with its `hydra` node, and freeze it. Raises ConfigError."""
    experiment = OmegaConf.select(composed, "hydra.runtime.choices.experiment")
    with open_dict(composed):
        del composed["hydra"]
    return resolve(composed, experiment=experiment, overrides=overrides)
