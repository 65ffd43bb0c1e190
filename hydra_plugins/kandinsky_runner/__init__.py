"""The runner's plugins for Hydra: a config source, launchers and a sweeper.

`hydra_plugins` is the namespace package that Hydra searches for plugins
(https://hydra.cc/docs/advanced/plugins/develop/), so it has no `__init__.py` of its own.

Hydra imports this module when any Hydra application starts in this environment. So it imports
nothing of the runner before a plugin is used, and adds nothing to Hydra's config store: the options
of `hydra/launcher` and `hydra/sweeper` belong to the runner's own command, which adds them in
`runner.config.hydra.tree`.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from runner.config.cluster import Cluster

WEIGHTS_GROUP = "weights/"
MODEL_STEPS = {"prior": "${model.steps.prior}", "decoder": "${model.steps.decoder}"}
MODEL_GUIDANCE = {"prior": 4.0, "decoder": "${model.guidance}"}


class WeightsFolderSource(ConfigSource):
    """Reads the option `weights/<path>` of a folder as `{source: folder, path: ...}`."""

    @staticmethod
    def scheme() -> str:
        return "weights-folder"

    def available(self) -> bool:
        return True

    def is_group(self, config_path: str) -> bool:
        return False

    def is_config(self, config_path: str) -> bool:
        return self._folder(config_path) is not None

    def list(self, config_path: str, results_filter: ObjectType | None) -> builtins.list[str]:
        return []

    def load_config(self, config_path: str) -> ConfigResult:
        folder = self._folder(config_path)
        if folder is None:
            raise ConfigLoadError(f"no such folder: {config_path}")
        given = {"source": "folder", "path": str(folder)}
        config = OmegaConf.create({**given, "steps": MODEL_STEPS, "guidance": MODEL_GUIDANCE})
        return ConfigResult(
            provider=self.provider,
            path=self.full_path(),
            config=config,
            header={"package": "weights"},
        )

    @staticmethod
    def _folder(config_path: str) -> Path | None:
        if not config_path.startswith(WEIGHTS_GROUP):
            return None
        # Hydra asks for `x.yaml` where the user wrote `x`.
        written = config_path.removeprefix(WEIGHTS_GROUP).removesuffix(".yaml")
        path = Path(written).expanduser()
        try:
            return path if written and path.is_dir() else None
        except OSError as error:
            raise ConfigLoadError(f"weights: {path} cannot be read: {error.strerror}") from error


class CellLauncher(Launcher):
    """`hydra/launcher=cells`: launches all cells of a batch together, stages on this machine.

    Args:
        settings: the values of the `hydra/launcher` option.
    """

    hydra_context: HydraContext
    task_function: TaskFunction
    config: DictConfig

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.settings = settings

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        from runner.config.hydra.launcher import launch_cells

        loader = self.hydra_context.config_loader
        return launch_cells(
            self.task_function, loader, self.config, job_overrides, initial_job_idx, self.cluster()
        )

    def cluster(self) -> Cluster | None:
        """Where stages run; None: on this machine. Raises ConfigError for wrong settings."""
        return None


class RayLauncher(CellLauncher):
    """`hydra/launcher=ray`: stages in actors of Ray."""

    def cluster(self) -> Cluster:
        from runner.config.hydra.elsewhere import ray_cluster

        return ray_cluster(**self.settings)


class SubmititLauncher(CellLauncher):
    """`hydra/launcher=submitit`: stages in jobs of a batch system."""

    def cluster(self) -> Cluster:
        from runner.config.hydra.elsewhere import submitit_jobs

        return submitit_jobs(**self.settings)


class CellSweeper(Sweeper):
    """`hydra/sweeper=cells`: each combination of the overrides' values is a cell.

    It differs from Hydra's basic sweeper in four ways: it knows `axes` and keys that change
    together, its multirun.yaml holds no credentials, patterns reach into subfolders of options, and
    it does not compose every cell in advance to validate it: `CellLauncher` reports all invalid
    cells.

    Args:
        max_batch_size: how many cells are launched together; None: all.
        params: further overrides, by key.
        together: arguments with several keys, which change together.
    """

    hydra_context: HydraContext
    launcher: Launcher
    config: DictConfig

    def __init__(
        self,
        max_batch_size: int | None,
        params: DictConfig | None,
        together: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self.max_batch_size = max_batch_size
        self.params = params
        self.together = together or ()

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        from runner.config.hydra import sweeper

        params = [f"{key!s}={value}" for key, value in (self.params or {}).items()]
        loader = self.hydra_context.config_loader
        given, axes = [*params, *self.together, *arguments], sweeper.axes_of(self.config)
        task = sweeper.task_of(self.config)
        batches = sweeper.batches(given, loader, self.max_batch_size, axes, task)
        sweeper.write_multirun(self.config)
        done: list[Sequence[JobReturn]] = []
        for batch in batches:
            if not isinstance(self.launcher, CellLauncher):
                # Its jobs compose the config once more, each for itself.
                batch = batch if axes is None else [[*cell, "axes=null"] for cell in batch]
                self.validate_batch_is_legal(batch)
            results = self.launcher.launch(batch, initial_job_idx=sum(map(len, done)))
            for result in results:
                _ = result.return_value  # raises the job's exception
            done.append(results)
        return done
