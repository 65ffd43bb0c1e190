"""The parts of Hydra that the runner uses, and what other Hydra applications see of the runner.

Hydra changes undocumented names without notice, so only runner/config/hydra/ and the plugins in
hydra_plugins/ import Hydra at all, and they import it by public names: `hydra` itself,
`hydra.core`, `hydra.errors`, `hydra.plugins` and `hydra.types`. Of these, not fully documented:

- `HydraConfig.instance().cfg`: the launcher assigns it, to put back what was there before it
  composed cells. Hydra's own way of setting it, `set_config`, does not take None.
- `hydra_job.__module__`: `hydra.main` names the job after the module of the function it is given.
- HYDRA_FULL_ERROR: the variable is documented, as a switch for users; it makes `hydra.main` raise
  its errors, which are then reworded.
- the texts of Hydra's errors, which `problems` parses for the key and the options: there is no
  other way to get these. An unknown text is shown unchanged.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path for folder in ("runner", "hydra_plugins") for path in (ROOT / folder).rglob("*.py")
)
ALLOWED = ("runner/config/hydra/", "hydra_plugins/kandinsky_runner/")
PUBLIC = ("hydra", "hydra.core", "hydra.errors", "hydra.plugins", "hydra.types")


def parsed(source: Path) -> ast.Module:
    return ast.parse(source.read_text(encoding="utf-8"))


def names_of_hydra(tree: ast.Module) -> Iterator[str]:
    """`hydra.core.plugins.Plugins` for `from hydra.core.plugins import Plugins`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] == "hydra")


def private_attributes(tree: ast.Module) -> set[str]:
    """`x._name`, of anything but `self` and `cls`."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    }


USING = {
    path.relative_to(ROOT).as_posix(): found
    for path in SOURCES
    # Parsing all would take each worker seconds while it collects.
    if "hydra" in path.read_text(encoding="utf-8")
    if (found := set(names_of_hydra(parsed(path))))
}


def test_hydra_is_known_in_one_place() -> None:
    assert USING
    assert [name for name in USING if not name.startswith(ALLOWED)] == []


@pytest.mark.parametrize("source", USING)
def test_hydra_is_used_by_public_names(source: str) -> None:
    private = {name for name in USING[source] if any(p.startswith("_") for p in name.split("."))}
    assert private == set()
    packages = {name.rpartition(".")[0] or name for name in USING[source]}
    assert [p for p in packages if not f"{p}.".startswith(tuple(f"{q}." for q in PUBLIC))] == []
    assert private_attributes(parsed(ROOT / source)) == set()


OTHER_APPLICATION = """
import sys
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
names = {plugin.__module__ for plugin in Plugins.instance().discover()}
assert "hydra_plugins.kandinsky_runner" in names, names
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"runner", "torch", "mlflow"}))
store = ConfigStore.instance()
print(*store.list("hydra/launcher"), *store.list("hydra/sweeper"))
"""


def test_other_applications_of_hydra_see_no_difference(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OTHER_APPLICATION],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    imported, options = done.stdout.splitlines()
    assert imported == ""
    assert not {"cells.yaml", "ray.yaml", "submitit.yaml"} & set(options.split())
    assert "basic.yaml" in options.split()
