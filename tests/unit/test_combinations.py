"""Combinations that are refused, in general or on this machine, and warnings on others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from helpers.cases import CELLS, NEEDS
from helpers.scheduler_cases import VALUES, section
from runner.catalog.schedulers import FITTING, SCHEDULERS
from runner.catalog.tasks import TASKS
from runner.catalog.versions import VERSIONS, row_of
from runner.errors import ConfigError
from runner.graph.node import SchedulerSpec
from runner.planning.checks import needed_roles
from runner.planning.plan import Plan
from runner.planning.planner import make_plan
from runner.planning.sizes import check_size
from unit.conftest import Compose

HUB = "weights=hub"
V3 = (HUB, "model=kandinsky3")
Planner = Callable[..., Plan]
FEW = "decoder.num_inference_steps=10"


@pytest.fixture
def plan(composed: Compose, tmp_path: Path, pictures: Callable[[Path], None]) -> Planner:
    """Compose and plan, beside a few pictures of 128 x 128."""
    pictures(tmp_path)
    return lambda *overrides: make_plan(composed(*overrides))


def refused(plan: Planner, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        plan(*overrides)
    assert caught.value.exit_status == 2
    return str(caught.value)


def test_kandinsky_3_has_no_variance_of_its_own(plan: Planner) -> None:
    for name in VALUES["variance_type"]:
        overrides = ("scheduler=ddpm", f"scheduler.variance_type={name}")
        assert plan(HUB, *overrides)
        if name != "learned_range":
            assert plan(*V3, *overrides)
    message = refused(plan, *V3, "scheduler=ddpm", "scheduler.variance_type=learned_range")
    assert message == (
        "scheduler.variance_type=learned_range: Kandinsky 3 was trained without a variance of its "
        "own\n  allowed: fixed_small, fixed_small_log, fixed_large"
    )


def test_karras_sigmas_are_not_for_kandinsky_3(plan: Planner) -> None:
    karras = ("scheduler=dpmpp_2m", "scheduler.use_karras_sigmas=true")
    assert refused(plan, *V3, *karras) == (
        "scheduler.use_karras_sigmas=True: repeats timesteps on the cosine schedule of Kandinsky 3"
        "\n  allowed: false"
    )
    assert plan(HUB, *karras)
    assert plan(*V3, "scheduler=dpmpp_2m", "scheduler.use_karras_sigmas=false")


@pytest.mark.parametrize(("version", "task"), CELLS)
def test_each_version_takes_its_schedulers_and_no_other(
    plan: Planner, composed: Compose, version: str, task: str
) -> None:
    """Those of its row are planned, all others refused with the row's as what is allowed."""
    fitting = FITTING[VERSIONS[version].flow]
    model = (HUB, "device=cpu", f"model={version}", f"task={task}", f"scheduler={fitting[0]}", FEW)
    run = composed(*model, *NEEDS[task])
    for name in SCHEDULERS:
        # Composing each anew would take Hydra a second.
        asked = partial(make_plan, replace(run, scheduler=section(name)))
        if name in fitting:
            (decode,) = (n for n in asked().graph if n.stage == "decode")
            assert decode.pipeline is not None
            # What the checkpoint publishes is not known while it is not on disk.
            spec = None if name == "checkpoint" else SchedulerSpec(name)
            assert decode.pipeline.scheduler == spec
        else:
            assert refused(asked).endswith(f"allowed: {', '.join(fitting)}")


@pytest.mark.parametrize("scale", [1.001, 1.5, 2.0])
def test_kandinsky_3_cannot_guide_a_little(plan: Planner, scale: float) -> None:
    override = f"decoder.guidance_scale={scale}"
    message = refused(plan, *V3, override)
    assert message.startswith(f"{override}: Kandinsky 3 cannot guide this little")
    assert message.endswith("allowed: 0 to 1 (no guidance), or more than 2")
    assert plan(override)


@pytest.mark.parametrize("scale", [0, 1, 2.001, 5])
def test_kandinsky_3_guides_much_or_not_at_all(plan: Planner, scale: float) -> None:
    found = plan(*V3, "device=cpu", f"decoder.guidance_scale={scale}")
    told = [note for note in found.warnings if "whose formula adds 1" in note]
    assert len(told) == (scale > 2)
    assert all(f"goes to diffusers as {scale - 1:g}," in note for note in told)


@pytest.mark.parametrize(
    ("task", "version", "told"),
    [("interpolate", "2_2", True), ("interpolate", "2_1", False), ("text2img", "2_2", False)],
)
def test_a_prompt_that_nobody_reads_is_a_note(
    plan: Planner, task: str, version: str, told: bool
) -> None:
    items = ["interpolate.items=[{text: a, weight: 0.5}, {text: b, weight: 0.5}]"]
    found = plan(
        HUB, "device=cpu", f"model=kandinsky{version}", f"task={task}", "prompt=a circle",
        *(items if task == "interpolate" else []),
    )  # fmt: skip
    note = "task=interpolate: the decoder of Kandinsky 2.2 reads no prompt"
    assert (note in found.warnings) == told


@pytest.mark.parametrize("role", ["prior", "text", "depth", "decoder"])
def test_half_precision_on_a_cpu_is_a_note(plan: Planner, role: str) -> None:
    overrides = ("device=cpu", f"precision.{role}=fp16")
    assert any("half precision on a CPU" in note for note in plan(*overrides).warnings)


INPAINT = (HUB, "task=inpaint", "inputs.image=a.png")


def test_a_mask_of_another_size_is_refused(plan: Planner, tmp_path: Path) -> None:
    for size in ((64, 64), (128, 127), (129, 128)):
        Image.new("L", size, 255).save(tmp_path / "other.png")
        message = refused(plan, *INPAINT, "inputs.mask=other.png")
        assert message.startswith(f"inputs.mask={tmp_path / 'other.png'}: ")
        assert f"is {size[0]} x {size[1]}, and inputs.image 128 x 128" in message
        assert message.endswith("allowed: a mask of the picture's own size")


@pytest.mark.parametrize("box", [[0, 0, 129, 128], [0, 0, 128, 129], [200, 200, 300, 300]])
def test_a_box_beyond_the_picture_is_refused(plan: Planner, box: list[int]) -> None:
    message = refused(plan, *INPAINT, f"inputs.mask_box={box}")
    assert message == (f"inputs.mask_box={box}: goes beyond the picture, which is 128 x 128")
    assert plan(*INPAINT, "inputs.mask_box=[127,127,128,128]")


@pytest.mark.parametrize(
    ("size", "fits"),
    [
        ((128, 128), True),
        ((64, 64), True),
        ((100, 101), True),
        ((128, 126), False),
        ((64, 128), False),
    ],
)
def test_a_hint_has_the_shape_of_the_picture(
    plan: Planner, tmp_path: Path, size: tuple[int, int], fits: bool
) -> None:
    Image.new("RGB", size).save(tmp_path / "hint.png")
    overrides = (HUB, "task=controlnet_img2img", "inputs.image=a.png", "inputs.hint=hint.png")
    if fits:
        assert plan(*overrides)
        return
    message = refused(plan, *overrides)
    assert message.startswith(f"inputs.hint={tmp_path / 'hint.png'}: is {size[0]} x {size[1]}")
    assert "inputs.image (128 x 128)" in message


def test_a_hint_spares_the_depth_model(plan: Planner) -> None:
    for task in ("controlnet", "controlnet_img2img"):
        row = row_of(VERSIONS["kandinsky2_2"], TASKS[task])
        image = () if task == "controlnet" else ("inputs.image=a.png",)
        given = plan(HUB, f"task={task}", "inputs.hint=a.png", *image)
        assert tuple(given.weights.checkpoints) == needed_roles(given.run, row)
        assert tuple(given.weights.checkpoints) == ("prior", "decoder")
        made = plan(HUB, f"task={task}", "inputs.image=a.png")
        assert tuple(made.weights.checkpoints) == ("depth", "prior", "decoder")


ROW = row_of(VERSIONS["kandinsky3"], TASKS["text2img"])


@pytest.mark.parametrize("size", [64, 128, 1024, 4032, 4096])
def test_sizes_that_can_be_made(size: int) -> None:
    assert check_size("height", size, ROW) == size


@pytest.mark.parametrize(
    ("size", "near"),
    [
        (1, "64"), (63, "64"), (65, "64 or 128"), (127, "64 or 128"), (1000, "960 or 1024"),
        (4095, "4032 or 4096"), (4097, "4096"), (4160, "4096"), (10**9, "4096"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", ["height", "width"])
def test_other_sizes_are_refused_with_the_nearest(key: str, size: int, near: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_size(key, size, ROW)
    assert str(caught.value) == (
        f"{key}={size}: the model cannot make this size"
        f"\n  allowed: multiples of 64 from 64 to 4096 (nearest: {near})"
    )


@pytest.mark.parametrize(
    ("overrides", "size"),
    [
        ((HUB,), 512),
        ((HUB, "model=kandinsky2_1"), 512),
        (V3, 1024),
        ((*V3, "weights.size=256"), 256),
        ((HUB, "height=64"), 512),
        ((), 128),
    ],
)
def test_the_size_where_none_is_asked_for(
    plan: Planner, overrides: tuple[str, ...], size: int
) -> None:
    assert plan(*overrides).width == size
