"""Removes credentials from addresses before these are shown or recorded."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

USER_WITHOUT_SCHEME = re.compile(r"^[^/]*:[^/]*@")

USER_AFTER_ODD_SCHEME = re.compile(r"^([^/:]*://)[^/]*@")
"""Such as of `postgresql+my_driver`, whose underscore a scheme cannot have."""


def strip_credentials(uri: str) -> str:
    """An address without user, password, query and fragment, to be shown and logged."""
    try:
        parts = urlsplit(uri)
    except ValueError:  # not an address, but it may still hold a password
        return uri.rpartition("@")[2]
    if not parts.netloc:
        if USER_AFTER_ODD_SCHEME.match(uri):
            return USER_AFTER_ODD_SCHEME.sub(r"\1", uri.partition("?")[0])
        return USER_WITHOUT_SCHEME.sub("", uri, count=1)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def strip_override(override: str, uri: str | None) -> str:
    """An override to be recorded: without the credentials of `uri`, the tracking address."""
    shown = "null" if uri is None else strip_credentials(uri)
    key, _, value = override.partition("=")
    if key.lstrip("+~") == "tracking.uri" and value:
        # Replaces the whole value: with quotes and escapes an address has several spellings.
        return f"{key}={shown}"
    return override if uri is None else override.replace(uri, shown)
