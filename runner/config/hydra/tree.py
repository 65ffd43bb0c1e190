"""Where the config files are, and what Hydra is given besides: schema, options, resolvers.

The schema is registered beside the groups that a user picks from, not as one of them. The plugins
are those of `hydra_plugins.kandinsky_runner`.
"""

from __future__ import annotations

from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf

from runner.config.files import config_dir as config_dir
from runner.config.hydra.elsewhere import PLUGINS, RayConfig, SubmititConfig
from runner.config.schema import Config

CONFIG_NAME = "config"


@dataclass
class CellLauncherConfig:
    """The stages of a sweep run on this machine."""

    _target_: str = f"{PLUGINS}.CellLauncher"


@dataclass
class CellSweeperConfig:
    """Each combination of values is a cell.

    Attributes:
        max_batch_size: how many cells are planned and run together; null: all.
        params: further overrides, by key.
    """

    _target_: str = f"{PLUGINS}.CellSweeper"
    max_batch_size: int | None = None
    params: dict[str, str] | None = None


def register() -> None:
    """Make schema, resolvers, launchers and sweeper known to Hydra. May be called again."""
    OmegaConf.register_new_resolver("example", _example, replace=True)
    OmegaConf.register_new_resolver("when", _when, replace=True)
    # Hydra's plugins store their own options first: `basic` is replaced, since those of Hydra run
    # cell after cell, each as a run of its own.
    Plugins.instance()
    store = ConfigStore.instance().store
    store(name="typed_schema", node=Config)
    for name in ("cells", "basic"):
        store(group="hydra/launcher", name=name, node=CellLauncherConfig)
        store(group="hydra/sweeper", name=name, node=CellSweeperConfig)
    store(group="hydra/launcher", name="ray", node=RayConfig)
    store(group="hydra/launcher", name="submitit", node=SubmititConfig)


def _example(name: str) -> str:
    """`${example:circle.png}`: the path of a picture that comes with the experiments."""
    return str((config_dir() / "experiment" / "inputs" / name).resolve())


def _when(value: object, is_this: object, then: object) -> object:
    """`${when:${task.name},inpaint,mask.png}`: a value for one choice, and null for all others."""
    return then if str(value) == str(is_this) else None
