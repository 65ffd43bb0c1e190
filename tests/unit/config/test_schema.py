"""The schema and the config tree say the same."""

from __future__ import annotations

from enum import Enum

import pytest
import yaml

from runner.config import choices
from runner.config.hydra import tree

GROUPS: dict[str, tuple[type[Enum], str]] = {
    "model": (choices.Version, "version"),
    "task": (choices.Task, "name"),
    "scheduler": (choices.SchedulerName, "name"),
    "attention": (choices.AttentionBackend, "backend"),
    "offload": (choices.OffloadMode, "mode"),
    "cache": (choices.CacheMode, "mode"),
    "tracking": (choices.Tracker, "tracker"),
    "precision": (choices.Precision, "decoder"),
}


@pytest.mark.parametrize("group", GROUPS)
def test_each_member_of_an_enum_has_its_option(group: str) -> None:
    members, key = GROUPS[group]
    files = sorted((tree.config_dir() / group).glob("*.yaml"))
    assert [file.stem for file in files] == sorted(member.name for member in members)
    for file in files:
        assert yaml.safe_load(file.read_text())[key] == file.stem


def test_weights_options_are_all_sources_but_the_folder() -> None:
    files = (tree.config_dir() / "weights").glob("*.yaml")
    others = {source.name for source in choices.WeightsSource} - {"folder"}
    assert {file.stem for file in files} == others
