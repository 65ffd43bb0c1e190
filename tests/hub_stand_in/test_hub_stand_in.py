"""The stand-in of the hub, asked by the hub's own client in processes of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hub_stand_in import Hub

DECODER = "kandinsky-community/kandinsky-2-2-decoder"
UNET = "unet/diffusion_pytorch_model.safetensors"
# The client goes on after its last whole piece, of 10 MiB by default.
PIECE = 40_000
ASKING = f"""
import os, sys
os.environ.update(word.split("=") for word in sys.argv[1].split())
import huggingface_hub as client
from huggingface_hub import constants
constants.DOWNLOAD_CHUNK_SIZE = {PIECE}
for call in sys.argv[2:]:
    try:
        print(eval(call, {{"client": client, "repo": {DECODER!r}}}))
    except Exception as error:
        print(type(error).__name__)
"""
SNAPSHOT = "client.snapshot_download(repo)"


@pytest.fixture
def asked(hub: Hub) -> Callable[..., list[str]]:
    """What calls of the client give: their results, or the classes of their exceptions."""

    def ask(*calls: str, variables: str = "") -> list[str]:
        command = [sys.executable, "-c", ASKING, variables, *calls]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return ask


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_files_come_whole_and_once(
    hub: Hub, asked: Callable[..., list[str]], random_weights: Path
) -> None:
    hub.cut(UNET, after=PIECE + 1)
    [path] = asked(SNAPSHOT, variables="HF_TOKEN=hf_mine")
    snapshot = Path(path)
    listed = hub.repositories[DECODER].at("main")
    assert listed is not None
    assert snapshot.name == listed.commit
    assert contents(snapshot) == contents(random_weights / "kandinsky-2-2-decoder")
    blobs = {file.resolve().name for file in snapshot.rglob("*") if file.is_file()}
    assert blobs == {file.etag for file in listed.files.values()}
    # The body that was cut went on, and the token stayed on the hub itself.
    bodies = [request for request in hub.requests if request.is_file and UNET in request.path]
    assert [body.range for body in bodies] == [None, f"bytes={PIECE}-"]
    assert hub.sent(UNET) == listed.files[UNET].size + 1
    assert {request.token for request in hub.requests if "/resolve/" in request.path} == {"hf_mine"}
    assert {request.token for request in hub.requests if "/repos/" in request.path} == {None}

    hub.requests.clear()
    assert asked(SNAPSHOT) == [path]
    assert hub.sent() == 0
    hub.stop()
    assert asked(SNAPSHOT, variables="HF_HUB_OFFLINE=1") == asked(SNAPSHOT) == [path]


def test_what_is_refused(hub: Hub, asked: Callable[..., list[str]]) -> None:
    hub.repositories["kandinsky-community/kandinsky-3"].gated = True
    gated = "client.hf_hub_download('kandinsky-community/kandinsky-3', 'model_index.json'"
    assert asked(
        f"{gated})",
        f"{gated}, token='hf_other')",
        f"{gated}, token={hub.token!r})[-16:]",
        "client.hf_hub_download(repo, 'model_index.json', revision='none')",
        "client.hf_hub_download(repo, 'none')",
        "client.snapshot_download(repo + '-none')",
    ) == [
        "GatedRepoError", "GatedRepoError", "model_index.json",
        "RevisionNotFoundError", "RemoteEntryNotFoundError", "RepositoryNotFoundError",
    ]  # fmt: skip


def test_what_goes_wrong(hub: Hub, asked: Callable[..., list[str]], random_weights: Path) -> None:
    hub.answer("movq/config.json", status=401)
    hub.answer("model_index.json", status=429, times=2, retry_after=0)
    hub.damage("model_index.json")
    hub.cut(UNET, after=PIECE, how="reset")
    index, *errors = asked(
        "client.hf_hub_download(repo, 'model_index.json')",
        "client.hf_hub_download(repo, 'movq/config.json')",
        f"client.hf_hub_download(repo, {UNET!r})",
    )
    spoilt = Path(index).read_bytes()
    right = (random_weights / "kandinsky-2-2-decoder" / "model_index.json").read_bytes()
    assert spoilt != right
    assert spoilt[:-1] == right[:-1]
    assert errors == ["HfHubHTTPError", "ReadError"]


def test_revisions(hub: Hub, asked: Callable[..., list[str]], random_weights: Path) -> None:
    repository = hub.repositories[DECODER]
    folder = random_weights / "kandinsky-2-2-decoder"
    other = random_weights / "kandinsky-2-2-decoder-inpaint"
    first, pulled = repository.commit, repository.revision("refs/pr/5", other)
    assert repository.move_main(other) == pulled
    info = "(lambda info: (info.sha, [file.size for file in info.siblings]))(client.model_info(repo"
    named = [None for _ in contents(other)]
    sizes = [len(content) for _, content in sorted(contents(folder).items())]
    snapshot, newest, old = asked(
        "client.snapshot_download(repo, revision='refs/pr/5', allow_patterns='*.json')",
        f"{info}))",
        f"{info}, revision={first!r}, files_metadata=True))",
    )
    assert Path(snapshot).name == pulled
    index = "model_index.json"
    assert (Path(snapshot) / index).read_bytes() == (other / index).read_bytes()
    assert newest == str((pulled, named))
    assert old == str((first, sizes))
