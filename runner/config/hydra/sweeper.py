"""Expands a multirun's overrides into cells: each combination of their values.

First come the cells of `axes`, then keys that change together, then each key by itself; the last
axis changes fastest.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from runner.config.axes import KEY as AXES
from runner.config.axes import settings_of, together, without
from runner.config.hydra.arguments import check_no_counts, is_together, prepare, with_seeds
from runner.config.hydra.expanding import check_apart, overrides_of_settings
from runner.config.hydra.globs import matching_options
from runner.errors import ConfigError
from runner.system.credentials import strip_credentials, strip_override


def batches(
    arguments: Sequence[str],
    loader: ConfigLoader,
    size: int | None,
    axes: object = None,
    task: str | None = None,
) -> list[list[list[str]]]:
    """The overrides of each cell, in batches to launch together.

    Args:
        arguments: overrides; of several with the same key the last one counts. Several keys in
            one, `height,width=[64,128],[128,64]`, change together.
        size: of a batch; None: all cells in one.
        axes: the config's `axes`. Where a file says them, an argument takes the place of their
            values of its key.
        task: the config's, where the arguments say none.

    Raises:
        HydraException: an override cannot be read, or its values cannot be listed.
        ConfigError: a pattern matches nothing, axes have a key in common, or the size is not a
            number of cells.
    """
    if size is not None and size < 1:
        raise ConfigError(
            "hydra.sweeper.max_batch_size", size, "is no number of cells", "1, 2, ..."
        )
    pairs = {text.partition("=")[0]: text for text in arguments if is_together(text)}
    own = [with_seeds(text) for text in arguments if not is_together(text)]
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(own)
    alone = {
        override.get_key_element(): [[text] for text in _alternatives(override)]
        for override in parsed
        if override.key_or_group != AXES
    }
    in_axes = [] if axes is None else settings_of(axes)
    if not says_axes(arguments):
        pair_keys = (key for keys in pairs for key in keys.split(","))
        said = {key.strip().lstrip("+") for key in (*alone, *pair_keys)}
        if tasks := alone.get("task"):
            task = tasks[0][0].partition("=")[2] if len(tasks) == 1 else None
        in_axes = without(in_axes, said, task)
    listed = [in_axes, *map(together, pairs.values())]
    joined = [[overrides_of_settings(one) for one in settings] for settings in listed if settings]
    dimensions = [*joined, *alone.values()]
    if joined:
        check_apart(dimensions)
    cells = [[text for part in cell for text in part] for cell in itertools.product(*dimensions)]
    if size is None:
        return [cells]
    return [cells[start : start + size] for start in range(0, len(cells), size)]


def says_axes(arguments: Iterable[str]) -> bool:
    """Whether the command line says the axes, in the place of a file."""
    return any(text.partition("=")[0].lstrip("+") == AXES for text in arguments)


def axes_of(config: DictConfig) -> object:
    """The `axes` of a sweep's own config, as plain values."""
    if OmegaConf.is_missing(config, AXES):
        return None
    found = OmegaConf.select(config, AXES)
    return OmegaConf.to_container(found, resolve=True) if OmegaConf.is_config(found) else found


def task_of(config: DictConfig) -> str | None:
    """The task of a sweep's own config; None: it is open, and its cells say it."""
    found = OmegaConf.select(config, "task.name", throw_on_missing=False)
    return found if isinstance(found, str) else None


def sweep_of(override: str) -> list[str]:
    """One override per value: "a=1,2" -> ["a=1", "a=2"]; "a=[1,2]" is one value."""
    (override,) = prepare([override])
    (parsed,) = OverridesParser.create().parse_overrides([override])
    return _alternatives(parsed) if parsed.is_sweep_override() else [override]


def write_multirun(config: DictConfig) -> None:
    """Write a sweep's config to `multirun.yaml` in its folder, as Hydra does, but without
    credentials.
    """
    uri = OmegaConf.select(config, "tracking.uri", throw_on_resolution_failure=False)
    clean = config.copy()
    with read_write(clean.hydra), open_dict(clean):
        overrides = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
        assert isinstance(overrides, list)
        clean.hydra.overrides.task = [strip_override(text, uri) for text in overrides]
        clean.hydra.job.override_dirname = ""
        if uri is not None:
            clean.tracking.uri = strip_credentials(uri)
    folder = Path(config.hydra.sweep.dir)
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(clean, folder / "multirun.yaml")


def _alternatives(override: Override) -> list[str]:
    """One override for each of its values."""
    key = override.get_key_element()
    if not override.is_sweep_override():
        return [f"{key}={override.get_value_element_as_str()}"]
    if not override.is_discrete_sweep():
        assert override.value_type is not None
        kind = override.value_type.name
        raise HydraException(f"hydra/sweeper=cells does not support sweep type : {kind}")
    values = list(map(str, matching_options(override) or override.sweep_string_iterator()))
    if override.key_or_group == "seeds":
        check_no_counts(values, str(override.input_line).partition("=")[2])
    return [f"{key}={value}" for value in values]
