"""Cells composed the fast way are what Hydra composes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.initialize import initialize_config_dir
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from runner.config.hydra import tree
from runner.config.hydra.composing import CellComposer

SWEEP_FLAGS = ["hydra.job.name=app"]


@pytest.fixture
def loader() -> Iterator[ConfigLoader]:
    tree.register()
    with initialize_config_dir(str(tree.config_dir()), version_base="1.3"):
        found = GlobalHydra.instance().config_loader()
        assert isinstance(found, ConfigLoader)
        yield found


def master_of(loader: ConfigLoader, *flags: str) -> DictConfig:
    return loader.load_configuration(
        tree.CONFIG_NAME, [*SWEEP_FLAGS, *flags], run_mode=RunMode.MULTIRUN
    )


def composed_by_hydra(
    loader: ConfigLoader, master: DictConfig, overrides: list[str], number: int
) -> object:
    config = loader.load_sweep_config(master, overrides)
    OmegaConf.set_struct(config, False)
    config.hydra.job.id = config.hydra.job.num = number
    return as_plain(config)


def as_plain(config: DictConfig) -> object:
    """Interpolations resolved where they can be, unresolved ones beside them."""
    body = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    return (
        OmegaConf.to_container(body, resolve=True, enum_to_str=True),
        OmegaConf.to_container(config, resolve=False, enum_to_str=True),
    )


CELLS = [
    [],
    ["scheduler=ddpm"],
    ["scheduler=ddpm", "decoder.guidance_scale=3"],
    ["decoder.guidance_scale=3", "scheduler=ddpm"],
    ["decoder.guidance_scale=5", "decoder.guidance_scale=6"],
    ["prompt='a, b'", "seeds=[1,2,3]", "name=x"],
    ["prompt=[one,two]", "height=64", "width=64"],
    ["decoder={num_inference_steps: 3, guidance_scale: 1}"],
    ["model=kandinsky3", "task=img2img", "inputs.image=x.png", "strength=0.5"],
    ["weights=hub", "model=kandinsky2_1"],
    ["weights=hub", "decoder.num_inference_steps=${model.steps.decoder}"],
    ["name=with-${scheduler.name}", "scheduler=dpmpp_2m"],
    ["experiment=first_light"],
    ["experiment=first_light", "seeds=[7]"],
    ["experiment=guide/text2img_2_2", "decoder.num_inference_steps=2"],
    ["+extra=1"],
    ["~seeds"],
    ["++question=why", "precision=fp16", "precision.prior=fp32"],
    ["question='${hydra:job.num}'"],
    ["tracking=none", "cache=off", "compile=default", "offload=model", "attention=sliced"],
]


def test_cells_are_those_that_hydra_composes(loader: ConfigLoader) -> None:
    master = master_of(loader)
    composer = CellComposer(loader, master)
    first = []
    for number, overrides in enumerate(CELLS):
        made = composer.compose(overrides, number)
        plain = None
        if all("hydra:" not in text for text in overrides):
            plain = as_plain(made)
            assert plain == composed_by_hydra(loader, master, overrides, number), overrides
        assert made.hydra.job.num == number
        first.append(plain)
    for number, overrides in enumerate(CELLS):  # from what is remembered
        again = composer.compose(overrides, number)
        assert again.hydra.job.num == number
        if first[number] is not None:
            assert as_plain(again) == first[number], overrides


@pytest.mark.parametrize(
    "overrides",
    [
        ["scheduler=none"],
        ["promt=x"],
        ["height=tall"],
        ["decoder.steps=3"],
        ["a b=c"],
        ["~nothing"],
    ],
)
def test_what_hydra_refuses_is_refused_in_the_same_words(
    loader: ConfigLoader, overrides: list[str]
) -> None:
    master = master_of(loader)
    said = []
    for compose in (
        lambda: loader.load_sweep_config(master, overrides),
        lambda: CellComposer(loader, master).compose(overrides, 0),
    ):
        with pytest.raises(HydraException) as error:
            compose()
        said.append(str(error.value))
    assert said[0] == said[1]


def test_groups_of_a_users_own_folder_are_known(loader: ConfigLoader, tmp_path: Path) -> None:
    mine = tmp_path / "experiment" / "mine"
    mine.mkdir(parents=True)
    (mine / "steps.yaml").write_text("# @package _global_\nseeds: [5]\n")
    (tmp_path / "taste").mkdir()
    (tmp_path / "taste" / "warm.yaml").write_text("# @package _global_\nquestion: warm\n")
    flag = f"hydra.searchpath=[file://{tmp_path},weights-folder://]"
    master = master_of(loader, flag)
    master.hydra.overrides.hydra = [flag]
    composer = CellComposer(loader, master)
    for overrides in (["experiment=mine/steps"], ["+taste=warm", "seeds=[1]"]):
        made = composer.compose(overrides, 0)
        assert as_plain(made) == composed_by_hydra(loader, master, overrides, 0)


def test_a_choice_is_composed_once(loader: ConfigLoader, monkeypatch: pytest.MonkeyPatch) -> None:
    master = master_of(loader)
    composer, calls = CellComposer(loader, master), []
    compose = loader.load_sweep_config
    monkeypatch.setattr(
        loader, "load_sweep_config", lambda *given: (calls.append(given), compose(*given))[1]
    )
    for number, steps in enumerate(range(1, 30)):
        composer.compose([f"decoder.num_inference_steps={steps}", "scheduler=ddpm"], number)
    assert len(calls) == 1
