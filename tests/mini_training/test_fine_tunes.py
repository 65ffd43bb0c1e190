"""Parts that are made from others: text encoders, the other UNets of 2.x, 2.0, and that of 3."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from mini_training.test_train import CPU, SHORT, same, shrink_dataset, weights
from runner.catalog.versions import CATALOG
from runner.kandinsky2_0.pipeline_kandinsky2_0 import KandinskyV20Pipeline
from runner.mini.known import read_known
from runner.weights.folder import check_folder
from runner.weights.hashes import FileHashes
from training import export
from training import train as command
from training.captions import WORDS, caption
from training.components import Parts
from training.evaluate import Row, draw, pairs_of
from training.judging.family import Family, how
from training.judging.pipelines import Pipelines
from training.judging.tasks import inpaint_decoder_2_0, released
from training.loop import Budget, under
from training.parts import (
    clip,
    dataset,
    fine_tunes,
    kandinsky2_0,
    kandinsky3,
    kl,
    movq,
    prior,
    shown,
    texts,
    unet,
)
from training.parts.fine_tunes import CONTROLNET, INPAINT, INPAINT_2_1, KINDS, UNET_2_1
from training.scenes import sample_scene
from training.start import loaded
from training.steps import Draws
from training.tokenizers.unigrams import LETTERS, t5_tokenizer, xlm_roberta_tokenizer

BASE = (movq.NAME, clip.NAME, unet.NAME, texts.MULTILINGUAL, texts.T5)
LATER = (*KINDS, kandinsky3.NAME, kl.NAME, *kandinsky2_0.BUDGETS)
FEW = replace(SHORT, steps=2, cooldown=0, warmup=1, batch=4)
FEW_STEPS = {"num_inference_steps": 2}


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


@pytest.fixture(scope="module")
def family(work: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """These parts, exported."""
    folder = tmp_path_factory.mktemp("weights")
    with pytest.MonkeyPatch.context() as patch:
        shrink_dataset(patch)
        export.run_export(work, folder, allow_untrained=True)
    return folder


def trained(name: str, folder: Path, budget: Budget) -> None:
    _, trainer = command.PARTS[name]
    trainer(folder, 0, CPU, budget)


@pytest.fixture
def shelf(work: Path, monkeypatch: pytest.MonkeyPatch) -> shown.Shelf:
    shrink_dataset(monkeypatch)
    return shown.Shelf(work, dataset.training_scenes(0), CPU)


@pytest.mark.parametrize(
    "name",
    [texts.T5, texts.MULTILINGUAL, INPAINT.name, kandinsky3.NAME, kl.NAME, kandinsky2_0.NAME],
)
def test_a_resumed_part_has_bit_identical_weights(
    name: str, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink_dataset(monkeypatch)
    for needed in (*BASE, UNET_2_1.name):
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


def test_2_0_starts_with_all_of_the_unet_of_2_1(work: Path) -> None:
    model = kandinsky2_0.fresh(kandinsky2_0.NAME)
    kandinsky2_0.warm_start(model, kandinsky2_0.NAME, work)
    given = fine_tunes.load(UNET_2_1.name, work).state_dict()
    assert all(torch.equal(value, given[key]) for key, value in model.unet.state_dict().items())


def test_what_inpainting_with_2_0_sees_besides_counts_for_nothing_at_first(work: Path) -> None:
    base, inpaint = (kandinsky2_0.fresh(name) for name in kandinsky2_0.BUDGETS)
    base.load_state_dict(kandinsky2_0.load(kandinsky2_0.NAME, work).state_dict())
    kandinsky2_0.warm_start(inpaint, kandinsky2_0.INPAINT, work)
    readers = kandinsky2_0.Readers(work, CPU)
    read = readers.read(readers.tokens(["a red circle", ""]))
    latents, beside = torch.randn(2, 4, 16, 16), torch.randn(2, 5, 16, 16)
    times = torch.tensor([10, 900])
    with torch.no_grad():
        seen = inpaint(torch.cat([latents, beside], dim=1), times, read)
        assert torch.allclose(seen, base(latents, times, read), atol=1e-5)


def test_2_0_is_trained_on_what_its_pipeline_tells_the_unet(work: Path) -> None:
    parts = Parts(work, allow_untrained=False).kandinsky_2_0(kandinsky2_0.NAME)
    pipeline = KandinskyV20Pipeline(**parts).to(torch.float32)
    prompts = ["a red circle above a blue ring", "синий круг"]
    told = pipeline.encode_prompt(prompts, do_classifier_free_guidance=False)
    readers = kandinsky2_0.Readers(work, CPU)
    read = readers.read(readers.tokens(prompts))
    names = ("prompt_embeds", "prompt_embeds_2", "pooled_prompt_embeds")
    for name, value in zip(names, read, strict=True):
        assert value.shape[1:] in {(77, texts.WIDTH), (clip.WIDTH,)}
        assert torch.allclose(told[name], value, atol=5e-3), name


def test_the_latents_of_2_0_are_those_of_the_movq_scaled(work: Path) -> None:
    teacher, model = movq.build(), kl.build()
    teacher.load_state_dict(under("ema/", weights(work / movq.NAME)))
    kl.warm_start(model, teacher)
    features, latents = torch.randn(1, 64, 16, 16), torch.randn(1, 4, 16, 16)
    scale = kl.SHARE / kl.SCALING_FACTOR
    with torch.no_grad():
        wanted = teacher.quant_conv(teacher.encoder.conv_out(features))
        mean, logvar = model.quant_conv(model.encoder.conv_out(features)).chunk(2, dim=1)
        assert torch.allclose(mean, wanted * scale, atol=1e-4)
        spread = (logvar / 2).exp() * kl.SCALING_FACTOR / kl.SHARE
        assert torch.allclose(spread, torch.full_like(spread, kl.SPREAD))
        read = model.post_quant_conv(latents * scale)
        assert torch.allclose(read, teacher.post_quant_conv(latents), atol=1e-5)


def test_a_fine_tune_needs_what_it_starts_from(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink_dataset(monkeypatch)
    for needed in BASE:
        (tmp_path / needed).symlink_to(work / needed)
    with pytest.raises(FileNotFoundError, match=UNET_2_1.name):
        trained(INPAINT_2_1.name, tmp_path, FEW)


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
    work: Path, family: Path
) -> None:
    hashes = FileHashes(None)
    found = {
        checkpoint.folder: check_folder(
            family / checkpoint.folder, checkpoint, None, "weights", hashes
        )
        for row in CATALOG
        if row.version.in_small_family
        for checkpoint in row.checkpoints.values()
    }
    assert found.keys() == {folder.name for folder in export.FOLDERS} | {export.DEPTH_FOLDER}
    files = list(family.rglob("*.safetensors"))
    digests = [hashes.sha256(file) for file in files]
    assert len(set(digests)) == len(digests)
    assert sum(file.stat().st_size for file in files) < 76e6
    for name, checked in found.items():
        if checked.native_size is not None:
            assert checked.native_size == 128, name
    # Training goes on from what was exported: each part's weights are there, in half precision.
    again = loaded(family)
    for name in (*LATER, texts.T5):
        kept = under("ema/", weights(work / name))
        for key, value in again[name].state_dict().items():
            if not key.startswith("head"):
                assert torch.allclose(value, kept[key], rtol=1e-3, atol=2e-3), (name, key)


@pytest.mark.parametrize("scheduler", ["ddim", "ddpm"])
def test_the_exported_2_0_draws_a_batch_as_one_by_one(family: Path, scheduler: str) -> None:
    pairs = pairs_of(Row(), 2, read_known(family))
    row = Row("2.0", scheduler=scheduler, decoder_steps=2)
    pipelines = Pipelines(family)
    both = list(draw(pipelines, pairs, row))
    for place, pair in enumerate(pairs):
        (alone,) = draw(pipelines, [pair], row)
        assert np.abs(alone.astype(int) - both[place]).max() <= 1


def test_the_exported_2_0_inpaints_with_both_samplings(family: Path) -> None:
    decoder = inpaint_decoder_2_0(Family(family))
    own = decoder.scheduler
    source = Image.new("RGB", (128, 128), "gray")
    asked = {"image": source, "mask_image": Image.new("L", (128, 128), 255), **how(0)}
    plain = decoder("a red circle", **asked | FEW_STEPS).images[0]
    with released(decoder):
        assert decoder.scheduler.config.thresholding
        assert decoder.scheduler.config.prediction_type == own.config.prediction_type
        thresholded = decoder("a red circle", **asked | how(0) | FEW_STEPS)
    assert decoder.scheduler is own
    assert plain.size == (128, 128)
    assert thresholded.images[0].tobytes() != plain.tobytes()


def test_folders_that_are_named_are_exported_alone(work: Path, tmp_path: Path) -> None:
    arguments = ["export", "--work-dir", str(work), "--weights", str(tmp_path)]
    names = [export.KANDINSKY_2_0_FOLDER, export.INPAINT_2_0_FOLDER]
    command.main([*arguments, "--folders", *names])
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    (tmp_path / "nothing").mkdir()
    arguments[2] = str(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError):
        command.main([*arguments, "--folders", names[0]])


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
