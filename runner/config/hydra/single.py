"""Composes one config with Hydra's Compose API (https://hydra.cc/docs/advanced/compose_api/)."""

from __future__ import annotations

from collections.abc import Sequence

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from runner.config.hydra import tree
from runner.config.hydra.arguments import prepare
from runner.config.hydra.problems import config_problem
from runner.config.resolve import resolve
from runner.config.run_config import RunConfig
from runner.errors import ComposeError


def compose_one(overrides: Sequence[str]) -> RunConfig:
    """The config of a list of overrides.

    Raises:
        ConfigError: a key, type or value is wrong.
        ComposeError: Hydra's errors, reworded.
    """
    tree.register()
    overrides = prepare(overrides)
    try:
        composed = composed_with_hydra(overrides)
    except (HydraException, OmegaConfBaseException) as error:
        raise ComposeError(config_problem(error)) from error
    return resolve_composed(composed, overrides)


def composed_with_hydra(overrides: Sequence[str]) -> DictConfig:
    """Compose with Hydra; the result has its `hydra` node.

    Raises:
        HydraException, OmegaConfBaseException: as Hydra raises them.
    """
    with initialize_config_dir(str(tree.config_dir()), version_base="1.3"):
        return compose(tree.CONFIG_NAME, list(overrides), return_hydra_config=True)


def resolve_composed(composed: DictConfig, overrides: Sequence[str]) -> RunConfig:
    """Check a composed config, with its `hydra` node, and freeze it. Raises ConfigError."""
    experiment = OmegaConf.select(composed, "hydra.runtime.choices.experiment")
    with open_dict(composed):
        del composed["hydra"]
    return resolve(composed, experiment=experiment, overrides=overrides)
