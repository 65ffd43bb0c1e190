"""Facts of this machine, found without torch."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from runner.errors import ConfigError
from runner.system import machine
from runner.system.machine import (
    COMPARING,
    EXTRAS,
    PIXEL_LIBRARIES,
    check_installed,
    cpu_cores,
    guess_device,
    is_installed,
    peak_process_bytes,
    settle_device,
    versions,
)

CHECKOUT = Path(__file__).resolve().parents[2]


def test_versions_are_those_installed() -> None:
    found = versions((*PIXEL_LIBRARIES, "no-such-package"))
    assert found == {name: metadata.version(name) for name in PIXEL_LIBRARIES}


def test_is_installed_imports_nothing() -> None:
    assert is_installed("torch")
    assert not is_installed("no_such_module")


def test_cores_are_some_of_the_machines() -> None:
    assert 1 <= cpu_cores() <= (os.cpu_count() or 1)


def test_peak_memory_grows_with_what_is_held() -> None:
    before = peak_process_bytes()
    if before is None:
        pytest.skip("this system does not tell")
    held = bytearray(os.urandom(1)) * (before + (64 << 20))
    after = peak_process_bytes()
    assert after is not None
    assert after >= len(held)


@pytest.mark.parametrize("likely", ["cpu", "cuda", "mps"])
def test_auto_takes_the_likely_device(monkeypatch: pytest.MonkeyPatch, likely: str) -> None:
    monkeypatch.setattr(machine, "guess_device", lambda: likely)
    assert settle_device("auto") == likely
    assert settle_device("cpu") == "cpu"


@pytest.mark.parametrize(
    ("likely", "asked"), [("cpu", "cuda"), ("cpu", "mps"), ("cuda", "mps"), ("mps", "cuda:1")]
)
def test_an_accelerator_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, likely: str, asked: str
) -> None:
    monkeypatch.setattr(machine, "guess_device", lambda: likely)
    with pytest.raises(ConfigError) as caught:
        settle_device(asked)
    assert f"device={asked}" in str(caught.value)
    assert "auto, cpu" in str(caught.value)


def test_any_card_of_a_machine_that_has_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "guess_device", lambda: "cuda")
    assert settle_device("cuda:1") == "cuda:1"


@pytest.mark.parametrize(
    ("build", "system", "processor", "driver", "expected"),
    [
        ("2.13.0", "linux", "x86_64", True, "cuda"),
        ("2.13.0+cu130", "linux", "x86_64", True, "cuda"),
        ("2.13.0+cpu", "linux", "x86_64", True, "cpu"),
        ("2.13.0", "linux", "x86_64", False, "cpu"),
        ("2.13.0", "darwin", "arm64", False, "mps"),
        ("2.13.0", "darwin", "x86_64", False, "cpu"),
    ],
)
def test_likely_device_goes_by_driver_and_build(
    monkeypatch: pytest.MonkeyPatch,
    build: str,
    system: str,
    processor: str,
    driver: bool,
    expected: str,
) -> None:
    monkeypatch.setattr(machine, "versions", lambda names: {"torch": build})
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr("platform.machine", lambda: processor)
    monkeypatch.setattr(Path, "exists", lambda path: driver)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert guess_device() == expected
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert guess_device() == expected
    for hidden in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert guess_device() == ("cpu" if expected == "cuda" else expected)


def test_what_is_not_installed_is_told_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_installed("metrics", "ssim", ("torch", "numpy"))
    monkeypatch.setitem(EXTRAS, "some", ("no_such_module", "nor_this"))
    with pytest.raises(ConfigError) as refused:
        check_installed("metrics", "own", ("torch", "no_such_module"), "without own")
    assert str(refused.value) == (
        "metrics=own: needs the package no_such_module, which is not installed\n"
        "  allowed: pip install 'kandinsky-runner[some]'; or without own"
    )
    with pytest.raises(ConfigError) as refused:
        check_installed("compare", "outputs", ("no_such_module", "nor_this"))
    assert "needs the packages no_such_module and nor_this, which are not" in str(refused.value)
    with pytest.raises(ConfigError, match="pip install no_such_module unknown_too"):
        check_installed("metrics", "own", ("no_such_module", "unknown_too"))


MODULES = {"hydra-optuna-sweeper": "optuna"}
"""Packages that are looked for by the name of a module."""


def test_the_extras_are_those_of_the_project() -> None:
    # Not what is installed: this is read from the checkout.
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    for extra, brings in EXTRAS.items():
        named = {re.split(r"[^\w.-]", asked)[0] for asked in optional[extra]}
        assert {MODULES.get(name, name) for name in named} == set(brings)
    needed = {re.split(r"[^\w.-]", asked)[0] for asked in project["dependencies"]}
    assert not needed & set(EXTRAS["analysis"])
    assert set(COMPARING) <= set(EXTRAS["analysis"])
    assert "kandinsky-runner[analysis,lora,quantize]" in optional["dev"]
