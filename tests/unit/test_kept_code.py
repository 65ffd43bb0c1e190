"""Compiled code that is kept: a folder for each machine and its libraries, within bounds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runner.system.kept_code import code_dir, kept_code, open_code, trim_code
from runner.verbs import cache


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KANDINSKY_CACHE", str(tmp_path / "cache"))


def filled(torch: str, size: int, used: float) -> Path:
    """A folder that nobody uses."""
    folder, lock = open_code({"torch": torch})
    (folder / "code").write_bytes(b"x" * size)
    os.utime(folder / "about.json", (used, used))
    lock.close()
    return folder


def test_each_machine_has_a_folder_that_only_its_user_enters() -> None:
    one, lock = open_code({"torch": "1", "device": "cpu"})
    same, other_lock = open_code({"device": "cpu", "torch": "1"})
    other, _ = open_code({"torch": "2", "device": "cpu"})
    assert one == same != other
    assert {one.parent, other.parent} == {code_dir()}
    assert code_dir().stat().st_mode & 0o077 == one.stat().st_mode & 0o077 == 0
    assert [kept.made_for["torch"] for kept in kept_code()] == ["1", "2"]
    lock.close()
    other_lock.close()


def test_what_was_used_least_recently_goes_first_and_what_is_in_use_stays() -> None:
    old, newer, newest = (filled(str(n), 1000, used=n) for n in (1, 2, 3))
    _, lock = open_code({"torch": "1"})
    os.utime(old / "about.json", (1, 1))
    assert trim_code(2500) > 1000  # the oldest is in use
    assert [path.exists() for path in (old, newer, newest)] == [True, False, True]
    lock.close()
    trim_code(0)
    assert not old.exists()
    assert not newest.exists()
    assert not list(code_dir().glob(".*"))


def test_kandinsky_cache_tells_and_trims_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cache.main([str(tmp_path)]) == 0
    assert "compiled" not in capsys.readouterr().out
    filled("1", 5000, used=1)
    assert cache.main([str(tmp_path)]) == 0
    assert f"{code_dir()}: compiled code of all runs, 5 kB" in capsys.readouterr().out
    assert cache.main([str(tmp_path), "--trim", "0"]) == 0
    assert "dropped compiled code, 5 kB" in capsys.readouterr().out
    assert kept_code() == []
