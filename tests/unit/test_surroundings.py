"""Which modules of the user's a worker that stays may go on with."""

from __future__ import annotations

import importlib
import time
from pathlib import Path

import pytest

from runner.workers.surroundings import UsersModules


@pytest.mark.parametrize(
    ("edited", "changed"), [(None, False), ("before the look", True), ("after it", True)]
)
def test_a_module_that_may_not_be_what_was_imported_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edited: str | None, changed: bool
) -> None:
    name = f"users_{str(edited).replace(' ', '_')}"
    file = tmp_path / f"{name}.py"
    file.write_text("SAID = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    modules = UsersModules()
    time.sleep(0.05)
    began = time.time()
    importlib.import_module(name)
    if edited == "before the look":  # while the command runs
        file.write_text("SAID = 2\n")
    modules.look(began)
    if edited == "after it":
        file.write_text("SAID = 22\n")
    assert modules.have_changed(str(tmp_path)) is changed


@pytest.mark.parametrize("named", [True, False])
def test_what_torch_has_compiled_is_none_of_the_users_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    monkeypatch.setenv("KANDINSKY_CACHE", str(tmp_path))
    folder = tmp_path / ("elsewhere" if named else "compiled") / "torch"
    if named:
        monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(folder))
    else:
        monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    folder.mkdir(parents=True)
    modules, began = UsersModules(), time.time()
    name = f"compiled_{named}"
    (folder / f"{name}.py").write_text("def call(): ...\n")
    monkeypatch.syspath_prepend(folder)
    importlib.import_module(name)
    modules.look(began)
    assert not modules.have_changed("")
