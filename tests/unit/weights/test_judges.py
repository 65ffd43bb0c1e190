"""Where judges are found, and how each way of being wrong is refused before anything runs."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from runner.catalog.judges import JUDGES
from runner.planning.planner import make_plan
from runner.weights.find import MINI_DIR
from unit.conftest import Command, Compose, assert_refused

MODEL = "metrics.pick_score.arguments.model"
TOKENIZER = "metrics.pick_score.arguments.tokenizer"
HPS = "metrics.hps_v2_1.arguments.model"


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is read of judges before they run: names, shapes, a tokenizer. Read it only."""
    folder = tmp_path_factory.mktemp("published")
    shutil.copytree(MINI_DIR / "kandinsky-2-2-prior" / "tokenizer", folder / "clip-h")
    for name in ("pick", "hps", "layers"):
        (folder / name).mkdir()
    shapes = JUDGES["pick_score"].parts[0].tensors
    tensors = {name: np.zeros([1] * dimensions) for name, dimensions in shapes.items()}
    save_file(tensors, folder / "pick" / "model.safetensors")
    (folder / "pick" / "config.json").write_text("{}")
    # One folder with all that the judge reads.
    shutil.copytree(folder / "pick", folder / "whole")
    shutil.copytree(folder / "clip-h", folder / "whole", dirs_exist_ok=True)
    (folder / "reward").mkdir()
    (folder / "reward" / "med_config.json").write_text('{"vocab_size": 30524}')
    for name, file, judge in (
        ("reward", "ImageReward.pt", "image_reward"),
        ("hps", "HPS_v2.1_compressed.pt", "hps_v2_1"),
        ("layers", "sac+logos+ava1-l14-linearMSE.pth", "aesthetic_score"),
    ):
        shapes = JUDGES[judge].parts[0].tensors
        state = {one: torch.zeros([1] * dimensions) for one, dimensions in shapes.items()}
        torch.save({"epoch": 1, "state_dict": state}, folder / name / file)
    return folder


@pytest.fixture
def pick(published: Path, tmp_path: Path) -> Path:
    """A folder with all of PickScore, to be damaged at will."""
    return Path(shutil.copytree(published / "whole", tmp_path / "pick"))


def keys(composed: Compose, *overrides: str) -> set[str]:
    """The keys of the nodes that judge."""
    (image,) = make_plan(composed("metrics=[pick_score]", *overrides)).images
    return {node.key for node in image.measures.values()}


def test_what_counts_is_what_is_in_the_files_not_where_they_are(
    composed: Compose, published: Path, pick: Path, tmp_path: Path
) -> None:
    apart = keys(composed, f"{MODEL}={published / 'pick'}", f"{TOKENIZER}={published / 'clip-h'}")
    together = keys(composed, f"{MODEL}={pick}")
    assert apart == together
    moved = shutil.move(pick, tmp_path / "moved")
    assert keys(composed, f"{MODEL}={moved}") == together
    (Path(moved) / "README.md").write_text("Nobody reads it.")
    assert keys(composed, f"{MODEL}={moved}") == together
    tokenizer = Path(moved) / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text() + "\n")
    assert keys(composed, f"{MODEL}={moved}") != together
    half = keys(composed, f"{MODEL}={published / 'whole'}", "precision.metrics=fp16")
    assert half != together


def test_a_repository_of_the_cache_counts_like_a_folder(
    composed: Compose, pick: Path, tmp_path: Path
) -> None:
    """As `hf download` leaves it; the hub is not asked, although weights=mini may not download."""
    commit = "0123456789" * 4
    home = tmp_path / "hub" / "models--someone--PickScore"
    shutil.copytree(pick, home / "snapshots" / commit)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(commit)
    cached = keys(composed, f"{MODEL}=someone/PickScore")
    assert cached == keys(composed, f"{MODEL}={pick}")
    assert cached == keys(composed, f"{MODEL}=someone/PickScore@{commit}")


Damage = Callable[[Path], None]


def without(name: str) -> Damage:
    return lambda folder: (folder / name).unlink()


def text(name: str, content: str) -> Damage:
    def write(folder: Path) -> None:
        (folder / name).write_text(content)

    return write


def cut(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-10])


def another(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"logit_scale": torch.zeros(())}, folder / "pytorch_model.bin")


class Evil:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("was_here"),)


def evil(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"state_dict": {"logit_scale": torch.zeros(())}, "evil": Evil()},
               folder / "pytorch_model.bin")  # fmt: skip


def bare_pickle(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Evil()))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (without("model.safetensors"), ["has not model.safetensors or pytorch_model.bin"]),
        (without("config.json"), ["and config.json"]),
        (text("config.json", "{"), ["config.json: cannot be read"]),
        (cut, ["model.safetensors", "where its header says"]),
        (another, ["pytorch_model.bin", "is another model: has no vision_model"]),
        (evil, ["pytorch_model.bin", "more than tensors: refused"]),
        (bare_pickle, ["pytorch_model.bin", "is no file of torch.save"]),
    ],
)
def test_a_damaged_or_foreign_folder_is_refused(
    command: Command, pick: Path, damage: Damage, said: list[str]
) -> None:
    damage(pick)
    refused = command("plan", "metrics=[pick_score]", f"{MODEL}={pick}")
    assert_refused(refused, MODEL, str(pick), *said)
    assert not Path("was_here").exists()


def test_places_that_are_none_are_refused(command: Command, published: Path) -> None:
    for told, *said in (
        (
            "null",
            "yuvalkirstain/PickScore_v1",
            "not in the hub's cache",
            "hf download",
            "weights=hub",
        ),
        ("someone/else@v2", "someone/else@v2", "is no folder and not in the hub's cache"),
        ("/no/such/folder", "is no folder, and no name of a repository", "owner/name"),
        ("3", "says no place", "a folder"),
    ):
        refused = command("plan", "metrics=[pick_score]", f"{MODEL}={told}")
        assert_refused(refused, MODEL, *said)
    alone = command("plan", "metrics=[pick_score]", f"{MODEL}={published / 'pick'}")
    assert_refused(alone, TOKENIZER, "has not tokenizer.json or vocab.json with merges.txt")
    alone = command("plan", "metrics=[hps_v2_1]", f"{HPS}={published / 'hps'}")
    tokenizer = HPS.replace("model", "tokenizer")
    assert_refused(alone, tokenizer, "laion/CLIP-ViT-H-14-laion2B-s32B-b79K", "hf download")
    other = command("plan", "metrics=[hps_v2_1]", f"{HPS}={published / 'pick'}")
    assert_refused(other, HPS, "has not HPS_v2.1_compressed.safetensors or HPS_v2.1_compressed.pt")
    reward = f"metrics.image_reward.arguments.model={published / 'reward'}"
    other = command("plan", "metrics=[image_reward]", reward)
    assert_refused(other, reward, "med_config.json", "does not say hidden_size")
    name = "metrics.aesthetic_score.arguments"
    bare = command("plan", "metrics=[aesthetic_score]", f"{name}.model={published / 'layers'}")
    assert_refused(bare, f"{name}.clip", "has not model.safetensors", "config.json")
    wrong = command("plan", "metrics=[pick_score]", "+metrics.pick_score.arguments.clip=a/b")
    assert_refused(wrong, "metrics.pick_score.arguments.clip", "takes no such", "model, tokenizer")


def test_a_prompt_that_is_longer_than_a_judge_reads_is_told(
    command: Command, published: Path
) -> None:
    prompt = "two cats and a house " * 20
    planned = command(
        "plan", "metrics=[pick_score]", f"{MODEL}={published / 'whole'}", f"prompt={prompt}"
    )
    assert planned.status == 0, planned.err
    assert "PickScore reads 77 tokens of a text" in planned.out + planned.err
    assert f"judge_pick_score folder: {published / 'whole'}" in planned.out
