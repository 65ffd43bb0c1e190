"""What the text of an override means."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from hydra.errors import OverrideParseException

from runner.config.overrides import unquoted

PARSER = OverridesParser.create()


@cache
def value_meant(text: str) -> Any:
    """What the text of an override's value means, as plain values; interpolations stay texts."""
    if text[:1] in ("'", '"') and text[-1:] == text[:1] and len(text) > 1:
        return unquoted(text)
    if text[:1] in ("[", "{"):
        try:
            return _plain(PARSER.parse_override(f"key={text}").value())
        except OverrideParseException:
            return text
    try:
        return json.loads(text)  # numbers, true, false, null
    except ValueError:
        return text


def _plain(value: Any) -> Any:
    if isinstance(value, QuotedString):
        return unquoted(value.with_quotes())
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value
