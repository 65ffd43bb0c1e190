"""Resolves the overrides of a sweep's cells to RunConfigs, sharing work between cells.

Composing and checking a config takes some 30 ms; most cells of a sweep share their group
options with others, and each of their values too. Each value is converted (to a float, an enum
member) once, within its section alone, and then set on a copy of the config with those group
options. The result is the same wherever no interpolation reads the value; where one may, and
where a value is wrong, the cell is resolved in full.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from runner.config.hydra.composing import CellComposer
from runner.config.hydra.expanding import own_values
from runner.config.resolve import Read, freeze, read, read_changed, section_of, with_plain
from runner.config.run_config import RunConfig
from runner.errors import ConfigError

INTERPOLATED = re.compile(r"\$\{([^{}$]*)")


@dataclass(frozen=True)
class _Base:
    """The config of a choice of group options.

    Attributes:
        references: keys that interpolations read; None where that is unknown.
    """

    found: Read
    experiment: str | None
    references: frozenset[str] | None


class CellResolver:
    """Composes, checks and freezes cells.

    Args:
        composer: of the sweep.
    """

    def __init__(self, composer: CellComposer) -> None:
        self._composer = composer
        self._axes = composer.axes
        self._bases: dict[tuple[str, ...], _Base | None] = {}
        self._leaves: dict[tuple[tuple[str, ...], str], tuple[Any, Any]] = {}

    def resolve(self, overrides: Sequence[str], number: int) -> RunConfig:
        """Resolve the config of cell `number`.

        Raises:
            HydraException, OmegaConfBaseException: it cannot be composed.
            ConfigError: a key, type or value is wrong.
        """
        parsed = self._composer.parsed(overrides)
        choices, values = self._composer.split(parsed)
        found = self._from_base(choices, values) or self._read(overrides, number)
        own = found.found.config.axes
        if own not in (None, self._axes) and not self._composer.says_axes:
            problem = "says several cells, and is part of one: that of an experiment, among several"
            raise ConfigError("axes", own, problem, "such an experiment by itself")
        return freeze(
            found.found,
            experiment=found.experiment,
            overrides=[str(override.input_line) for override in parsed],
            flags=self._composer.flags,
        )

    def lacking(self, run: RunConfig, keys: Sequence[str]) -> list[str]:
        """Overrides of a cell for keys that only other cells set. Raises ConfigError."""
        choices, _ = self._composer.split(self._composer.parsed(run.overrides))
        return own_values(run, self._composer.base(choices).hydra.runtime.choices, keys)

    def _from_base(self, choices: tuple[str, ...], values: Sequence[Override]) -> _Base | None:
        if not all(map(_is_plain, values)):
            return None
        if choices not in self._bases:
            self._bases[choices] = self._base(choices)
        base = self._bases[choices]
        if base is None:
            return None
        config, plain = base.found.config, base.found.plain
        for override in values:
            path = override.key_or_group.split(".")
            if not _stands_alone(path, plain, base.references):
                return None
            line = str(override.input_line)
            if (choices, line) not in self._leaves:
                leaf = _leaf(self._composer.base(choices), base.found, override)
                if leaf is None:
                    return None
                self._leaves[choices, line] = leaf
            typed, written = self._leaves[choices, line]
            config = _with_typed(config, path, typed)
            plain = with_plain(plain, path, written)
        return replace(base, found=Read(config, plain))

    def _base(self, choices: tuple[str, ...]) -> _Base | None:
        """The config of the group options alone; None where they leave open what has to be set."""
        try:
            return self._read(choices, 0)
        except ConfigError:
            return None

    def _read(self, overrides: Sequence[str], number: int) -> _Base:
        """Resolve in full."""
        composed = self._composer.compose(overrides, number)
        # Interpolations like ${hydra:job.num} read the config of the current job.
        HydraConfig.instance().set_config(composed)
        experiment = HydraConfig.get().runtime.choices.get("experiment")
        with open_dict(composed):
            del composed["hydra"]
        return _Base(read(composed), experiment, _references(composed))


def _is_plain(override: Override) -> bool:
    """Whether it is `key=value`, and the value is no mapping and has no interpolation."""
    return (
        override.type is OverrideType.CHANGE
        and override.package is None
        and not override.is_hydra_override()
        and not isinstance(override.value(), dict)
        and "$" not in str(override.input_line)  # a sweeper writes ${height} as $\{height\}
        and "???" not in str(override.input_line)  # not set
    )


def _stands_alone(
    path: Sequence[str], plain: Mapping[str, Any], references: frozenset[str] | None
) -> bool:
    """Whether the key exists, is no mapping, and no interpolation reads it."""
    if references is None:
        return False
    at: Any = plain
    for part in path:
        if not isinstance(at, Mapping) or part not in at:
            return False
        at = at[part]
    key = ".".join(path)
    return not isinstance(at, Mapping) and not any(
        f"{key}.".startswith(f"{read}.") or f"{read}.".startswith(f"{key}.") for read in references
    )


def _references(composed: DictConfig) -> frozenset[str] | None:
    """Keys that interpolations read; None where one depends on more than keys."""
    found = set()
    for text in _texts(OmegaConf.to_container(composed, resolve=False)):
        for inner in INTERPOLATED.findall(text):
            if inner.startswith("oc.env:"):
                continue
            if ":" in inner or "[" in inner or inner.startswith(".") or text.count("${") > 1:
                return None
            found.add(inner.strip())
    return frozenset(found)


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [text for item in value for text in _texts(item)] if isinstance(value, list) else []


def _leaf(composed: DictConfig, base: Read, override: Override) -> tuple[Any, Any] | None:
    """The value that an override sets, typed and plain; None: the full resolution tells.

    Args:
        composed: the config of the group options, which is not changed.
    """
    path = override.key_or_group.split(".")
    section = section_of(composed, path[0])
    try:
        OmegaConf.update(section, override.key_or_group, override.value())
        plain = _plain_leaf(section, path)
        return read_changed(base, path, plain), plain
    except (OmegaConfBaseException, ConfigError):
        return None


def _plain_leaf(section: DictConfig, path: Sequence[str]) -> Any:
    """A value as `OmegaConf.to_container` gives it; what else is in the section may be such that
    only the whole config can resolve it.
    """
    value: Any = OmegaConf.select(section, ".".join(path), throw_on_missing=True)
    return OmegaConf.to_container(OmegaConf.create([value]), enum_to_str=True)[0]  # type: ignore[index]


def _with_typed(config: Any, path: Sequence[str], value: Any) -> Any:
    """A copy along the path; the rest is shared, as nothing changes a config."""
    first, *rest = path
    if isinstance(config, Mapping):  # metrics, by name
        return {**config, first: _with_typed(config[first], rest, value) if rest else value}
    return replace(
        config, **{first: _with_typed(getattr(config, first), rest, value) if rest else value}
    )
