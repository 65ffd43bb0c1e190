"""The planner: what it settles and refuses before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from runner.errors import ConfigError
from runner.planning import planner
from runner.planning.planner import make_plan
from unit.conftest import Compose


def test_one_image_for_each_prompt_and_seed(composed: Compose) -> None:
    found = make_plan(composed("prompt=[a,b]", "seeds=[3,1]"))
    requests = [image.request for image in found.images]
    assert [(r.index, r.prompt, r.seed) for r in requests] == [
        (0, "a", 3),
        (1, "a", 1),
        (2, "b", 3),
        (3, "b", 1),
    ]
    assert [image.node for image in found.images] == list(found.graph.targets)


def test_the_same_prompt_twice_is_two_images_and_one_node(composed: Compose) -> None:
    found = make_plan(composed("prompt=[a,a]"))
    assert len(found.images) == 2
    assert len(found.graph) == 2


def test_size_is_the_weights_own_unless_set(composed: Compose) -> None:
    native = make_plan(composed())
    assert native.height == native.width == native.weights.native_size
    found = make_plan(composed("height=64", "width=192"))
    assert (found.height, found.width) == (64, 192)


def test_a_small_model_takes_one_thread(composed: Compose) -> None:
    found = make_plan(composed("device=cpu"))
    assert found.threads == 1
    assert "small" in found.threads_reason


def test_threads_that_are_set_are_taken(composed: Compose) -> None:
    found = make_plan(composed("threads=3"))
    assert (found.threads, found.threads_reason) == (3, "as configured")


def test_a_large_model_takes_all_cores(composed: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "SMALL_MODEL_PARAMETERS", 1)
    monkeypatch.setattr(planner, "cpu_cores", lambda: 48)
    assert make_plan(composed("device=cpu")).threads == 48


@pytest.mark.parametrize(
    ("model", "scheduler", "said"),
    [
        (
            "kandinsky2_2", "flow_unipc",
            "takes the noise that Kandinsky 2.2 predicts for a velocity: pictures would be wrong\n"
            "  allowed: checkpoint, ddim, ddpm, dpmpp_2m, lcm",
        ),
        (
            "kandinsky5", "ddim",
            "takes the velocity that Kandinsky 5 predicts for noise: pictures would be wrong\n"
            "  allowed: checkpoint, flow_euler, flow_dpmpp_2m, flow_unipc",
        ),
    ],
)  # fmt: skip
def test_a_scheduler_that_gives_wrong_pictures_is_refused(
    composed: Compose, model: str, scheduler: str, said: str
) -> None:
    run = composed(f"model={model}", f"scheduler={scheduler}", "weights=random")
    with pytest.raises(ConfigError) as caught:
        make_plan(run)
    assert str(caught.value) == f"scheduler={scheduler}: {said}"


def test_words_that_the_small_family_does_not_know_are_a_warning(composed: Compose) -> None:
    assert not make_plan(composed("prompt='a red circle'", "device=cpu")).warnings
    found = make_plan(composed("prompt='a red zebra'", "negative_prompt=frogs", "device=cpu"))
    assert "zebra" in " ".join(found.warnings)
    assert "frogs" in " ".join(found.warnings)


def test_other_sizes_than_the_small_family_was_trained_on_are_a_warning(composed: Compose) -> None:
    assert not make_plan(composed("height=128", "width=128", "device=cpu")).warnings
    (warning,) = make_plan(composed("height=256", "device=cpu")).warnings
    assert "128x128 alone: at 128x256" in warning


@pytest.mark.parametrize(
    ("task", "size", "more", "said"),
    [
        ("img2img", (300, 200), [], "inputs.image of 300x200 is to fill 128x128"),
        ("img2img", (300, 200), [], "33% of it is cut off"),
        ("inpaint", (200, 300), ["inputs.mask_box=[0,60,10,70]"], "33% of it is cut off"),
        ("img2img", (300, 200), ["resize=fit"], None),
        ("img2img", (300, 200), ["height=128", "width=192", "weights=mini"], "trained on 128x128"),
        ("img2img", (64, 64), [], None),
        ("interpolate", (300, 200), [], None),
    ],
)
def test_what_is_cut_off_a_picture_is_told(
    composed: Compose, tmp_path: Path, task: str, size: tuple[int, int], more: list[str],
    said: str | None,
) -> None:  # fmt: skip
    Image.new("RGB", size, "red").save(tmp_path / "photo.png")
    given = f"inputs.image={tmp_path / 'photo.png'}"
    if task == "interpolate":
        given = f"interpolate.items=[{{image: {tmp_path / 'photo.png'}}},{{text: a circle}}]"
    plan = make_plan(composed(f"task={task}", given, *more, "device=cpu"))
    if said is None:
        assert not plan.warnings
    else:
        (warning,) = plan.warnings
        assert said in warning


def test_half_precision_on_a_cpu_is_a_warning(composed: Compose) -> None:
    (warning,) = make_plan(composed("precision.decoder=bf16", "device=cpu")).warnings
    assert "half precision" in warning


def test_planning_writes_nothing(composed: Compose) -> None:
    run = composed()
    make_plan(run)
    assert not run.output_dir.exists()
