"""Where the config files are, and what Hydra cannot do by itself.

The schema is registered beside the groups that a user picks from, not as one of them.
`weights=<folder>` works through a config source of its own, so that a folder may stand wherever
a group's option may: on the command line, in a sweep, in an experiment's defaults.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from hydra._internal.hydra import Hydra
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.config_store import ConfigStore
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.types import RunMode
from omegaconf import OmegaConf

from runner.config.files import config_dir as config_dir
from runner.config.schema import Config

CONFIG_NAME = "config"
WEIGHTS_GROUP = "weights/"
MODEL_STEPS = {"prior": "${model.steps.prior}", "decoder": "${model.steps.decoder}"}


@contextlib.contextmanager
def known_mode() -> Iterator[None]:
    """Spares Hydra composing everything twice: the first time only tells it `hydra.mode`."""
    ask = Hydra.get_mode
    setattr(Hydra, "get_mode", lambda *_, **__: RunMode.RUN)  # noqa: B010
    try:
        yield
    finally:
        setattr(Hydra, "get_mode", ask)  # noqa: B010


def says_mode() -> bool:
    """Whether a file of the tree, experiments aside, may set `hydra.mode`."""
    tree = config_dir()
    options = [path for path in tree.glob("**/*.yaml") if tree / "experiment" not in path.parents]
    return any(b"hydra" in text and b"mode:" in text for text in map(Path.read_bytes, options))


def register() -> None:
    """Make schema, sources, sweeper, launcher and resolver known to Hydra. May be called again."""
    OmegaConf.register_new_resolver("example", _example, replace=True)
    OmegaConf.register_new_resolver("when", _when, replace=True)
    ConfigStore.instance().store(name="typed_schema", node=Config)
    SourcesRegistry.instance().register(WeightsFolderSource)
    plugins = Plugins.instance()
    # Only now: making that instance has Hydra load its plugins' classes anew.
    from runner.config import elsewhere, launcher, sweeper

    plugins.class_name_to_class[sweeper.REPLACED] = sweeper.Sweeper
    plugins.class_name_to_class[launcher.REPLACED] = launcher.CellLauncher
    for settings, kind in elsewhere.LAUNCHERS:
        plugins.class_name_to_class[settings._target_] = kind
        ConfigStore.instance().store(group="hydra/launcher", name=kind.package, node=settings)


def _example(name: str) -> str:
    """`${example:circle.png}`: the path of a picture that comes with the experiments."""
    return str((config_dir() / "experiment" / "inputs" / name).resolve())


def _when(value: object, is_this: object, then: object) -> object:
    """`${when:${task.name},inpaint,mask.png}`: a value for one choice, and null for all others."""
    return then if str(value) == str(is_this) else None


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

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        return []

    def load_config(self, config_path: str) -> ConfigResult:
        folder = self._folder(config_path)
        if folder is None:
            raise ConfigLoadError(f"no such folder: {config_path}")
        config = OmegaConf.create({"source": "folder", "path": str(folder), "steps": MODEL_STEPS})
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
        return path if written and path.is_dir() else None
