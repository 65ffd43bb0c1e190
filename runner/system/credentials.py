"""Credentials within addresses: used to connect, never shown or recorded."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

USER_WITHOUT_SCHEME = re.compile(r"^[^/]*:[^/]*@")


def strip_credentials(uri: str) -> str:
    """An address as it may be shown and logged: no user, password, query or fragment."""
    try:
        parts = urlsplit(uri)
    except ValueError:  # no address at all, and still no reason to show a password
        return uri.rpartition("@")[2]
    if not parts.netloc:
        return USER_WITHOUT_SCHEME.sub("", uri, count=1)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def strip_override(override: str, uri: str | None) -> str:
    """An override as it may be written down, where the tracking address is `uri`."""
    shown = "null" if uri is None else strip_credentials(uri)
    key, _, value = override.partition("=")
    if key.lstrip("+~") == "tracking.uri" and value:
        # The whole value: quotes and escapes may write the same address in another way.
        return f"{key}={shown}"
    return override if uri is None else override.replace(uri, shown)
