"""The schema and the config tree agree."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

import pytest
import yaml

from runner.catalog.attention import ATTENTION
from runner.catalog.offload import OFFLOAD
from runner.catalog.schedulers import SCHEDULERS
from runner.catalog.tasks import TASKS
from runner.catalog.versions import VERSIONS
from runner.config import choices
from runner.config.hydra import tree

TABLES: dict[str, tuple[Iterable[str], str]] = {
    "model": (VERSIONS, "version"),
    "task": (TASKS, "name"),
    "scheduler": (SCHEDULERS, "name"),
    "attention": (ATTENTION, "backend"),
    "offload": (OFFLOAD, "mode"),
}
GROUPS: dict[str, tuple[type[Enum], str]] = {
    "cache": (choices.CacheMode, "mode"),
    "tracking": (choices.Tracker, "tracker"),
    "precision": (choices.Precision, "decoder"),
}


@pytest.mark.parametrize("group", GROUPS)
def test_each_member_of_an_enum_has_its_option(group: str) -> None:
    members, key = GROUPS[group]
    check_options(group, [member.name for member in members], key)


@pytest.mark.parametrize("group", TABLES)
def test_each_row_of_the_catalog_has_its_option(group: str) -> None:
    table, key = TABLES[group]
    check_options(group, table, key)


def check_options(group: str, names: Iterable[str], key: str) -> None:
    """One file for each name, which sets the key to it."""
    files = sorted((tree.config_dir() / group).glob("*.yaml"))
    assert [file.stem for file in files] == sorted(names)
    for file in files:
        assert yaml.safe_load(file.read_text())[key] == file.stem


def test_weights_options_are_all_sources_but_the_folder() -> None:
    files = (tree.config_dir() / "weights").glob("*.yaml")
    others = {source.name for source in choices.WeightsSource} - {"folder"}
    assert {file.stem for file in files} == others
