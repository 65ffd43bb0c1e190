"""`skip_invalid=true` leaves out cells that cannot be, and says which and why."""

from __future__ import annotations

import pytest

from unit.conftest import Command, assert_refused

ETA = ("-m", "scheduler=ddim,ddpm", "scheduler.eta=null,0.5", "skip_invalid=true")


def test_cells_that_cannot_be_are_left_out_and_told(command: Command) -> None:
    said = command("plan", *ETA)
    assert (said.status, said.err) == (0, "")
    assert said.out.startswith("3 cells, 3 images\n")
    assert "axes (3 of 4 combinations)\n" in said.out
    # The cells keep the numbers that they have among all.
    assert "  2    scheduler=ddpm scheduler.eta=null\n1 of 4 cells left out, as they " in said.out
    assert (
        "  cell 3 (scheduler=ddpm scheduler.eta=0.5 skip_invalid=True):\n"
        "    scheduler.eta=0.5: means nothing with scheduler=ddpm\n"
    ) in said.out


def test_a_name_that_does_not_exist_is_a_slip_and_not_left_out(command: Command) -> None:
    said = command("plan", "-m", "scheduler=ddim,ddpn", *ETA[2:])
    assert_refused(said, "2 of 4 cells cannot be run", "scheduler=ddpn: no such option")


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("quantize.denoiser", "none,bad"), ("quantize.text", "none,in8"), ("device", "cpu,tpu"),
        ("graphs", "auto,maybe"), ("batch_size", "1,x"), ("model.variant", "null,sft2"),
        ("channels_last", "auto,maybe"),
    ],
)  # fmt: skip
def test_a_value_that_no_cell_can_have_is_one_too(command: Command, key: str, values: str) -> None:
    said = command("plan", "-m", f"{key}={values}", "skip_invalid=true")
    wrong = values.partition(",")[2]
    assert_refused(said, "1 of 2 cells cannot be run", f"{key}={wrong}")


def test_a_value_of_another_version_is_none(command: Command) -> None:
    said = command("plan", "-m", "model.variant=null,sft", "skip_invalid=true")
    assert (said.status, said.err) == (0, "")
    assert "1 of 2 cells left out" in said.out


def test_something_has_to_be_left(command: Command) -> None:
    said = command("plan", "-m", "scheduler=ddpm,dpmpp_2m", "scheduler.eta=0.5", *ETA[3:])
    assert_refused(said, "2 of 2 cells cannot be run")


def test_without_it_they_are_errors(command: Command) -> None:
    assert_refused(command("plan", *ETA[:3]), "1 of 4 cells cannot be run, so none was begun")
