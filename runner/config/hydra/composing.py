"""Composes the cells of a sweep as Hydra would, but each distinct choice of groups once.

Hydra reads and merges some thirty files for each job, 0.1 s a time. Cells of a sweep mostly differ
in values, which are set on a copy of what was composed before: by Hydra's own function, in Hydra's
own order, so that the result is the same.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict


class CellComposer:
    """Composes cells from their overrides.

    Args:
        loader: Hydra's, with the search path of this call.
        master: the sweep's own config: what it resolved (times, for one) is the same in all cells.
    """

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        assert isinstance(loader, ConfigLoaderImpl)
        self._loader = loader
        self._master = master
        self._parser = OverridesParser.create()
        # With the folders that hydra.searchpath adds: they may hold groups of their own.
        _, self._repository = loader._parse_overrides_and_create_caching_repo(
            master.hydra.job.config_name, list(master.hydra.overrides.hydra)
        )
        self._parsed: dict[str, Override] = {}
        self._composed: dict[tuple[str, ...], DictConfig] = {}

    def compose(self, overrides: Sequence[str], number: int) -> DictConfig:
        """The config of cell `number`, with its `hydra` node.

        Raises:
            HydraException, OmegaConfBaseException: as Hydra raises them.
        """
        parsed = self.parsed(overrides)
        choices, values = self.split(parsed)
        cell = copy.deepcopy(self._base(choices))
        self._loader._apply_overrides_to_config(list(values), cell)
        OmegaConf.copy_cache(from_config=self._master, to_config=cell)
        with open_dict(cell.hydra):
            cell.hydra.overrides.task = [override.input_line for override in parsed]
            cell.hydra.job.override_dirname = self._dirname(parsed)
            cell.hydra.job.id = cell.hydra.job.num = number
        return cell

    def parsed(self, overrides: Sequence[str]) -> list[Override]:
        """As Hydra understands them; each distinct text is parsed once."""
        for text in overrides:
            if text not in self._parsed:
                (self._parsed[text],) = self._parser.parse_overrides([text])
        return [self._parsed[text] for text in overrides]

    def split(self, parsed: Sequence[Override]) -> tuple[tuple[str, ...], tuple[Override, ...]]:
        """Choices of groups' options, and values."""
        values = tuple(override for override in parsed if self._is_value(override))
        chosen = [str(override.input_line) for override in parsed if override not in values]
        return tuple(chosen), values

    def _base(self, choices: tuple[str, ...]) -> DictConfig:
        if choices not in self._composed:
            self._composed[choices] = self._loader.load_sweep_config(self._master, list(choices))
        return self._composed[choices]

    def _dirname(self, overrides: list[Override]) -> str:
        rules = self._master.hydra.job.config.override_dirname
        return get_overrides_dirname(
            overrides=overrides,
            kv_sep=rules.kv_sep,
            item_sep=rules.item_sep,
            exclude_keys=rules.exclude_keys,
        )

    def _is_value(self, override: Override) -> bool:
        """Hydra's own distinction between a value and the choice of a group's option."""
        if override.is_hydra_override():
            return False
        if isinstance(override.value(), dict):
            return True
        return not self._repository.group_exists(override.key_or_group)
