"""What a version or a task is, its row says: no other code knows one by its name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import runner
from runner.catalog.tasks import TASKS

ROOT = Path(runner.__file__).parent
OWN = ("catalog/", "kandinsky2_0/", "kandinsky5/", "mini/")
"""Rows, and the rooms of versions."""
TASK = TASKS.keys() - {"interpolate"}
"""That one is also a key, and a stage."""
VERSION = re.compile(r"kandinsky_?v?\d", re.IGNORECASE)
KNOWN = {
    "config/groups.py": "the defaults of `model.version` and `task.name`",
    "pipelines/random_tokenizers.py": "its text processor, for random weights",
    "verbs/convert.py": "the converter of the version published in a layout of its own",
    "planning/tasks.py": "a function a task, which makes its nodes",
}
"""As ARCHITECTURE.md tells of adding a version or a task."""


def names(tree: ast.Module) -> Iterator[str]:
    """Identifiers, imported modules, and texts of one word."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield "" if " " in node.value else node.value
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield f"{node.module}"


def test_no_other_code_names_a_version_or_a_task() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        if any(VERSION.search(n) or n in TASK for n in names(ast.parse(path.read_text("utf-8"))))
    }
    assert {file for file in found if not file.startswith(OWN)} == KNOWN.keys()
