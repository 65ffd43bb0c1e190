"""What a plan says of batches, and how many images the first of them has."""

from __future__ import annotations

import pytest

from runner.planning.batches import batch_lines, first_size
from runner.planning.planner import make_plan
from unit.conftest import Command, Compose

IMG2IMG = ("task=img2img", "inputs.image=${example:circle.png}")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), []),
        (("batch_size=auto",), ["one image in each call: on a CPU larger calls are not faster"]),
        (("batch_size=4",), ["in one call: up to 4 images, or texts"]),
        (
            ("batch_size=4", *IMG2IMG),
            ["in one call: up to 4 images, or texts", "only images of the same pictures: "],
        ),
        (
            ("batch_size=4", "model=kandinsky3"),
            ["in one call: up to 4 images, or texts", "only images of the same text: beside a "],
        ),
        (
            ("batch_size=4", "model=kandinsky5", "weights=random"),
            ["in one call: up to 4 images; texts one by one", "only images of the same text: "],
        ),
        (
            ("batch_size=4", "corrections=off", "task=img2img",
             "inputs.image=${example:circle.png}", "height=64"),
            ["in one call: up to 4 images, or texts", "images one by one: pictures are left as"],
        ),
    ],
)  # fmt: skip
def test_it_says_what_goes_together_and_why(
    given: tuple[str, ...], said: list[str], composed: Compose
) -> None:
    lines = list(batch_lines(make_plan(composed(*given))))
    assert len(lines) == len(said)
    assert all(line.startswith(start) for line, start in zip(lines, said, strict=True))


def test_it_is_in_the_plan_that_is_printed(command: Command) -> None:
    assert "\n  in one call: up to 4 images, or texts\n" in command("plan", "batch_size=4").out
    assert "in one call" not in command("plan").out


def test_on_an_accelerator_auto_takes_as_many_as_its_memory_holds(
    composed: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.system.machine.guess_device", lambda: "cuda")
    given = ("weights=random", "precision=fp16", "height=768", "width=768", "batch_size=auto")
    plan = make_plan(composed(*given))
    assert plan.profile.batch_size is None
    assert next(iter(batch_lines(plan))).startswith("in one call: as many as memory holds")
    node = plan.images[0].node
    # 80 GB, 15% of which are left, beside 2.6 GB of weights; an image takes 1.5 GB by reckoning.
    assert first_size([plan], node, 80 * 10**9) == 43
    assert first_size([plan], node, 6 * 10**9) == 1
    assert first_size([plan], node, None) is None
    assert first_size([plan], node.inputs["prior"], 80 * 10**9) is None, "nothing is reckoned of it"
    smaller = make_plan(composed(*given[:2], "batch_size=auto")).images[0].node
    assert first_size([plan], smaller, 80 * 10**9) is None


def test_a_quantised_cell_beside_another_is_reckoned_by_itself(
    composed: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.system.machine.guess_device", lambda: "cuda")
    given = ("weights=random", "precision=bf16", "model=kandinsky3", "batch_size=auto")
    whole, cast = (
        make_plan(composed(*given, f"quantize.denoiser={name}")) for name in ("none", "fp8")
    )
    first, second = (plan.images[0].node for plan in (whole, cast))
    # 32.3 GB beside 6.6 GB of weights, or 3.6; an image takes 5.4 GB by reckoning.
    for plans in ([whole, cast], [cast, whole]):
        assert first_size(plans, first, 38 * 10**9) == 4
        assert first_size(plans, second, 38 * 10**9) == 5
