"""A swapped scheduler keeps what the small decoder was trained with."""

from __future__ import annotations

from typing import Any

import pytest
from diffusers import DDIMScheduler, DDPMScheduler

from runner.catalog import CATALOG, DECODER_2_2
from runner.errors import StageError
from runner.graph import SchedulerSpec
from runner.schedulers import CLASSES, TRAINED, swapped_scheduler
from runner.weights.find import MINI_DIR


@pytest.fixture
def own() -> Any:
    """The decoder's own scheduler, as its checkpoint says."""
    return DDPMScheduler.from_pretrained(MINI_DIR / DECODER_2_2.folder, subfolder="scheduler")


@pytest.mark.parametrize("name", CLASSES)
def test_swap_keeps_what_the_weights_were_trained_with(own: Any, name: str) -> None:
    swapped = swapped_scheduler(own, SchedulerSpec(name))
    assert type(swapped).__name__ == CLASSES[name]
    for key in TRAINED:
        assert swapped.config[key] == own.config[key], key
    assert (swapped.betas == own.betas).all()
    assert not swapped.config.clip_sample


def test_ddim_has_no_learned_variance(own: Any) -> None:
    assert own.config.variance_type == "learned_range"
    swapped = swapped_scheduler(own, SchedulerSpec("ddim"))
    assert isinstance(swapped, DDIMScheduler)
    assert "learned" not in str(swapped.config.get("variance_type"))


def test_ddpm_is_kept_with_its_learned_variance(own: Any) -> None:
    swapped = swapped_scheduler(own, SchedulerSpec("ddpm"))
    assert swapped.config.variance_type == "learned_range"
    assert swapped is not own


def test_ddim_does_not_clip_where_the_checkpoint_says_nothing(own: Any) -> None:
    config = {k: v for k, v in own.config.items() if k != "clip_sample"}

    class Silent(DDPMScheduler):  # type: ignore[misc]
        @property
        def config(self) -> Any:
            return config

    swapped = swapped_scheduler(Silent.from_config(own.config), SchedulerSpec("ddim"))
    assert not swapped.config.clip_sample


def test_options_are_set_and_read_back(own: Any) -> None:
    spec = SchedulerSpec("ddim", (("timestep_spacing", "trailing"),))
    assert swapped_scheduler(own, spec).config.timestep_spacing == "trailing"


def test_an_option_without_effect_is_refused(own: Any) -> None:
    with pytest.raises(StageError, match="no_such_option=1 had no effect"):
        swapped_scheduler(own, SchedulerSpec("ddim", (("no_such_option", 1),)))


def test_an_option_that_spoils_the_training_is_refused(own: Any) -> None:
    with pytest.raises(StageError, match="prediction_type is 'sample' after the swap"):
        swapped_scheduler(own, SchedulerSpec("ddim", (("prediction_type", "sample"),)))


def test_the_catalogs_schedulers_all_have_their_class() -> None:
    assert {s.name for row in CATALOG for s in row.schedulers} <= set(CLASSES)
