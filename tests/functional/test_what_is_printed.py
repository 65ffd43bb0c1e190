"""What is printed on stdout and stderr: progress=json and quiet, and calls from Python."""

from __future__ import annotations

import errno
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from functional.made import STEPS
from helpers.manifests import read_manifest
from runner import generate, plan, sweep
from runner.cli import main
from runner.workers import hint

KINDS = {
    "run": (),
    "workers": ("workers=2", "seeds=[0,1]"),
    "sweep": ("-m", "scheduler=ddim,ddpm"),
    "sweep with its page": (
        "-m",
        "scheduler=ddim,ddpm",
        "report=true",
        "baseline='scheduler=ddim'",
    ),
}
Printed = tuple[str, str]
kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def printed(
    weights: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Printed]:
    """stdout and stderr of a successful run or sweep with few steps."""

    def run(*overrides: str) -> Printed:
        capfd.readouterr()
        output_dir = f"output_dir={tmp_path / 'outputs'}"
        given = (f"weights={weights}", output_dir, "tracking=none", *STEPS)
        assert main([*given, *overrides]) == 0
        return capfd.readouterr()

    return run


@pytest.mark.usefixtures("watched")
@kinds
def test_json_has_stdout_for_itself(printed: Callable[..., Printed], kind: str) -> None:
    out, err = printed(*KINDS[kind], "progress=json")
    events = [json.loads(line) for line in out.splitlines()]
    assert {"stage_finished", "started"} <= {event["event"] for event in events}
    assert " in " in err  # the summary for people
    assert "  pictures  " in err
    assert hint.TEXT not in err


@pytest.mark.usefixtures("watched")
@kinds
def test_quiet_prints_nothing(printed: Callable[..., Printed], kind: str) -> None:
    assert printed(*KINDS[kind], "progress=quiet") == ("", "")


def test_quiet_still_warns(printed: Callable[..., Printed]) -> None:
    out, err = printed("progress=quiet", "precision.prior=bf16")
    assert out == ""
    assert err.startswith("warning: ")
    assert "half precision" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("kind", ["run", "sweep"])
def test_without_either_the_summary_is_on_stdout(
    printed: Callable[..., Printed], kind: str
) -> None:
    out, _ = printed(*KINDS[kind], "progress=lines")
    assert "  pictures  " in out


def test_a_reproduction_leaves_stdout_to_json(
    printed: Callable[..., Printed], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    printed()
    folder = str(tmp_path / "outputs" / "latest")
    assert main(["reproduce", folder, "--progress", "json"]) == 0
    out, err = capfd.readouterr()
    assert all(json.loads(line)["event"] for line in out.splitlines())
    assert "1 of 1 picture the same" in err


def test_python_calls_print_nothing_to_stdout(
    weights: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    few = {
        "weights": weights,
        "output_dir": tmp_path / "outputs",
        "tracking": "none",
        "prior": {"num_inference_steps": 2},
        "decoder": {"num_inference_steps": 2},
    }
    capfd.readouterr()
    plan(**few)
    generate(**few)
    sweep("scheduler=ddim,ddpm", **few)
    sweep("scheduler=ddim,ddpm", **few)
    assert capfd.readouterr().out == ""
    generate(**few, progress="json")
    out = capfd.readouterr().out
    assert json.loads(out.splitlines()[0])["event"] == "started"


@pytest.mark.parametrize("error", [BrokenPipeError(), OSError(errno.ENOSPC, "is full")])
def test_an_output_that_takes_nothing_more_costs_no_picture(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    class Lost(io.StringIO):
        def write(self, text: str) -> int:
            raise error

    monkeypatch.setattr(sys, "stdout", Lost())
    outputs = tmp_path / "outputs"
    given = (f"weights={weights}", f"output_dir={outputs}", "tracking=none", *STEPS)
    assert main([*given, "progress=json", "seeds=[0,1]"]) == 1
    manifest = read_manifest(outputs / "latest")
    assert manifest["status"] == "FINISHED"
    assert len(manifest["images"]) == 2
