"""`weights=hub model=kandinsky2_0`: the published files are fetched and converted once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from functional.made import Made
from hub_stand_in import Hub
from kandinsky2_0 import converter, published
from runner.catalog.kandinsky2_0 import DECODER_2_0, INPAINT_2_0
from runner.cli import main
from runner.kandinsky2_0.conversion.__main__ import main as make
from runner.kandinsky2_0.conversion.convert import convert

REPO = "ai-forever/Kandinsky_2.0"
RUN = (
    "weights=hub", "model=kandinsky2_0", "tracking=none", "progress=quiet", "device=cpu",
    "height=64", "width=64", "decoder.num_inference_steps=2",
)  # fmt: skip
CONVERTER = converter.__name__
TESTS = Path(__file__).parents[1]

Said = tuple[int, str, str]
Say = Callable[..., Said]


@pytest.fixture(autouse=True)
def _served(hub: Hub, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add(REPO, source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KANDINSKY_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("KANDINSKY_HUB_PATIENCE", "0")
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    for checkpoint in (DECODER_2_0, INPAINT_2_0):  # their fields are otherwise fixed
        monkeypatch.setitem(vars(checkpoint.original), "converter", CONVERTER)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Say:
    """`kandinsky <arguments>` in this process: status, stdout, stderr."""

    def say(*arguments: str) -> Said:
        capsys.readouterr()
        return main(list(arguments)), *capsys.readouterr()

    return say


def fetched(hub: Hub) -> list[str]:
    """Published files of weights that were asked for."""
    paths = [one.path for one in hub.requests if one.is_file]
    return [path for path in paths if path.endswith((".pt", ".ckpt", ".bin"))]


def kept() -> list[str]:
    """Names in the folder of what was made."""
    folders = Path("own/converted").glob(f"models--{REPO.replace('/', '--')}/*/*")
    return sorted(path.name for path in folders)


@pytest.mark.slow
def test_it_is_converted_once_and_kept(
    hub: Hub, said: Say, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, out, _ = said("plan", *RUN)
    assert status == 0
    assert out.count("11 files not on disk, 7.4 MB; a run will download and convert it") == 1
    assert "which takes up to 7.4 MB in " in out
    assert not fetched(hub), "a plan fetches and converts nothing"

    assert said(*RUN)[0] == 0
    made = Made(Path("outputs"))
    assert len(fetched(hub)) == 4, "the UNet of inpainting is not asked for"
    assert kept() == [".lock", "kandinsky-2-0"]
    convert(source, tmp_path / "by_hand", sizes=published.SIZES)
    by_hand = (*RUN, "weights=by_hand", "cache=off")
    assert said(*by_hand)[0] == 0
    again = Made(Path("outputs"))
    assert again.hashes == made.hashes
    assert again.manifest["images"][0]["stage_keys"] == made.manifest["images"][0]["stage_keys"]

    # Neither the network nor the published files are needed any more.
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    shutil.rmtree(next(Path("hf_home/hub").glob("models--ai-forever*/blobs")))
    assert said(*RUN, "cache=off")[0] == 0
    assert Made(Path("outputs")).hashes == made.hashes


def test_offline_it_is_refused_where_it_is_not_there(
    said: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    status, _, err = said(*RUN)
    assert status == 2
    assert err.count("error: ") == 1
    assert "is not on this disk" in err
    assert "HF_HUB_OFFLINE" in err
    status, _, err = said("plan", *RUN, "weights.decoder.variant=fp16")
    assert status == 2
    assert err.startswith(f"error: weights.decoder.variant=fp16: {REPO} is published without")


def test_what_another_program_fetched_is_converted(
    said: Say, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, commit = Path(f"hf_home/hub/models--{REPO.replace('/', '--')}"), "ab" * 20
    shutil.copytree(source, home / "snapshots" / commit)
    (home / "refs").mkdir()
    (home / "refs/main").write_text(commit)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    status, out, _ = said("plan", *RUN)
    assert status == 0
    assert f"{REPO}@{commit}: a run will convert it, which takes up to 7.4 MB in " in out
    (home / "snapshots" / commit / "vae.ckpt").unlink()
    assert "not on disk; a run will download and convert it" in said("plan", *RUN)[1]


def test_a_conversion_that_fails_is_told_in_one_message(
    said: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vars(DECODER_2_0.original), "converter", "kandinsky2_0.refusing")
    status, _, err = said(*RUN)
    assert status == 2
    assert err == (
        f"error: weights.decoder.repo={REPO}: cannot be converted: source=Kandinsky-2-0.pt: is not "
        "what was published:\n  missing: time_embed.0.bias, 64\n"
    )
    assert not Path("outputs/latest").exists()
    monkeypatch.setitem(vars(DECODER_2_0.original), "converter", "kandinsky2_0.dying")
    status, _, err = said(*RUN)
    assert status == 1
    assert err.startswith(f"error: {REPO} cannot be converted: its process ended (-9)")
    assert kept() == [".lock"], "what was begun is gone"


def test_whoever_wants_it_at_once_gets_one_folder(source: Path, tmp_path: Path) -> None:
    into = tmp_path / "new"
    (into / ".kandinsky-2-0.0123.part").mkdir(parents=True)  # by one that was killed
    folders = ("kandinsky-2-0", "kandinsky-2-0", "kandinsky-2-0-inpaint")
    asked = [[str(source), str(into / folder)] for folder in folders]
    with ThreadPoolExecutor(len(asked)) as pool:  # a lock file keeps threads apart like processes
        assert list(pool.map(partial(make, sizes=published.SIZES), asked)) == [0, 0, 0]
    assert sorted(path.name for path in into.iterdir()) == [".lock", *sorted(set(folders))]
    weights = [into / name / "vae/diffusion_pytorch_model.safetensors" for name in folders[1:]]
    assert weights[0].samefile(weights[1]), "what both have is on disk once"
