"""`kandinsky doctor`: what works here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from importlib import metadata
from pathlib import Path

import pytest
import torch

from runner.catalog.attention import ATTENTION
from runner.catalog.offload import OFFLOAD
from runner.errors import ConfigError
from runner.planning import checks
from runner.planning.planner import make_plan
from runner.system import machine
from runner.verbs import doctor
from runner.workers.residence import Resident
from runner.workers.residence_folder import open_residence
from unit.conftest import Command, Compose


def test_it_shows_versions_devices_and_modes(command: Command) -> None:
    said = command("doctor")
    assert said.status == 0
    assert metadata.version("torch") in said.out
    for name in (*ATTENTION, *OFFLOAD):
        assert f"  {name} " in said.out
    assert "cores" in said.out


def test_a_missing_package_is_an_error(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "NEEDED", ("torch", "no-such-package"))
    said = command("doctor")
    assert said.status == 1
    assert "missing: no-such-package" in said.out


def test_it_lists_workers_that_stay(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KANDINSKY_CACHE", str(tmp_path))
    assert "\nworkers that stay  none\n" in command("doctor").out
    residence = open_residence(create=True)
    assert residence is not None
    with closing(residence):
        listener, alive, busy = residence.register(os.getpid())
        residence.describe(
            Resident(os.getpid(), "cpu", 1, "code", "setting", 0.0, None, 3 << 20, (), 1)
        )
        assert f"\nworkers that stay  1: {os.getpid()} (cpu, " in command("doctor").out
        listener.close()
        alive.close()
        busy.close()


def answers(out: str) -> Iterator[tuple[str, bool]]:
    """ "attention=sdpa" -> whether it says yes, for each mode that is listed."""
    for block in ("attention", "offload"):
        _, _, rest = out.partition(f"\n{block} on ")
        for line in rest.splitlines()[1:]:
            if not line.startswith("  "):
                break
            name, answer = line.split(maxsplit=1)
            assert answer.startswith(("yes", "no: "))
            yield f"{block}={name}", answer == "yes"


OF_5 = ("model=kandinsky5", "weights=hub", "precision=bf16")


@pytest.mark.parametrize("xformers", [True, False])
@pytest.mark.parametrize("device", ["cpu", "mps", "cuda"])
def test_it_says_what_the_plan_does(
    command: Command,
    composed: Compose,
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    xformers: bool,
) -> None:
    monkeypatch.setattr(machine, "guess_device", lambda: device)
    monkeypatch.setattr(checks, "is_installed", lambda module: xformers)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: int(device == "cuda"))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: (0, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "some GPU")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: device == "mps")
    told = command("doctor").out
    graphs = {
        "cpu": "traced graphs yes",
        "cuda": "CUDA graphs   yes",
        "mps": "graphs        no: mps",
    }
    assert f"\ngraphs on {device}\n  {graphs[device]}" in told
    found = dict(answers(told))
    assert len(found) == len(ATTENTION) + len(OFFLOAD)
    for override, works in found.items():
        backend = ATTENTION.get(override.removeprefix("attention="))
        of_5 = backend is not None and not backend.computes(dispatched=False)
        run = composed(override, *(OF_5 if of_5 else ()))
        if works:
            assert make_plan(run).device == device
        else:
            with pytest.raises(ConfigError, match=override):
                make_plan(run)
    assert found["offload=group_stream"] == (device == "cuda")
    assert found["attention=xformers"] == (device == "cuda" and xformers)
