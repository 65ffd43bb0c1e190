"""What Hydra has read and merged before, in this process, is what it would read and merge anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from helpers.composed_once import compose_as_ever
from runner.config.hydra import tree

GIVEN: dict[str, list[str]] = {
    "nothing": [],
    "groups": ["model=kandinsky2_1", "task=img2img", "scheduler=ddpm", "metrics=[psnr]"],
    "values": ["scheduler=ddim", "height=64", "seeds=[1,2]", "hydra.job.name=x"],
    "a study": ["experiment=first_light", "decoder.guidance_scale=2"],
}
WRONG = ["scheduler=none", "heigth=64", "experiment=", "+scheduler=ddim"]


def composed(*overrides: str, folder: Path | None = None) -> DictConfig:
    tree.register()
    with initialize_config_dir(str(folder or tree.config_dir()), version_base="1.3"):
        return compose(tree.CONFIG_NAME, list(overrides), return_hydra_config=True)


def described(config: Any) -> Any:
    """The types, flags and values of all nodes."""
    about = config._metadata
    own = (type(config), about.ref_type, about.object_type, about.optional, about.flags)
    if isinstance(config, DictConfig) and isinstance(config._content, dict):
        return (*own, {key: described(config._get_node(key)) for key in config})
    return (*own, config._value())


@pytest.mark.parametrize("overrides", GIVEN.values(), ids=GIVEN)
def test_it_is_the_same(overrides: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    composed(*overrides)
    again = composed(*overrides)
    with monkeypatch.context() as patch:
        compose_as_ever(patch)
        expected = composed(*overrides)
    assert again == expected
    assert described(again) == described(expected)
    OmegaConf.update(again, "prompt", "another")
    assert composed(*overrides) == expected  # each has a copy of its own


@pytest.mark.parametrize("wrong", WRONG)
def test_errors_are_the_same(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HydraException) as told:
        composed(wrong)
    compose_as_ever(monkeypatch)
    with pytest.raises(HydraException) as expected:
        composed(wrong)
    assert (type(told.value), str(told.value)) == (type(expected.value), str(expected.value))


def test_a_file_that_has_changed_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / f"{tree.CONFIG_NAME}.yaml"
    for number in (1, 2):
        file.write_text(f"own: {number}\n")
        assert composed(folder=tmp_path)["own"] == number
