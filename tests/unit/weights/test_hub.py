"""The hub's cache, read without its client; and the client's errors, reworded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.catalog.kandinsky2_2 import DECODER_2_2, PRIOR_2_2
from runner.weights.hub import CachedRepo, cache_dir
from unit.conftest import Command, assert_refused, copy_family

COMMIT = "0123456789abcdef0123456789abcdef01234567"
VARIABLES = ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME")


def home_of(cache: Path, repo: str) -> Path:
    return cache / f"models--{repo.replace('/', '--')}"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache, and a hub that nobody reaches."""
    folder = tmp_path / "hub"
    folder.mkdir()
    monkeypatch.setenv("HF_HUB_CACHE", str(folder))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return folder


@pytest.fixture
def filled(cache: Path, tmp_path: Path) -> Path:
    """The cache after a download of both checkpoints."""
    family = copy_family(tmp_path / "family")
    for checkpoint in (PRIOR_2_2, DECODER_2_2):
        home = home_of(cache, checkpoint.repo)
        (home / "refs").mkdir(parents=True)
        (home / "refs" / "main").write_text(COMMIT)
        (home / "snapshots").mkdir()
        (family / checkpoint.folder).rename(home / "snapshots" / COMMIT)
    return cache


def test_a_downloaded_repository_is_found_with_its_commit(command: Command, filled: Path) -> None:
    said = command("plan", "weights=hub")
    assert said.status == 0
    for checkpoint in (PRIOR_2_2, DECODER_2_2):
        assert f"{checkpoint.repo}@{COMMIT}: {home_of(filled, checkpoint.repo)}" in said.out


@pytest.mark.parametrize("revision", ["main", COMMIT])
def test_a_revision_is_a_reference_or_a_commit(filled: Path, revision: str) -> None:
    cached = CachedRepo(PRIOR_2_2.repo)
    assert cached.commit_of(revision) == COMMIT
    assert cached.snapshot(COMMIT) == home_of(filled, PRIOR_2_2.repo) / "snapshots" / COMMIT


def test_what_was_never_downloaded_is_not_found(filled: Path) -> None:
    assert CachedRepo(PRIOR_2_2.repo).commit_of("v2") is None
    assert CachedRepo("no/such").commit_of("main") is None


def test_a_broken_off_download_is_not_found(command: Command, filled: Path) -> None:
    snapshot = home_of(filled, DECODER_2_2.repo) / "snapshots" / COMMIT
    (snapshot / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    said = command("plan", "weights=hub")
    assert said.status == 0
    assert f"{DECODER_2_2.repo}@{COMMIT}: not on disk" in said.out
    assert "unet has no weights" in said.out
    assert f"{PRIOR_2_2.repo}@{COMMIT}: {filled}" in said.out


@pytest.mark.usefixtures("cache")
def test_plan_needs_no_network(command: Command) -> None:
    said = command("plan", "weights=hub")
    assert said.status == 0
    assert said.out.count(": not on disk") == 2
    assert "told to be offline" in said.out


def test_models_shows_what_is_there(command: Command, filled: Path) -> None:
    said = command("models")
    assert said.status == 0
    assert f"commit {COMMIT[:8]}" in said.out


def run_offline(cwd: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "runner", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **variables},
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    "variables",
    [
        {"HF_HUB_OFFLINE": "1"},
        {
            "HF_HUB_OFFLINE": "0",
            "HF_ENDPOINT": "http://127.0.0.1:9",
            "KANDINSKY_HUB_PATIENCE": "0",
        },
    ],
    ids=["told to be offline", "unreachable"],
)
def test_absent_weights_without_a_network(
    tmp_path: Path, cache: Path, variables: dict[str, str]
) -> None:
    done = run_offline(tmp_path, "weights=hub", "tracking=none", **variables)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error: ") == 1
    assert f"weights.prior.repo={PRIOR_2_2.repo}" in done.stderr
    assert f"weights=<folder that holds {PRIOR_2_2.folder}>" in done.stderr
    assert str(cache) in done.stderr
    assert not (tmp_path / "outputs" / "default").exists()


@pytest.mark.usefixtures("cache")
def test_a_repository_that_cannot_have_that_name(tmp_path: Path) -> None:
    override = "weights.prior.repo=a/b/c"
    done = run_offline(tmp_path, "weights=hub", override, HF_HUB_OFFLINE="1")
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert override in done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, "/caches") for name in VARIABLES),
        ("HF_HOME", "~/$HUB_OF"),
        ("HF_HUB_CACHE", "$HUB_OF/x"),
    ],
)
def test_cache_dir_is_the_clients_own(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    for other in VARIABLES:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv("HUB_OF", "/somebody")
    monkeypatch.setenv(name, value)
    code = "from huggingface_hub import constants; print(constants.HF_HUB_CACHE)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert cache_dir() == Path(done.stdout.strip())


@pytest.mark.usefixtures("filled")
def test_a_missing_variant_is_not_on_disk(command: Command) -> None:
    said = command("plan", "weights=hub", "weights.decoder.variant=fp16")
    assert f"{DECODER_2_2.repo}@{COMMIT}: not on disk" in said.out
    assert_refused(command("plan", "weights=hub", "weights.prior.varient=x"), "varient")
