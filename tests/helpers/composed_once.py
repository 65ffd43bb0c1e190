"""Hydra reads a file of the config tree, and merges a list of them, once in a test process.

A command composes its config up to four times, an eighth of a second of a core each, and most tests
are commands in this process. What was read and merged is kept pickled, and each composition gets a
copy of its own. Hydra itself still applies the overrides, and reads again what has changed.
`test_composed_once.py` compares the two; commands that tests run as processes compose as ever.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pytest
from hydra._internal import defaults_list
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import (
    CachingConfigRepository,
    ConfigRepository,
    IConfigRepository,
)
from hydra.core.config_store import ConfigStore
from hydra.core.default_element import InputDefault, ResultDefault
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import DictConfig, OmegaConf

STATE = "state_of_the_file"

_read = ConfigRepository.load_config
_merge = ConfigLoaderImpl._compose_config_from_defaults_list
_choices = defaults_list._create_interpolation_map
_begin = CachingConfigRepository.__init__

_kept: dict[Hashable, bytes] = {}
_nodes: list[Any] = []
"""Of the store, which are told apart by their ids."""


def compose_once(patch: pytest.MonkeyPatch) -> None:
    """Have this process keep what Hydra reads and merges."""
    _set(patch, _load_config, _compose, _choices_if_needed, _begin_with_the_same_store)


def compose_as_ever(patch: pytest.MonkeyPatch) -> None:
    """Have it do so no longer."""
    _set(patch, _read, _merge, _choices, _begin)


def _set(patch: pytest.MonkeyPatch, read: Any, merge: Any, choices: Any, begin: Any) -> None:
    patch.setattr(ConfigRepository, "load_config", read)
    patch.setattr(ConfigLoaderImpl, "_compose_config_from_defaults_list", merge)
    patch.setattr(defaults_list, "_create_interpolation_map", choices)
    patch.setattr(CachingConfigRepository, "__init__", begin)


def _load_config(self: ConfigRepository, config_path: str) -> ConfigResult | None:
    source = self._find_object_source(config_path, ObjectType.CONFIG)
    state = None if source is None else _state(source, config_path)
    if state is None:
        return _read(self, config_path)
    if state not in _kept:
        made = _read(self, config_path)
        setattr(made, STATE, state)
        _kept[state] = pickle.dumps(made)
    found: ConfigResult = pickle.loads(_kept[state])
    return found


def _state(source: ConfigSource, config_path: str) -> Hashable:
    """What decides what a source gives at a path; None where that is not known."""
    name = source._normalize_file_name(config_path)
    scheme = source.scheme()  # not the class, of which Hydra's plugins have copies
    where = (scheme, source.provider, source.path, config_path)
    if scheme == "file":
        found = (Path(source.path) / name).stat()
        return (*where, found.st_ino, found.st_mtime_ns, found.st_size)
    if scheme == "structured":
        node = ConfigStore.instance()._load(name)
        if not any(node is one for one in _nodes):
            _nodes.append(node)
        return (*where, id(node))
    return where if scheme == "pkg" else None


def _compose(
    self: ConfigLoaderImpl, defaults: list[ResultDefault], repo: IConfigRepository
) -> DictConfig:
    parts = []
    for one in defaults:
        assert one.config_path is not None
        state = getattr(repo.load_config(one.config_path), STATE, None)
        parts.append((one.config_path, one.package, one.is_self, one.primary, state))
    if any(part[-1] is None for part in parts):
        return _merge(self, defaults, repo)
    key = tuple(parts)
    if key not in _kept:
        _kept[key] = pickle.dumps(_merge(self, defaults, repo))
    found: DictConfig = pickle.loads(_kept[key])
    return found


def _choices_if_needed(
    overrides: defaults_list.Overrides, defaults: list[InputDefault], self_added: bool
) -> DictConfig:
    """What interpolations may name: Hydra makes it for each of twenty files, which have none."""
    if any(one.is_interpolation() for one in defaults):
        return _choices(overrides, defaults, self_added)
    return OmegaConf.create()


def _begin_with_the_same_store(self: CachingConfigRepository, delegate: ConfigRepository) -> None:
    """Hydra copies the whole store of configs to have a list of sources of its own."""
    self.delegate = copy.copy(delegate)
    self.cache = {}
