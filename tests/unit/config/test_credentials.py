"""Removal of credentials from addresses."""

from __future__ import annotations

import pytest

from runner.system.credentials import strip_credentials, strip_override


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("http://host:5000/path", "http://host:5000/path"),
        ("http://user:word@host:5000/path", "http://host:5000/path"),
        ("https://token@host", "https://host"),
        ("http://user:wo@rd@host", "http://host"),
        ("http://host/path?token=word#word", "http://host/path"),
        ("postgresql+psycopg2://user:word@host/db?password=word", "postgresql+psycopg2://host/db"),
        ("user:word@host:5000", "host:5000"),
        ("http://user:word@[host", "[host"),
        ("sqlite:////folder/a:b@c.db", "sqlite:////folder/a:b@c.db"),
        ("runs/me@here", "runs/me@here"),
        ("databricks", "databricks"),
        ("", ""),
    ],
)
def test_without_credentials(uri: str, expected: str) -> None:
    assert strip_credentials(uri) == expected


@pytest.mark.parametrize("prefix", ["", "+", "++"])
def test_override_of_the_address_is_rewritten_however_it_was_quoted(prefix: str) -> None:
    override = f"{prefix}tracking.uri='http://u:it\\'s@host'"
    assert strip_override(override, "http://u:it's@host") == f"{prefix}tracking.uri=http://host"


def test_address_within_another_override_is_cleaned() -> None:
    override = "question=see http://u:word@host"
    assert strip_override(override, "http://u:word@host") == "question=see http://host"


def test_other_overrides_stay() -> None:
    assert strip_override("prompt=a@b", None) == "prompt=a@b"
    assert strip_override("~tracking.uri", None) == "~tracking.uri"
