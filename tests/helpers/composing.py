"""Composes configs for tests: each choice of group options once for a whole test process."""

from __future__ import annotations

from functools import cache

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, open_dict

from runner.config.hydra import tree
from runner.config.hydra.composing import CellComposer
from runner.config.resolve import resolve
from runner.config.run_config import RunConfig


def compose_config(*overrides: str) -> RunConfig:
    """The config of a list of overrides. Raises what Hydra and `resolve` raise."""
    return resolve(compose_tree(*overrides), overrides=overrides)


def compose_tree(*overrides: str) -> DictConfig:
    """What Hydra composes of overrides, composed as the cells of a sweep are, in a tenth of the
    time: `test_composing.py` compares the two. Raises what Hydra raises.
    """
    try:
        config = _composer().compose(overrides, 0)
        with open_dict(config):
            del config["hydra"]
    except Exception:
        # Hydra raises the error.
        with initialize_config_dir(str(tree.config_dir()), version_base="1.3"):
            config = compose(tree.CONFIG_NAME, overrides=list(overrides))
    return config


@cache
def _composer() -> CellComposer:
    tree.register()
    with initialize_config_dir(str(tree.config_dir()), version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        master = compose(tree.CONFIG_NAME, return_hydra_config=True)
        return CellComposer(hydra.config_loader, master)
