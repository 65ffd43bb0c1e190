"""Cells resolved with shared work equal cells resolved in full."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.initialize import initialize_config_dir
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from runner.config.hydra import cells as module
from runner.config.hydra import tree
from runner.config.hydra.cells import CellResolver
from runner.config.hydra.composing import CellComposer
from runner.config.resolve import read, resolve
from runner.config.run_config import RunConfig
from runner.errors import ConfigError


@pytest.fixture
def composer() -> Iterator[CellComposer]:
    tree.register()
    with initialize_config_dir(str(tree.config_dir()), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        assert isinstance(loader, ConfigLoader)
        master = loader.load_configuration(
            tree.CONFIG_NAME, ["hydra.job.name=app"], run_mode=RunMode.MULTIRUN
        )
        yield CellComposer(loader, master)


def the_whole_way(composer: CellComposer, overrides: list[str], number: int) -> RunConfig:
    composed: DictConfig = composer.compose(overrides, number)
    HydraConfig.instance().set_config(composed)
    experiment = HydraConfig.get().runtime.choices.get("experiment")
    with open_dict(composed):
        del composed["hydra"]
    return resolve(composed, experiment=experiment, overrides=overrides)


CELLS = [
    [],
    ["scheduler=ddpm", "decoder.guidance_scale=3"],
    ["decoder.guidance_scale=3", "scheduler=ddpm", "decoder.guidance_scale=5"],
    ["prior.num_inference_steps=7", "decoder.num_inference_steps=8", "seeds=[4,5]"],
    ["prompt='a, b'", "seeds=[1,2,3]", "name=x"],
    ["prompt=[one,two]", "height=64", "width=128", "negative_prompt=null"],
    ["prompt='null'", "negative_prompt='it is \\'so\\''"],
    ["prompt='costs $5'", "question=why?"],
    ["decoder.guidance_scale='3'", "height='64'", "cache.mode=use", "batch_size=2"],
    ["output_dir='~/here'", "prompt_file=null", "resume=no"],
    # Others read these.
    ["weights.steps.decoder=9"],
    ["weights.steps={prior: 2, decoder: 3}"],
    ["task.prompt=a cross", "decoder.guidance_scale=3"],
    ["output_dir=elsewhere", "decoder.guidance_scale=3"],
    ["decoder={num_inference_steps: 3, guidance_scale: 1}", "decoder.guidance_scale=2"],
    ["decoder.num_inference_steps=${weights.steps.prior}", "weights.steps.prior=4"],
    ["name=with-${scheduler.name}", "scheduler=dpmpp_2m"],
    ["name=with-$\\{height\\}", "height=64"],  # as a sweeper hands it on
    ["question=job ${hydra:job.num}", "decoder.guidance_scale=3"],
    ["experiment=first_light", "seeds=[7]"],
    ["experiment=guide/text2img_2_2", "decoder.num_inference_steps=2"],
    ["++question=why", "precision=fp16", "precision.prior=fp32"],
    ["tracking=none", "cache=off", "compile=default", "offload=model", "attention=sliced"],
    ["tracking.uri=http://user:secret@host", "decoder.guidance_scale=3"],
    # Within a metric, which is named; one has no default for these.
    ["metrics=[clip_score]", "metrics.clip_score.clip=kandinsky2_1", "height=64"],
    ["metrics=[fid]", "metrics.fid.arguments.real=/a", "metrics.fid.arguments.network=/b"],
    [
        "cache.mode=off",
        "offload.mode=model",
        "scheduler=ddim",
        "scheduler.eta=0.5",
        "progress=lines",
    ],
]


def test_a_cell_is_what_the_whole_way_makes_of_it(composer: CellComposer) -> None:
    resolver = CellResolver(composer)
    for _ in range(2):  # the second time from what is remembered
        for number, overrides in enumerate(CELLS):
            made = resolver.resolve(overrides, number)
            assert made == the_whole_way(composer, overrides, number), overrides


@pytest.mark.parametrize(
    "overrides",
    [
        ["height=tall", "seeds=[1]"],
        ["seeds=[1]", "decoder.guidance_scale=-1"],
        ["promt=x"],
        ["+promt=x"],
        ["decoder.steps=3", "seeds=[1]"],
        ["scheduler=ddim", "scheduler.name=nothing"],
        ["name=a/b"],
    ],
)
def test_what_is_wrong_is_told_in_the_same_words(
    composer: CellComposer, overrides: list[str]
) -> None:
    said = []
    for way in (CellResolver(composer).resolve, lambda o, n: the_whole_way(composer, o, n)):
        with pytest.raises((ConfigError, HydraException, OmegaConfBaseException)) as error:
            way(overrides, 0)
        said.append((type(error.value), str(error.value)))
    assert said[0] == said[1]


def test_no_value_goes_the_whole_way(
    composer: CellComposer, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver, calls = CellResolver(composer), []
    monkeypatch.setattr(module, "read", lambda composed: (calls.append(1), read(composed))[1])
    for number in range(40):
        steps, scale = number % 5 + 1, number // 5 + 1
        run = resolver.resolve(
            [f"decoder.num_inference_steps={steps}", f"decoder.guidance_scale={scale}"], number
        )
        assert (run.decoder.num_inference_steps, run.decoder.guidance_scale) == (steps, scale)
        assert run.composed["decoder"] == {"num_inference_steps": steps, "guidance_scale": scale}
    assert len(calls) == 1  # the group options; a value is converted in its section alone


def test_a_users_own_reference_is_seen(tmp_path: Path) -> None:
    """A file of the user's own may read any key."""
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(
        "# @package _global_\nquestion: at ${decoder.guidance_scale}\n"
    )
    tree.register()
    with initialize_config_dir(str(tree.config_dir()), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        assert isinstance(loader, ConfigLoader)
        flag = f"hydra.searchpath=[file://{tmp_path},weights-folder://]"
        master = loader.load_configuration(
            tree.CONFIG_NAME, ["hydra.job.name=app", flag], run_mode=RunMode.MULTIRUN
        )
        master.hydra.overrides.hydra = [flag]
        resolver = CellResolver(CellComposer(loader, master))
        for scale in (3, 5):
            run = resolver.resolve(["experiment=mine", f"decoder.guidance_scale={scale}"], 0)
            assert run.question == f"at {float(scale)}"
