"""`objective`: the values that an optimising sweeper (Optuna's) gets."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import yaml

from functional.made import STEPS
from runner.analysis.reading import read_results
from runner.cli import main

OPTUNA = (
    "-m", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=4", "hydra.sweeper.n_jobs=2",
    "hydra.sweeper.sampler.seed=3", "decoder.guidance_scale=interval(1,8)",
    "scheduler=choice(ddim,ddpm)", "workers=1",
)  # fmt: skip


def best(outputs: Path) -> dict[str, object]:
    text = (outputs / ".hydra-multirun" / "optimization_results.yaml").read_text()
    found = yaml.safe_load(text)
    assert isinstance(found, dict)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_best_cell_is_found(
    weights: Path, tmp_path: Path, direction: str, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = tmp_path / "outputs"
    given = (f"weights={weights}", f"output_dir={outputs}", "tracking=none", "progress=quiet")
    asked = ("metrics=[sharpness]", "objective=sharpness", f"hydra.sweeper.direction={direction}")
    assert main([*OPTUNA, *given, *STEPS, *asked, "seeds=[0,1]"]) == 0
    (file,) = outputs.glob("*/*/sweep.json")  # two batches of trials, one sweep
    sweep = read_results(file.parent)
    means = {cell.overrides: sweep.mean(cell, "sharpness") for cell in sweep.cells}
    assert shlex.split(sweep.command)[:3] == ["kandinsky", "run", "-m"]
    assert "decoder.guidance_scale=interval(1,8)" in sweep.command
    assert len(means) == 4
    value = (max if direction == "maximize" else min)(m for m in means.values() if m is not None)
    found = best(outputs)
    assert found["best_value"] == pytest.approx(value)
    said = capsys.readouterr().err
    assert f"best: {found['best_value']:.6g} with " in said
    (overrides,) = (own for own, mean in means.items() if mean == value)
    (best_cell,) = (cell for cell in sweep.cells if cell.overrides == overrides)
    assert f"  cell {best_cell.number}: " in said
    assert f"/{best_cell.folder.name}/" in said
    params = found["best_params"]
    assert isinstance(params, dict)
    assert {f"{key}={value}" for key, value in params.items()} <= set(overrides)
    if direction == "maximize":
        cell = next(outputs.glob("*/*/*/manifest.json")).parent
        assert main(["reproduce", str(cell)]) == 0


@pytest.mark.slow
def test_several_objectives(weights: Path, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    given = (f"weights={weights}", f"output_dir={outputs}", "tracking=none", "progress=quiet")
    bench = ("bench=true", "repeats=1", "warmup=0")
    asked = ("metrics=[sharpness]", "objective=[sharpness,seconds]", *bench)
    assert main([
        *OPTUNA, *given, *STEPS, *asked, "hydra.sweeper.direction=[maximize,minimize]",
    ]) == 0  # fmt: skip
    solutions = best(outputs)["solutions"]
    assert isinstance(solutions, list)
    assert all(len(solution["values"]) == 2 for solution in solutions)


@pytest.mark.slow
def test_a_failed_cell_ends_no_search(weights: Path, tmp_path: Path) -> None:
    """It has no number, and another one is the best."""
    (tmp_path / "own.py").write_text(
        "from pathlib import Path\n\nfrom runner.metrics import metric\n\n"
        "@metric()\ndef picky(image):\n"
        "    calls = Path(__file__).with_name('calls')\n"
        "    with calls.open('a') as file:\n        file.write('x')\n"
        "    if calls.stat().st_size % 2 == 0:\n        raise RuntimeError('not this one')\n"
        "    return float(image.getpixel((0, 0))[0])\n"
    )
    (tmp_path / "options" / "metrics").mkdir(parents=True)
    (tmp_path / "options" / "metrics" / "picky.yaml").write_text(
        f"picky:\n  function: {tmp_path / 'own.py'}:picky\n"
    )
    outputs = tmp_path / "outputs"
    given = (f"weights={weights}", f"output_dir={outputs}", "tracking=none", "progress=quiet")
    asked = (f"--config-dir={tmp_path / 'options'}", "metrics=[picky]", "objective=picky")
    maximize = "hydra.sweeper.direction=maximize"
    assert main([*asked[:1], *OPTUNA, *given, *STEPS, *asked[1:], maximize]) == 1
    (file,) = outputs.glob("*/*/sweep.json")
    sweep = read_results(file.parent)
    assert len(sweep.cells) == 4
    assert {cell.status for cell in sweep.cells} == {"FAILED", "FINISHED"}
    means = [sweep.mean(cell, "picky") for cell in sweep.cells]
    assert best(outputs)["best_value"] == max(mean for mean in means if mean is not None)


@pytest.mark.slow
def test_a_cell_that_cannot_be_run_ends_no_search(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A size that the model cannot make; and a text with a comma keeps its quotes."""
    outputs = tmp_path / "outputs"
    given = (f"weights={weights}", f"output_dir={outputs}", "tracking=none", "progress=quiet")
    asked = ("metrics=[sharpness]", "objective=sharpness", "hydra.sweeper.direction=maximize")
    axes = ("height=choice(64,70)", "width=64", 'prompt=choice("a red circle, large")')
    optuna = ("hydra/sweeper=optuna", "hydra.sweeper.n_trials=4", "hydra.sweeper.n_jobs=4")
    sampler = ("hydra.sweeper.sampler.seed=1", "workers=1")
    assert main(["-m", *optuna, *sampler, *given, *STEPS, *asked, *axes]) == 2
    assert "height=70: the model cannot make this size" in capsys.readouterr().err
    assert best(outputs)["best_params"] == {"height": 64, "prompt": "a red circle, large"}
    assert main(["-m", *optuna, *given, *STEPS, "decoder.guidance_scale=interval(1,2)"]) == 2
    assert "objective=null: a search needs one" in capsys.readouterr().err
