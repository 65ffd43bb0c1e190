"""`kandinsky doctor`: what works here."""

from __future__ import annotations

from importlib import metadata

import pytest

from runner.config.choices import AttentionBackend, OffloadMode
from runner.verbs import doctor
from unit.conftest import Command


def test_it_shows_versions_devices_and_modes(command: Command) -> None:
    said = command("doctor")
    assert said.status == 0
    assert metadata.version("torch") in said.out
    for member in (*AttentionBackend, *OffloadMode):
        assert f"  {member.name} " in said.out
    assert "cores" in said.out


def test_a_missing_package_is_an_error(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "NEEDED", ("torch", "no-such-package"))
    said = command("doctor")
    assert said.status == 1
    assert "missing: no-such-package" in said.out
