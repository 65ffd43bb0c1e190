"""Registers with Hydra what the config files need: schema, options, resolvers.

The schema is registered beside the groups that a user chooses from, not as one of them. The
plugins are in `hydra_plugins.kandinsky_runner`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf

from runner.config.files import config_dir as config_dir
from runner.config.hydra.elsewhere import PLUGINS, RayConfig, SubmititConfig
from runner.config.resolve import schema
from runner.system.files import expand_home

CONFIG_NAME = "config"


@dataclass
class CellLauncherConfig:
    """`hydra/launcher=cells`: the stages of a sweep run on this machine."""

    _target_: str = f"{PLUGINS}.CellLauncher"


@dataclass
class CellSweeperConfig:
    """`hydra/sweeper=cells`: each combination of values is a cell.

    Attributes:
        max_batch_size: how many cells to plan and run together; null: all.
        params: further overrides, by key.
        together: arguments with several keys: `height,width=[64,128],[128,64]`.
    """

    _target_: str = f"{PLUGINS}.CellSweeper"
    max_batch_size: int | None = None
    params: dict[str, str] | None = None
    together: list[str] | None = None


def register() -> None:
    """Register schema, resolvers, launchers and sweeper with Hydra. May be called again."""
    OmegaConf.register_new_resolver("example", _example, replace=True)
    OmegaConf.register_new_resolver("when", _when, replace=True)
    OmegaConf.register_new_resolver("multirun_if", _multirun_if, replace=True)
    OmegaConf.register_new_resolver("expand_home", expand_home, replace=True)
    _store_options(ConfigStore.instance())


@cache
def _store_options(known: ConfigStore) -> None:
    # Hydra's plugins store their options first; `basic` is replaced, as Hydra's own would run
    # the cells one by one, each as a separate run.
    Plugins.instance()
    store = known.store
    store(name="typed_schema", node=schema())  # made once: it takes 17 ms
    for name in ("cells", "basic"):
        store(group="hydra/launcher", name=name, node=CellLauncherConfig)
        store(group="hydra/sweeper", name=name, node=CellSweeperConfig)
    store(group="hydra/launcher", name="ray", node=RayConfig)
    store(group="hydra/launcher", name="submitit", node=SubmititConfig)


def _example(name: str) -> str:
    """`${example:circle.png}`: the path of a picture that comes with the experiments."""
    return str((config_dir() / "experiment" / "inputs" / name).resolve())


def _when(value: object, is_this: object, then: object) -> object:
    """`${when:${task.name},inpaint,mask.png}`: a value for one choice, null for all others."""
    return then if str(value) == str(is_this) else None


def _multirun_if(axes: object) -> str | None:
    """`${multirun_if:${axes}}`: a config with `axes` is a sweep, also without -m."""
    return None if axes is None else "MULTIRUN"
