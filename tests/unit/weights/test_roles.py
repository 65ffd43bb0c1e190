"""The depth model's three sources, and the two roles of Kandinsky 3's one repository."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.catalog.checkpoint import Checkpoint
from runner.catalog.kandinsky2_2 import DEPTH
from runner.catalog.kandinsky3 import DECODER_3, TEXT_3
from runner.config.choices import WeightsSource
from runner.errors import ConfigError, WeightsError
from runner.planning.plan import Plan
from runner.planning.planner import make_plan
from runner.weights import find
from runner.weights.folder import check_folder
from runner.weights.found import FoundCheckpoint
from runner.weights.hashes import FileHashes
from unit.conftest import Compose

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONTROLNET = ("task=controlnet", "inputs.image=a.png", "device=cpu")
Planner = Callable[..., Plan]


@pytest.fixture
def plan(composed: Compose, tmp_path: Path, pictures: Callable[[Path], None]) -> Planner:
    """Compose and plan, beside a few pictures, with an empty hub cache."""
    pictures(tmp_path)
    return lambda *overrides: make_plan(composed(*overrides))


@pytest.fixture
def copied(random_weights: Path, tmp_path: Path) -> Path:
    """All random checkpoints, to be changed at will."""
    return Path(shutil.copytree(random_weights, tmp_path / "copied"))


def cached(cache: Path, repo: str, folder: Path) -> Path:
    """Put a folder where the hub's client would have."""
    home = cache / f"models--{repo.replace('/', '--')}"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(COMMIT)
    return Path(shutil.copytree(folder, home / "snapshots" / COMMIT))


def depth_of(plan: Plan) -> FoundCheckpoint:
    found = plan.weights.checkpoints["depth"]
    (node,) = (node for node in plan.graph if node.stage == "depth")
    assert node.pipeline is not None
    assert node.pipeline.weights == found.identity
    return found


def folder_of(found: FoundCheckpoint) -> Path:
    assert found.checked is not None
    return found.checked.path


def test_the_depth_model_comes_with_the_weights(plan: Planner, random_weights: Path) -> None:
    found = depth_of(plan(*CONTROLNET, f"weights={random_weights}"))
    assert folder_of(found) == random_weights / DEPTH.folder
    assert (found.source, found.revision) == (WeightsSource.folder, None)
    assert found.parameters > 0


def test_the_depth_model_comes_with_the_small_family(
    plan: Planner, random_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find, "MINI_DIR", random_weights)
    found = depth_of(plan(*CONTROLNET, "weights=mini"))
    assert folder_of(found) == random_weights / DEPTH.folder
    assert found.source is WeightsSource.mini


@pytest.mark.parametrize("repo", [None, "a/b"])
def test_the_depth_model_comes_from_the_hubs_cache(
    plan: Planner, random_weights: Path, tmp_path: Path, repo: str | None
) -> None:
    overrides = (*CONTROLNET, "weights=hub", *([f"depth.repo={repo}"] if repo else []))
    absent = depth_of(plan(*overrides))
    assert absent.checked is None
    assert absent.identity == f"{repo or DEPTH.repo}@main, not on disk"
    snapshot = cached(tmp_path / "hub", repo or DEPTH.repo, random_weights / DEPTH.folder)
    found = depth_of(plan(*overrides))
    assert (folder_of(found), found.revision) == (snapshot, COMMIT)
    # By content: the same as the folder's own.
    assert found.identity == depth_of(plan(*CONTROLNET, f"weights={random_weights}")).identity


def test_a_depth_model_of_the_hub_beside_other_weights_must_be_on_disk(
    plan: Planner, random_weights: Path, tmp_path: Path
) -> None:
    overrides = (*CONTROLNET, f"weights={random_weights}", "depth.repo=a/b")
    with pytest.raises(WeightsError) as caught:
        plan(*overrides)
    assert str(caught.value) == (
        "depth.repo=a/b: is no folder and not in the hub's cache"
        "\n  allowed: a folder; or weights=hub, which may download"
    )
    snapshot = cached(tmp_path / "hub", "a/b", random_weights / DEPTH.folder)
    assert folder_of(depth_of(plan(*overrides))) == snapshot


@pytest.mark.parametrize("name", ["mine", "deep/mine", DEPTH.repo])
@pytest.mark.parametrize("weights", ["hub", "folder"])
def test_the_depth_model_may_be_a_folder_of_its_own(
    plan: Planner, random_weights: Path, tmp_path: Path, name: str, weights: str
) -> None:
    shutil.copytree(random_weights / DEPTH.folder, tmp_path / name)
    chosen = random_weights if weights == "folder" else "hub"
    found = depth_of(plan(*CONTROLNET, f"weights={chosen}", f"depth.repo={name}"))
    assert folder_of(found) == tmp_path / name
    assert found.source is WeightsSource.folder


def test_another_model_is_no_depth_model(plan: Planner, random_weights: Path) -> None:
    for folder in ("kandinsky-2-2-prior", "kandinsky-3/text_encoder"):
        with pytest.raises(ConfigError) as caught:
            plan(*CONTROLNET, f"weights={random_weights}", f"depth.repo={random_weights / folder}")
        assert str(caught.value).startswith("depth.repo=")
        assert "\n" not in str(caught.value).partition("\n  allowed")[0]


def flip_last_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def identity(folder: Path, checkpoint: Checkpoint) -> str:
    path = folder / checkpoint.folder
    return check_folder(path, checkpoint, None, "weights", FileHashes(None)).fingerprint


def test_roles_of_kandinsky_3_ignore_each_others_files(copied: Path) -> None:
    repository = copied / DECODER_3.folder
    modules = {
        module: sorted((repository / module).glob("*.safetensors"))[0]
        for module in ("text_encoder", "unet", "movq")
    }
    for module, file in modules.items():
        text, decoder = identity(copied, TEXT_3), identity(copied, DECODER_3)
        flip_last_byte(file)
        assert (identity(copied, TEXT_3) != text) == (module == "text_encoder"), module
        assert (identity(copied, DECODER_3) != decoder) == (module != "text_encoder"), module
    (tokenizer,) = (repository / "tokenizer").glob("spiece.model")
    text, decoder = identity(copied, TEXT_3), identity(copied, DECODER_3)
    flip_last_byte(tokenizer)
    assert identity(copied, TEXT_3) != text
    assert identity(copied, DECODER_3) == decoder


def test_changing_the_unet_of_kandinsky_3_keeps_the_encoded_texts(
    plan: Planner, copied: Path
) -> None:
    def keys() -> dict[str, str]:
        found = plan("model=kandinsky3", f"weights={copied}", "device=cpu")
        return {node.stage: node.key for node in found.graph}

    before = keys()
    flip_last_byte(next((copied / DECODER_3.folder / "unet").glob("*.safetensors")))
    after = keys()
    assert after["encode_text"] == before["encode_text"]
    assert after["decode"] != before["decode"]


@pytest.mark.parametrize("module", ["text_encoder", "unet", "movq"])
def test_each_module_of_kandinsky_3_must_be_there(plan: Planner, copied: Path, module: str) -> None:
    shutil.rmtree(copied / DECODER_3.folder / module)
    with pytest.raises(WeightsError, match=module):
        plan("model=kandinsky3", f"weights={copied}", "device=cpu")
