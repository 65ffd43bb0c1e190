"""Hydra's own sweeper, with three things mended: its multirun.yaml holds no credentials, patterns
reach into folders of options, and it does not compose every job just to see whether it can be
composed: `CellLauncher` tells of all that cannot.
"""

from __future__ import annotations

from collections.abc import Sequence

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Override
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from runner.config.hydra.globs import expand_glob
from runner.config.hydra.launcher import CellLauncher
from runner.system.credentials import recorded_override, without_credentials

REPLACED = f"{BasicSweeper.__module__}.{BasicSweeper.__name__}"


class Sweeper(BasicSweeper):
    """Runs the jobs as ever; only what it writes to disk is a clean copy of its config."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self.config = _without_credentials(config)

    @staticmethod
    def split_arguments(
        overrides: list[Override], max_batch_size: int | None
    ) -> list[list[list[str]]]:
        for override in overrides:
            expand_glob(override)
        return BasicSweeper.split_arguments(overrides, max_batch_size)

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        if not isinstance(self.launcher, CellLauncher):
            super().validate_batch_is_legal(batch)


def _without_credentials(config: DictConfig) -> DictConfig:
    uri = OmegaConf.select(config, "tracking.uri", throw_on_resolution_failure=False)
    clean = config.copy()
    with open_dict(clean):
        overrides = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
        assert isinstance(overrides, list)
        clean.hydra.overrides.task = [recorded_override(text, uri) for text in overrides]
        clean.hydra.job.override_dirname = ""
        if uri is not None:
            clean.tracking.uri = without_credentials(uri)
    return clean
