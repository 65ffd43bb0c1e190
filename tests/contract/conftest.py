"""The fixtures of the unit tests."""

from unit.conftest import command, composed, family, pictures

__all__ = ["command", "composed", "family", "pictures"]
