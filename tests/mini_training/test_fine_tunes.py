"""Parts that are fine-tuned from others: text encoders, the other UNets of 2.x, and that of 3."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from torch import nn

from mini_training.test_train import CPU, SHORT, same, shrink_dataset, weights
from runner.catalog.versions import CATALOG
from runner.weights.folder import check_folder
from runner.weights.hashes import FileHashes
from training import export
from training import train as command
from training.captions import WORDS, caption
from training.loop import Budget, under
from training.parts import (
    clip,
    dataset,
    fine_tunes,
    kandinsky3,
    movq,
    prior,
    shown,
    texts,
    unet,
)
from training.parts.fine_tunes import CONTROLNET, INPAINT, INPAINT_2_1, KINDS, UNET_2_1
from training.scenes import Scene, SceneObject, sample_scene
from training.start import loaded
from training.steps import Draws
from training.tokenizers.unigrams import LETTERS, t5_tokenizer, xlm_roberta_tokenizer

BASE = (movq.NAME, clip.NAME, unet.NAME, texts.MULTILINGUAL, texts.T5)
LATER = (*KINDS, kandinsky3.NAME)
FEW = replace(SHORT, steps=2, cooldown=0, warmup=1)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where every part was trained for two steps."""
    folder = tmp_path_factory.mktemp("mini-training")
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        shrink_dataset(patch)
        for name in (*BASE, *LATER):
            trained(name, folder, FEW)
    return folder


def trained(name: str, folder: Path, budget: Budget) -> None:
    _, trainer = command.PARTS[name]
    trainer(folder, 0, CPU, budget)


@pytest.fixture
def shelf(work: Path, monkeypatch: pytest.MonkeyPatch) -> shown.Shelf:
    shrink_dataset(monkeypatch)
    return shown.Shelf(work, dataset.training_scenes(0), CPU)


@pytest.mark.parametrize("name", [texts.T5, texts.MULTILINGUAL, INPAINT.name, kandinsky3.NAME])
def test_a_resumed_part_has_bit_identical_weights(
    name: str, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink_dataset(monkeypatch)
    for needed in BASE:
        if needed != name:
            (tmp_path / needed).symlink_to(work / needed)
    trained(name, tmp_path, replace(FEW, steps=1))
    half = weights(tmp_path / name)
    trained(name, tmp_path, FEW)
    whole = weights(tmp_path / name)
    assert same(whole, weights(work / name))
    assert not same(whole, half)


def test_what_a_fine_tune_sees_besides_counts_for_nothing_at_first(work: Path) -> None:
    base = fine_tunes.load(unet.NAME, work)
    latents, beside = torch.randn(2, 4, 16, 16), torch.randn(2, 5, 16, 16)
    told = {"image_embeds": torch.randn(2, clip.WIDTH)}
    times = torch.tensor([10, 900])

    def drawn(model: nn.Module, sample: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return model(sample, times, None, added_cond_kwargs=told).sample

    inpaint = fine_tunes.build(INPAINT)
    fine_tunes.warm_start(inpaint, base)
    seen = torch.cat([latents, beside], dim=1)
    assert torch.allclose(drawn(inpaint, seen), drawn(base, latents), atol=1e-5)
    told |= {"hint": torch.rand(2, 3, 128, 128)}
    controlled = fine_tunes.build(CONTROLNET)
    fine_tunes.warm_start(controlled, base)
    assert torch.allclose(drawn(controlled, latents), drawn(base, latents), atol=1e-5)


def test_a_fine_tune_needs_what_it_starts_from(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink_dataset(monkeypatch)
    for needed in BASE:
        (tmp_path / needed).symlink_to(work / needed)
    with pytest.raises(FileNotFoundError, match=UNET_2_1.name):
        trained(INPAINT_2_1.name, tmp_path, FEW)


def test_masks_hold_the_object_and_never_all_of_the_picture() -> None:
    rng = Random(0)
    for step in range(100):
        for thing in sample_scene(rng).objects:
            kept = shown.kept_around(Draws.of(0, "masks", step), thing)
            rows, columns = (kept[0].amin(axis) for axis in (1, 0))
            for centre, masked in ((thing.y, rows), (thing.x, columns)):
                places = (masked == 0).nonzero().flatten() * shown.BLOCK
                assert places.min() <= max(centre - thing.radius, 0)
                assert places.max() + shown.BLOCK >= min(centre + thing.radius, 128)


def test_what_is_repainted_is_gone_from_what_is_seen(shelf: shown.Shelf) -> None:
    drawn = shown.repainted(shelf, Draws.of(0, "repaint", 0), 8)
    batch = shown.prepare_repainting(movq.load(shelf.work), drawn.batch)
    clean, source, kept = batch["latents"], *torch.split(batch["seen"], [4, 1], dim=1)
    assert set(kept.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(source * (1 - kept), torch.zeros_like(source))
    # What is kept is what is to come out.
    assert torch.equal(clean * kept, source)
    for lone, twin in zip(drawn.alone, drawn.twins, strict=True):
        assert lone.combinations == shelf.scenes[twin].combinations


def test_an_object_is_taken_out_of_its_scene() -> None:
    left, right = SceneObject("circle", "red", 32, 64, 24), SceneObject("line", "blue", 96, 64, 24)
    scene = Scene("gray", (left, right), "left of")
    assert shown.without(scene, left) == Scene("gray", (right,))
    assert shown.without(shown.without(scene, left), right) == Scene("gray", ())


def test_kandinsky_3_learns_from_captions_of_about_one_length() -> None:
    known = dataset.training_scenes(0, 200)
    _, prompts = kandinsky3.alike(Draws.of(0, "alike", 0), known, 32)
    lengths = [len(t5_tokenizer()(text).input_ids) for text in prompts]
    assert len(prompts) == 32
    assert max(lengths) - min(lengths) <= 6


@pytest.mark.parametrize("tokenizer", [t5_tokenizer, xlm_roberta_tokenizer])
def test_words_are_pieces_and_others_are_spelt(tokenizer: Callable[[], Any]) -> None:
    made = tokenizer()
    for word in WORDS - set(LETTERS):
        assert made.tokenize(word) == ["▁" + word]
        assert made.tokenize(word.capitalize()) == ["▁" + word.capitalize()]
    assert made.tokenize("zebra") == ["▁", *"zebra"]
    rng = Random(0)
    # The Chinese comma is no word, and no piece.
    said = [caption(rng, sample_scene(rng))[0].replace("，", "") for _ in range(500)]
    assert made.unk_token_id not in {token for ids in made(said).input_ids for token in ids}


def test_the_family_is_exported_with_what_its_checkpoints_share_stored_once(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink_dataset(monkeypatch)
    export.run_export(work, tmp_path, allow_untrained=True)
    hashes = FileHashes(None)
    found = {
        checkpoint.folder: check_folder(
            tmp_path / checkpoint.folder, checkpoint, None, "weights", hashes
        )
        for row in CATALOG
        for checkpoint in row.checkpoints.values()
    }
    assert found.keys() == {folder.name for folder in export.FOLDERS} | {export.DEPTH_FOLDER}
    files = list(tmp_path.rglob("*.safetensors"))
    digests = [hashes.sha256(file) for file in files]
    assert len(set(digests)) == len(digests)
    assert sum(file.stat().st_size for file in files) < 60e6
    for name, checked in found.items():
        if checked.native_size is not None:
            assert checked.native_size == 128, name
    # Training goes on from what was exported: each part's weights are there, in half precision.
    again = loaded(tmp_path)
    for name in (*KINDS, kandinsky3.NAME, texts.T5):
        kept = under("ema/", weights(work / name))
        for key, value in again[name].state_dict().items():
            if not key.startswith("head"):
                assert torch.allclose(value, kept[key], atol=2e-3), (name, key)


def test_what_is_not_trained_is_not_exported(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink_dataset(monkeypatch)
    some = tmp_path / "work"
    some.mkdir()
    for needed in (*BASE, INPAINT.name, prior.NAME):
        if (work / needed).exists():
            (some / needed).symlink_to(work / needed)
    trained(prior.NAME, some, FEW)
    export.run_export(some, tmp_path / "weights")
    assert {path.name for path in (tmp_path / "weights").iterdir()} == {
        export.PRIOR_FOLDER, export.DECODER_FOLDER, export.INPAINT_FOLDER, "vocabulary.json",
    }  # fmt: skip
