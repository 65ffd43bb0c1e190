"""Failing stages and full disks: one message, and finished images are kept."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tracking.processes import STEPS, MLflow, Workplace, skip_without_mounts, wait_until, writers_of

pytestmark = pytest.mark.slow

GOOD = "a red circle on a white background"
BAD = "a blue square on a white background"


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Path:
    """The small family where the word "blue" is NaN."""
    folder = tmp_path_factory.mktemp("damaged") / "weights"
    shutil.copytree(weights, folder)
    prior = folder / "kandinsky-2-2-prior"
    tokenizer = json.loads((prior / "tokenizer" / "tokenizer.json").read_text())
    word = tokenizer["model"]["vocab"]["blue</w>"]
    file = prior / "text_encoder" / "model.safetensors"
    tensors = load_file(file)
    tensors["text_model.embeddings.token_embedding.weight"][word] = torch.nan
    save_file(tensors, file, metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def failed(shared: Workplace, damaged: Path) -> tuple[Workplace, int, str]:
    """A run of four images, two of which cannot be made."""
    shared.weights = damaged
    status, output = shared.run(f"prompt={json.dumps([BAD, GOOD])}", "seeds=[0,1]")
    return shared, status, output


def test_nan_is_an_error_and_the_other_images_are_made(
    failed: tuple[Workplace, int, str],
) -> None:
    place, status, output = failed
    assert status == 1
    assert "Traceback" not in output
    assert output.count("failed: prior failed (a blue square") == 2
    assert "NaN" in output
    manifest = place.manifest
    assert manifest["status"] == "FAILED"
    assert [(i["prompt"], i["seed"]) for i in manifest["images"]] == [(GOOD, 0), (GOOD, 1)]
    assert {path.name for path in place.images} == {i["file"] for i in manifest["images"]}
    assert [failure["stage"] for failure in manifest["failures"]] == ["prior", "prior"]


def test_mlflow_says_failed_and_why(failed: tuple[Workplace, int, str]) -> None:
    place, _, _ = failed
    mlflow = MLflow(place.outputs / "mlflow.db")
    run = mlflow.run()
    assert run.info.status == "FAILED"
    assert "NaN" in run.data.tags["runner.error"]
    assert mlflow.pictures(run) == {f"{GOOD}/seed 0", f"{GOOD}/seed 1"}
    assert place.manifest["mlflow_run_id"] == run.info.run_id
    assert place.spools == []
    (file,) = place.outputs.glob(f"mlartifacts/*/{run.info.run_id}/artifacts/tracebacks.txt")
    told = file.read_text()
    assert told.count("Traceback (most recent call last)") == 2
    assert "runner/stages/prior.py" in told


def test_nothing_of_a_failed_stage_is_stored(failed: tuple[Workplace, int, str]) -> None:
    place, _, _ = failed
    stored = {path.parent.name for path in place.outputs.rglob("entry.json")}
    keys = {key for image in place.manifest["images"] for key in image["stage_keys"].values()}
    assert stored == keys


def test_debug_shows_where_a_stage_failed(failed: tuple[Workplace, int, str]) -> None:
    place, _, _ = failed
    status, output = place.run(f"prompt={BAD}", "debug=true", "tracking=none")
    assert status == 1
    assert "Traceback" in output
    assert "check_finite" in output


def in_namespace(place: Workplace, mount: str, *overrides: str) -> tuple[int, str]:
    """A run whose output folder is another file system; it is copied to `kept` at the end."""
    place.outputs.mkdir(exist_ok=True)
    skip_without_mounts(place.outputs)
    script = f'mount {mount} none outputs; "$@"; status=$?; cp -r outputs kept; exit $status'
    done = subprocess.run(
        ["unshare", "-rm", "bash", "-c", script, "-", sys.executable, "-m", "runner",
         f"weights={place.weights}", *STEPS, *overrides],
        check=False, cwd=place.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=240,
    )  # fmt: skip
    return done.returncode, done.stdout


def test_a_full_disk_ends_the_run_and_keeps_what_was_made(place: Workplace) -> None:
    # A picture of the small family has 5 to 30 kB, by how well it compresses.
    seeds = f"seeds={list(range(40))}".replace(" ", "")
    status, output = in_namespace(
        place, "-t tmpfs -o size=300k", seeds, "cache=off", "tracking.uri=sqlite:///mlflow.db"
    )
    assert status == 1, output
    assert "Traceback" not in output
    assert output.count("No space left on device") >= 1
    (folder,) = (place.folder / "kept" / "default").iterdir()
    images = sorted(folder.glob("*.png"))
    assert 1 <= len(images) < 40
    assert all(path.stat().st_size > 1000 for path in images)
    assert not list(folder.glob(".*.part"))
    wait_until(lambda: not writers_of(place.outputs))
    # MLflow's copies of the pictures did not fit either, if it had not made them yet; they do now.
    shutil.copytree(place.folder / "kept", place.outputs, dirs_exist_ok=True, symlinks=True)
    left = "1 of 1 runs delivered\n" if "kandinsky sync" in output else "nothing to deliver\n"
    assert place.sync() == (0, left)
    mlflow = MLflow(place.folder / "mlflow.db")
    run = mlflow.run()
    assert run.info.status == "FAILED"
    assert "No space left" in run.data.tags["runner.error"]
    assert len(mlflow.pictures(run)) == len(images)


def test_a_read_only_output_folder_is_one_message(place: Workplace) -> None:
    status, output = in_namespace(place, "-t tmpfs -o ro")
    assert status == 2
    assert "output_dir" in output
    assert "Read-only file system" in output
    assert "Traceback" not in output
    assert len(output.strip().splitlines()) == 2, output  # and what is allowed
    assert writers_of(place.outputs) == []
