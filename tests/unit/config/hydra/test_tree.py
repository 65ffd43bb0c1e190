"""Where the config tree is found, and folders as options of `weights`."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.plugins.config_source import ConfigLoadError

from hydra_plugins.kandinsky_runner import WeightsFolderSource
from runner.config.files import config_dir
from runner.config.hydra.tree import CONFIG_NAME


@pytest.fixture
def source() -> WeightsFolderSource:
    return WeightsFolderSource(provider="test", path="weights-folder://")


def test_the_config_tree_is_there() -> None:
    assert (config_dir() / f"{CONFIG_NAME}.yaml").is_file()
    assert (config_dir() / "experiment").is_dir()


def test_a_folder_is_an_option_of_weights_only(source: WeightsFolderSource, tmp_path: Path) -> None:
    assert source.is_config(f"weights/{tmp_path}")
    assert source.is_config(f"weights/{tmp_path}.yaml")
    assert not source.is_config(f"scheduler/{tmp_path}")


def test_what_is_no_folder_is_no_option(source: WeightsFolderSource, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for written in (tmp_path / "none", tmp_path / "file", ""):
        assert not source.is_config(f"weights/{written}")
        with pytest.raises(ConfigLoadError):
            source.load_config(f"weights/{written}")


def test_relative_folders_and_home(
    source: WeightsFolderSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a b.v1").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert source.load_config("weights/a b.v1.yaml").config == {
        "source": "folder",
        "path": "a b.v1",
        # A folder says nothing of steps, so the model does.
        "steps": {"prior": "${model.steps.prior}", "decoder": "${model.steps.decoder}"},
        "guidance": {"prior": 4.0, "decoder": "${model.guidance}"},
    }
    assert source.load_config("weights/~/a b.v1").config["path"] == str(tmp_path / "a b.v1")


def test_it_lists_nothing_and_is_no_group(source: WeightsFolderSource, tmp_path: Path) -> None:
    assert source.list("weights", None) == []
    assert not source.is_group(f"weights/{tmp_path}")
