"""A composed config as records hold it: keys that records did not always list only where they say
something, so that what was recorded before them stays the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.catalog.quantization import NONE
from runner.catalog.schedulers import NAMED, OPTIONS, RECORDED
from runner.catalog.tasks import TASKS
from runner.config.groups import ModelConfig
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


def recorded(plain: Mapping[str, Any], corrections: bool) -> Mapping[str, Any]:
    """The composed config as it may be written down: without the credentials of an address, and
    without what records did not always list: newer options that are not set, what weights say of
    `scheduler=checkpoint`, `corrections=on`.
    """
    plain = {**plain, "corrections": False}  # also where a record says "off"
    if corrections:
        del plain["corrections"]
    section, uri = plain["scheduler"], plain["tracking"]["uri"]
    newer = OPTIONS.keys() - {option.name for option in RECORDED}
    kept = {key: value for key, value in section.items() if key not in newer or value is not None}
    plain = {key: value for key, value in plain.items() if key not in OF_THE_COMMAND}
    edits = TASKS[plain["task"]["name"]].shows_picture
    for key, usual in LATER_KEYS.items():
        if not (edits and key == "edit_template"):  # no record is older than it
            plain = _without(plain, key, usual)
    plain["scheduler"] = kept
    if section["name"] in NAMED:
        kept = {key: value for key, value in plain["weights"].items() if key != "scheduler"}
        plain = {**plain, "weights": kept}
    if uri is None:
        return plain
    return {**plain, "tracking": {**plain["tracking"], "uri": strip_credentials(uri)}}


def _without(section: Mapping[str, Any], key: str, usual: object) -> dict[str, Any]:
    """A copy along the key without it, where it has its usual value."""
    first, _, rest = key.partition(".")
    if rest and first in section:
        return {**section, first: _without(section[first], rest, usual)}
    return {k: value for k, value in section.items() if k != first or value != usual}
