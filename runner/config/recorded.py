"""A composed config as records hold it: keys that records did not always list only where they say
something, so that what was recorded before them stays the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from runner.catalog.quantization import NONE
from runner.catalog.schedulers import NAMED, OPTIONS, RECORDED
from runner.catalog.tasks import TASKS
from runner.config.groups import ModelConfig
from runner.config.overrides import as_override
from runner.system.credentials import strip_credentials

OF_THE_COMMAND = ("axes", "skip_invalid", "into", "workers_keep")
"""Keys that say which cells there are, where they go and what stays, and nothing of a cell."""
LATER_KEYS: Mapping[str, object] = {
    "prompt_template": None, "prompt_replace": None, "graphs": "auto", "channels_last": False,
    "any_size": False, "edit_template": "published", "lora": [], "model.variant": None,
    "model.guidance": ModelConfig.guidance, "compile.regional": False,
    "quantize": {"text": NONE, "prior": NONE, "denoiser": NONE},
}  # fmt: skip
"""Keys with their defaults, recorded where they have others: so what was recorded before them stays
the same.
"""
LATER_OF_LORAS = ("file", "revision")
"""Keys of an entry of `lora`, recorded where they are set."""
NEWER = OPTIONS.keys() - {option.name for option in RECORDED}
"""Options of schedulers, which records have only where they are set."""
GROUP_OPTION = ("name", "version", "backend", "mode", "source", "tracker")
"""Keys of a group that say which of its options was chosen."""
MISSING: Final = object()
"""In the place of a value that a config has not."""


def recorded(plain: Mapping[str, Any], corrections: bool) -> Mapping[str, Any]:
    """The composed config as it may be written down: without the credentials of an address, and
    without what records did not always list: newer options that are not set, what weights say of
    `scheduler=checkpoint`, `corrections=on`.
    """
    plain = {**plain, "corrections": False}  # also where a record says "off"
    if corrections:
        del plain["corrections"]
    section, uri = plain["scheduler"], plain["tracking"]["uri"]
    kept = {k: value for k, value in section.items() if k not in NEWER or value is not None}
    plain = {key: value for key, value in plain.items() if key not in OF_THE_COMMAND}
    edits = TASKS[plain["task"]["name"]].shows_picture
    for key, usual in LATER_KEYS.items():
        if not (edits and key == "edit_template"):  # no record is older than it
            plain = _without(plain, key, usual)
    if "lora" in plain:
        plain["lora"] = [
            {k: v for k, v in entry.items() if k not in LATER_OF_LORAS or v is not None}
            for entry in plain["lora"]
        ]
    plain["scheduler"] = kept
    if section["name"] in NAMED:
        kept = {key: value for key, value in plain["weights"].items() if key != "scheduler"}
        plain = {**plain, "weights": kept}
    if uri is None:
        return plain
    return {**plain, "tracking": {**plain["tracking"], "uri": strip_credentials(uri)}}


def value_at(config: Mapping[str, Any], key: str) -> Any:
    """A recorded config's value of a key with dots, "lora.0.weight": where records leave it out at
    its default, that; MISSING where there is no such key, or the config is empty, of a cell that
    has not begun.
    """
    path = key.lstrip("+").split(".")
    found = _at(config, path)
    return _at(_USUAL, path) if found is MISSING and config else found


def typed_at(config: Mapping[str, Any], key: str) -> str | None:
    """A recorded config's value of a key as it is typed, of a group the chosen option; None: it has
    none.
    """
    found = value_at(config, key)
    if isinstance(found, Mapping):
        option = next((found[name] for name in GROUP_OPTION if name in found), None)
        return None if option is None else str(option)
    return None if found is MISSING else as_override(found)


def _at(found: Any, path: Sequence[str]) -> Any:
    for part in path:
        if isinstance(found, list) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        elif isinstance(found, Mapping) and part in found:
            found = found[part]
        else:
            return MISSING
    return found


def _nested(values: Mapping[str, object]) -> dict[str, Any]:
    """{"a.b": 1} -> {"a": {"b": 1}}"""
    found: dict[str, Any] = {}
    for key, value in values.items():
        first, _, rest = key.partition(".")
        if rest:
            found.setdefault(first, {})[rest] = value
        else:
            found[first] = value
    return found


_USUAL = _nested({**LATER_KEYS, **{f"scheduler.{name}": None for name in sorted(NEWER)}})


def _without(section: Mapping[str, Any], key: str, usual: object) -> dict[str, Any]:
    """A copy along the key without it, where it has its usual value."""
    first, _, rest = key.partition(".")
    if rest and first in section:
        return {**section, first: _without(section[first], rest, usual)}
    return {k: value for k, value in section.items() if k != first or value != usual}
