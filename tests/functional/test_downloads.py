"""Weights from the hub, on its stand-in: good days and bad ones."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from hub_stand_in import Hub
from hub_stand_in.faults import Ending
from runner.cli import main

PRIOR, DECODER = (f"kandinsky-community/kandinsky-2-2-{name}" for name in ("prior", "decoder"))
TOKEN = "hf_aTokenOfTheEnvironment"
UNET = "unet/diffusion_pytorch_model.safetensors"
RUN = (
    "weights=hub", "tracking=none", "progress=quiet", "cache=off", "device=cpu", "height=64",
    "width=64", "prior.num_inference_steps=2", "decoder.num_inference_steps=2",
)  # fmt: skip


class Said(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _apart(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KANDINSKY_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("KANDINSKY_HUB_PATIENCE", "0")


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """`kandinsky <arguments>` in this process."""

    def say(*arguments: str) -> Said:
        capsys.readouterr()
        return Said(main(list(arguments)), *capsys.readouterr())

    return say


Say = Callable[..., Said]


def refused(one: Said, *parts: str) -> None:
    assert one.status == 2, one
    assert one.err.count("error: ") == 1
    assert "Traceback" not in one.err
    for part in parts:
        assert part in one.err


def snapshot(repo: str) -> Path:
    home = Path(os.environ["HF_HOME"]) / "hub" / f"models--{repo.replace('/', '--')}"
    return next((home / "snapshots").iterdir())


def drawn() -> bytes:
    (run,) = set(map(Path.resolve, Path("outputs").glob("latest")))
    with Image.open(next(run.glob("images/*.png"), None) or next(run.glob("*.png"))) as picture:
        return picture.tobytes()


def weights_sent(hub: Hub) -> list[str]:
    return [one.path for one in hub.requests if one.is_file and ".safetensors" in one.path]


def test_the_second_run_downloads_nothing_with_the_network_gone(
    hub: Hub, said: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert said(*RUN).status == 0
    pixels = drawn()
    assert {one.token for one in hub.requests if one.method == "GET"} >= {TOKEN}
    assert not any(
        TOKEN.encode() in file.read_bytes()
        for folder in ("outputs", "own")
        for file in Path(folder).rglob("*")
        if file.is_file()
    )
    hub.requests.clear()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    shutil.rmtree("outputs")
    assert said(*RUN).status == 0
    assert not hub.requests
    assert drawn() == pixels


def test_plan_tells_what_is_missing_and_how_large(hub: Hub, said: Say) -> None:
    one = said("plan", *RUN)
    assert one.status == 0
    assert "2 files not on disk, 3.3 MB" in one.out
    assert not weights_sent(hub)


def test_all_that_is_wrong_is_told_at_once_before_large_files(hub: Hub, said: Say) -> None:
    wrong = ("weights.prior.repo=no/such", "weights.decoder.revision=v7")
    for verb in ("plan", "run", "download"):
        one = said(verb, *RUN, *wrong)
        refused(one, "weights.prior.repo=no/such: is not on the hub", "weights.decoder.revision=v7")
    other = said("run", *RUN, f"weights.decoder.repo={PRIOR}")
    refused(other, "has no weights in unet/")
    inpaint = said(
        "run", *RUN, "weights.decoder.repo=kandinsky-community/kandinsky-2-2-decoder-inpaint"
    )
    refused(inpaint, "in_channels of its unet is 9, not 4")
    hub.repositories[DECODER].gated = True
    refused(said("run", *RUN), f"weights.decoder.repo={DECODER}: is gated")
    assert not weights_sent(hub)


def test_a_disk_that_is_too_small_is_told_before_large_files(
    hub: Hub, said: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    refused(said(*RUN), "MB are to be fetched", "1.0 MB left")
    assert not weights_sent(hub)


@pytest.mark.parametrize("status", [401, 404, 429, 503])
def test_what_the_hub_answers_is_said(hub: Hub, said: Say, status: int) -> None:
    hub.answer(UNET, status=status, times=99)
    one = said("download", "weights=hub", "progress=quiet")
    refused(one, str(status), DECODER)
    assert "cannot be reached" not in one.err


def test_a_busy_hub_is_asked_again(hub: Hub, said: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KANDINSKY_HUB_PATIENCE", "20")
    hub.answer(UNET, status=503, times=1)
    hub.answer("movq/diffusion_pytorch_model", status=429, times=1, retry_after=1)
    one = said("download", "weights=hub", "progress=lines")
    assert one.status == 0
    assert "the hub answers 503; trying again" in one.err


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_broken_connection_goes_on_where_it_broke(hub: Hub, said: Say, how: Ending) -> None:
    hub.cut(UNET, after=100_000, how=how)
    refused(said("download", "weights=hub", "progress=quiet"), "cannot be reached")
    hub.requests.clear()
    assert said("download", "weights=hub", "progress=quiet").status == 0
    (resumed,) = (one for one in hub.requests if one.is_file and UNET in one.path)
    assert resumed.range == "bytes=100000-"


def test_a_broken_connection_is_taken_up_within_a_download(
    hub: Hub, said: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KANDINSKY_HUB_PATIENCE", "20")
    hub.cut(UNET, after=100_000, times=2)
    assert said("download", "weights=hub", "progress=quiet").status == 0
    assert hub.sent(UNET) < 2 * (snapshot(DECODER) / UNET).stat().st_size


def test_wrong_bytes_are_never_kept(hub: Hub, said: Say) -> None:
    hub.damage(UNET, times=1)
    assert said("download", "weights=hub", "progress=quiet").status == 0
    shutil.rmtree(os.environ["HF_HOME"])
    hub.damage(UNET, times=99)
    refused(said("download", "weights=hub", "progress=quiet"), f"sends {UNET} with other bytes")
    assert not (snapshot(DECODER) / UNET).exists()


def test_a_flipped_byte_on_disk_is_found_and_fetched_again(
    hub: Hub, said: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert said("download", "weights=hub", "progress=quiet").status == 0
    file = snapshot(DECODER) / UNET
    whole = file.read_bytes()
    file.resolve().write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    refused(said(*RUN), UNET, "other bytes than the hub lists")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert said("download", "weights=hub", "progress=quiet").status == 0
    assert file.read_bytes() == whole


def test_every_gap_of_a_cache_is_filled_or_named(
    hub: Hub, said: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert said("download", "weights=hub", "progress=quiet").status == 0
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    gone: list[Path] = []
    for folder in (snapshot(PRIOR), snapshot(DECODER)):
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = str(file.relative_to(folder))
            file.rename(file.with_suffix(".away"))
            refused(said("download", "weights=hub", "progress=quiet"), name, "HF_HUB_OFFLINE")
            file.with_suffix(".away").rename(file)
        gone += [path for path in folder.rglob("*") if path.is_file()]
    for file in gone:
        file.resolve().unlink()
        file.unlink()
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert said("download", "weights=hub", "progress=quiet").status == 0
    assert all(file.is_file() for file in gone)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_download_ends_at_once_and_goes_on(hub: Hub, number: signal.Signals) -> None:
    hub.bytes_per_second = 100_000
    command = [sys.executable, "-m", "runner", "download", "weights=hub", "progress=json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "download" and event["bytes"] > 50_000:
            break
    assert (event["total"] - event["bytes"]) / hub.bytes_per_second > 10  # were it to go on
    process.send_signal(number)
    _, err = process.communicate(timeout=5)
    assert process.returncode == 128 + number
    assert "Traceback" not in err
    assert "the same command goes on there" in err
    hub.bytes_per_second = 0
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert all(json.loads(line)["event"] for line in done.stdout.splitlines())
    assert any(one.range for one in hub.requests)


def test_a_newer_commit_is_mentioned_and_taken_on_request(
    hub: Hub, said: Say, random_weights: Path
) -> None:
    assert said("download", "weights=hub", "progress=quiet").status == 0
    old = snapshot(DECODER)
    newer = Path("newer")
    shutil.copytree(random_weights / "kandinsky-2-2-decoder", newer)
    (newer / "README.md").write_text("newer")
    hub.repositories[DECODER].move_main(newer)
    assert "--newest" not in said("plan", *RUN).out
    (old / UNET).unlink()
    assert said("download", "weights=hub", "progress=quiet").status == 0
    assert f"main is now at {hub.repositories[DECODER].commit[:8]}" in said("plan", *RUN).out
    one = said("download", "weights=hub", "progress=lines", "--newest")
    assert one.status == 0
    assert old.name not in one.out
    assert hub.repositories[DECODER].commit in one.out


def test_another_programs_cache_is_compared_with_the_listing(
    hub: Hub, said: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert said("download", "weights=hub", "progress=quiet").status == 0
    home = snapshot(PRIOR).parents[1]
    shutil.rmtree(home / "trees")
    extra = snapshot(PRIOR) / "tokenizer" / "special_tokens_map.json"
    extra.unlink()
    hub.stop()
    # Whole as far as anyone can tell without the hub.
    assert said("download", "weights=hub", "progress=quiet").status == 0
    hub.start()
    assert said("download", "weights=hub", "progress=quiet").status == 0
    assert extra.is_file()


def test_several_damaged_files_are_fetched_again(hub: Hub, said: Say) -> None:
    assert said("download", "weights=hub", "progress=quiet").status == 0
    files = [snapshot(DECODER) / name for name in (UNET, "unet/config.json")]
    whole = [file.read_bytes() for file in files]
    for file in files:
        file.resolve().write_bytes(bytes(file.stat().st_size))
    assert said("download", "weights=hub", "progress=quiet").status == 0
    assert [file.read_bytes() for file in files] == whole


def test_a_whole_cache_needs_no_answer(hub: Hub, said: Say) -> None:
    assert said("download", "weights=hub", "progress=quiet").status == 0
    for repo in (PRIOR, DECODER):
        shutil.rmtree(snapshot(repo).parents[1] / "trees")
    hub.answer("/api/models", status=401)
    assert said("download", "weights=hub", "progress=quiet").status == 0


def test_a_damaged_conversion_is_made_anew(hub: Hub, said: Say) -> None:
    Image.new("RGB", (64, 64), "red").save("hint.png")
    download = ("download", "weights=hub", "task=controlnet", "inputs.hint=hint.png")
    assert said(*download, "progress=quiet").status == 0
    files = sorted(Path("own/converted").glob("*.safetensors"))
    whole = [file.read_bytes() for file in files]
    files[0].write_bytes(whole[0][:-4] + bytes(4))
    files[1].write_bytes(whole[1][:100])
    assert said(*download, "progress=quiet").status == 0
    assert [file.read_bytes() for file in files] == whole
