"""Composes the cells of a sweep as Hydra would, but each choice of group options only once.

Hydra reads and merges some thirty files for each job, in 0.1 s. Cells of a sweep mostly differ
in values, which are set on a copy of a composed config, in Hydra's own order, so that the
result is the same. Other overrides, and values that cannot be set, are left to Hydra.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from runner.config.hydra.arguments import check_choice, flags_of
from runner.config.hydra.sweeper import axes_of, says_axes


class CellComposer:
    """Composes cells from their overrides.

    Args:
        loader: Hydra's, with the search path of this call.
        master: the sweep's own config: values it resolved (times, e.g.) are the same in all cells.
    """

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        self._loader = loader
        self._master = master
        self.flags = flags_of(master.hydra)
        self.axes = axes_of(master)
        self.says_axes = says_axes(master.hydra.overrides.task)
        self._parser = OverridesParser.create()
        self._groups: dict[str, bool] = {}
        self._parsed: dict[str, Override] = {}
        self._composed: dict[tuple[str, ...], DictConfig] = {}

    def compose(self, overrides: Sequence[str], number: int) -> DictConfig:
        """Compose the config of cell `number`, with its `hydra` node.

        Raises:
            HydraException, OmegaConfBaseException: as Hydra raises them.
            ConfigError: what is chosen of a group is no name.
        """
        parsed = self.parsed(overrides)
        base, values = self.split(parsed)
        cell = copy.deepcopy(self.base(base))
        try:
            for value in values:
                force = value.is_force_add()
                OmegaConf.update(cell, value.key_or_group, value.value(), force_add=force)
        except OmegaConfBaseException:
            # Hydra raises the error.
            cell = self._loader.load_sweep_config(self._master, list(overrides))
        with open_dict(cell.hydra):
            cell.hydra.overrides.task = [override.input_line for override in parsed]
            if not OmegaConf.is_interpolation(cell.hydra.job, "override_dirname"):
                cell.hydra.job.override_dirname = self._dirname(parsed)
            cell.hydra.job.id = cell.hydra.job.num = number
        return cell

    def parsed(self, overrides: Sequence[str]) -> list[Override]:
        """Overrides as parsed by Hydra; each distinct text is parsed once."""
        for text in overrides:
            if text not in self._parsed:
                (self._parsed[text],) = self._parser.parse_overrides([text])
        return [self._parsed[text] for text in overrides]

    def split(self, parsed: Sequence[Override]) -> tuple[tuple[str, ...], tuple[Override, ...]]:
        """Split overrides into those that Hydra composes, and values to set afterwards.

        Hydra composes choices of group options, other overrides than values (`~key`, `+key=1`),
        and values before these, as overrides apply in order.
        """
        groups = [self._is_choice(override) for override in parsed]
        others = [
            place
            for place, override in enumerate(parsed)
            if not groups[place] and not _is_value(override)
        ]
        begin = others[-1] + 1 if others else 0
        base, values = [], []
        for place, override in enumerate(parsed):
            if place < begin or groups[place]:
                base.append(str(override.input_line))
            else:
                values.append(override)
        return tuple(base), tuple(values)

    def base(self, overrides: tuple[str, ...]) -> DictConfig:
        """What Hydra composes of such overrides, with its `hydra` node; not to be changed."""
        if overrides not in self._composed:
            config = self._loader.load_sweep_config(self._master, list(overrides))
            self._composed[overrides] = config
        return self._composed[overrides]

    def _dirname(self, overrides: Sequence[Override]) -> str:
        """Hydra's `hydra.job.override_dirname`."""
        rules = self._master.hydra.job.config.override_dirname
        lines = sorted(
            str(override.input_line)
            for override in overrides
            if override.key_or_group not in rules.exclude_keys
        )
        return str(rules.item_sep).join(lines).replace("=", rules.kv_sep)

    def _is_choice(self, override: Override) -> bool:
        """Whether it chooses a group's option, by Hydra's own rule; else it sets a value."""
        if override.is_hydra_override() or isinstance(override.value(), dict):
            return False
        group = override.key_or_group
        if group not in self._groups:
            # With the folders that hydra.searchpath adds: they may hold groups of their own.
            options = self._loader.get_group_options(
                group,
                results_filter=None,
                config_name=self._master.hydra.job.config_name,
                overrides=list(self._master.hydra.overrides.hydra),
            )
            self._groups[group] = bool(options)
        if self._groups[group]:
            check_choice(override)
        return self._groups[group]


def _is_value(override: Override) -> bool:
    """Whether it is `key=value` or `++key=value`."""
    return (
        override.type in (OverrideType.CHANGE, OverrideType.FORCE_ADD)
        and override.package is None
        and not override.is_hydra_override()
    )
