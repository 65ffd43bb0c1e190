"""Expands patterns like `experiment=glob(tour/*)`, also in subfolders of options.

Hydra's own glob does not see options in subfolders of the group, and where nothing matches it
silently sweeps over nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from hydra.core.config_loader import ConfigLoader
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.types import Glob, Override, Transformer

from runner.errors import ConfigError


def matching_options(override: Override) -> list[str] | None:
    """The options that an override's pattern matches, as written in an override; None where it
    has no pattern.

    Raises:
        ConfigError: no option matches.
    """
    pattern = cast(object, override.value())
    if not isinstance(pattern, Glob) or override.config_loader is None:
        return None
    group = override.key_or_group
    depths = sorted({written.count("/") for written in pattern.include})
    names = [name for depth in depths for name in _options(override.config_loader, group, depth)]
    found = pattern.filter(names)
    if not found:
        raise ConfigError(
            group, f"glob({','.join(pattern.include)})", "matches nothing", names or "no options"
        )
    return [Transformer.str(name) for name in found]


def _options(loader: ConfigLoader, group: str, depth: int) -> Iterable[str]:
    """Options `depth` folders deep in a group."""
    if depth == 0:
        return loader.get_group_options(group, ObjectType.CONFIG)
    folders = loader.get_group_options(group, ObjectType.GROUP)
    return [f"{f}/{name}" for f in folders for name in _options(loader, f"{group}/{f}", depth - 1)]
