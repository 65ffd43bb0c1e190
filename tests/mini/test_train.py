"""Training: short runs, resuming, exporting."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import DDPMScheduler, KandinskyV22Pipeline, KandinskyV22PriorPipeline
from torch import Tensor, nn

from runner.mini import scenes
from runner.mini import train as command
from runner.mini.scenes import Mention, Scene, SceneObject, render
from runner.mini.training import clip, dataset, export, movq, polish, prior, unet
from runner.mini.training.loop import (
    CHECKPOINT,
    Budget,
    Draws,
    Losses,
    load_ema,
    read_checkpoint,
    train,
)
from runner.mini.training.tokenizer import MAX_TOKENS, build_tokenizer
from runner.mini.training.told import ATTRIBUTES, ToldEmbeddings
from runner.mini.vocabulary import WORDS

SHORT = Budget(steps=4, peak_lr=1e-3, warmup=2, cooldown=2, checkpoint_every=2, report_every=1)
CPU = torch.device("cpu")
DATASET = 16


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where every part was trained for four steps."""
    folder = tmp_path_factory.mktemp("mini-training")
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        shrink_dataset(patch)
        for part in (movq, clip, polish, prior, unet):
            part.run_training(folder, 0, CPU, SHORT)
    return folder


def shrink_dataset(patch: pytest.MonkeyPatch) -> None:
    """Let the parts that learn from encoded scenes learn from a few."""
    patch.setattr(dataset.random_scenes, "__defaults__", (DATASET,))
    patch.setattr(scenes, "LATTICE", (64.0,))
    patch.setattr(scenes, "LATTICE_RADII", (30.0,))
    patch.setattr(movq.example_images, "__defaults__", (16,))


def weights(folder: Path) -> dict[str, Tensor]:
    return read_checkpoint(folder / CHECKPOINT)[1]


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


@pytest.mark.parametrize("part", [movq, clip, polish, prior, unet])
def test_a_resumed_part_has_bit_identical_weights(
    part: object, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink_dataset(monkeypatch)
    for needed in (movq.NAME, clip.NAME):
        if needed != part.NAME:
            (tmp_path / needed).symlink_to(work / needed)
    stopped = replace(SHORT, steps=2, cooldown=0)
    part.run_training(tmp_path, 0, CPU, stopped)
    half = weights(tmp_path / part.NAME)
    part.run_training(tmp_path, 0, CPU, SHORT)
    whole = weights(tmp_path / part.NAME)
    assert same(whole, weights(work / part.NAME))
    assert not same(whole, half)


def test_another_seed_makes_other_weights(work: Path, tmp_path: Path) -> None:
    movq.run_training(tmp_path, 1, CPU, SHORT)
    assert not same(weights(tmp_path / movq.NAME), weights(work / movq.NAME))


def test_the_loop_minimises_and_reports(tmp_path: Path) -> None:
    def measure(model: nn.Module, step: int, draws: Draws) -> Losses:
        x = torch.randn(16, 2, generator=draws.torch)
        return {"loss": (model(x) - x.sum(1, keepdim=True)).square().mean()}

    torch.manual_seed(0)
    budget = Budget(steps=300, peak_lr=0.05, warmup=10, cooldown=100, checkpoint_every=100)
    run = train("line", nn.Linear(2, 1), measure, budget, tmp_path, seed=0)
    assert run.history[-1]["loss"] < 1e-2 < run.history[0]["loss"]
    kept = load_ema(nn.Linear(2, 1), tmp_path)
    assert kept.weight.flatten().tolist() == pytest.approx([1, 1], abs=0.05)
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_the_rate_warms_up_stays_and_falls() -> None:
    budget = Budget(steps=100, peak_lr=1.0, warmup=10, cooldown=20)
    rates = [budget.lr(step) for step in range(100)]
    assert rates[:2] == [0.1, 0.2]
    assert set(rates[9:81]) == {1.0}
    assert rates[81:] == pytest.approx([(100 - step) / 20 for step in range(81, 100)])


def test_draws_depend_on_seed_part_and_step() -> None:
    def first(seed: int, part: str, step: int) -> tuple[float, float]:
        draws = Draws.of(seed, part, step)
        return draws.python.random(), torch.rand(1, generator=draws.torch).item()

    assert first(0, "a", 0) == first(0, "a", 0)
    assert len({first(0, "a", 0), first(1, "a", 0), first(0, "b", 0), first(0, "a", 1)}) == 4


def test_encoded_scenes_are_made_anew_for_another_encoder(work: Path, tmp_path: Path) -> None:
    (tmp_path / clip.NAME).symlink_to(work / clip.NAME)
    few = dataset.random_scenes(0, DATASET)
    old = dataset.embeddings(tmp_path, few, CPU)
    assert torch.equal(old, dataset.embeddings(tmp_path, few, CPU))
    (tmp_path / clip.NAME).unlink()
    clip.run_training(tmp_path, 1, CPU, SHORT)
    assert not torch.equal(old, dataset.embeddings(tmp_path, few, CPU))


def test_polishing_leaves_the_encoder_as_it_is(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink_dataset(monkeypatch)
    images = movq.example_images(2)
    before, after = movq.load(work), polish.load(work)
    with torch.no_grad():
        assert torch.equal(movq.encode(before, images), movq.encode(after, images))
        latents = movq.encode(before, images)
        assert not torch.equal(movq.decode(before, latents), movq.decode(after, latents))


def test_normalising_changes_the_latents_but_not_the_round_trip() -> None:
    torch.manual_seed(0)
    plain = movq.build().eval()
    images = movq.example_images(64)
    with torch.no_grad():
        before = movq.decode(plain, movq.encode(plain, images[:8]))
        movq.normalise(plain, images)
        latents = movq.encode(plain, images)
        after = movq.decode(plain, latents[:8])
    assert latents.mean((0, 2, 3)).tolist() == pytest.approx([0] * 4, abs=1e-3)
    assert latents.std((0, 2, 3)).tolist() == pytest.approx([1] * 4, abs=1e-3)
    assert torch.allclose(before, after, atol=1e-3)


def test_a_crop_shows_some_of_the_outline() -> None:
    scene = Scene("black", (SceneObject("circle", "red", 70, 60, 30),))
    image = render([scene])[0]
    for step in range(50):
        crop = movq.outline_crop(Draws.of(0, "crop", step).python, scene, image)
        assert crop.shape == (3, movq.CROP, movq.CROP)
        assert crop[0].min() < 0.1 < 0.8 < crop[0].max()


def test_captions_that_fit_are_positives() -> None:
    drawn = [
        Scene("black", (SceneObject("circle", "red", 64, 64, 30),)),
        Scene("white", (SceneObject("circle", "blue", 64, 64, 30),)),
    ]
    mentions = [Mention("circle", "red", "black"), Mention("circle", None, None)]
    assert clip.fit_matrix(drawn, mentions).tolist() == [[1, 1], [0, 1]]


def test_embeddings_come_apart_into_what_adds_up_what_is_combined_and_the_rest() -> None:
    drawn = dataset.random_scenes(0, 500).scenes
    generator = torch.Generator().manual_seed(0)
    names = [name for group in ATTRIBUTES for name in group]
    code = {name: torch.randn(8, generator=generator) for name in names}
    sums = torch.stack([sum((code[n] for n in s.combination), torch.zeros(8)) for s in drawn])
    rest = 0.01 * torch.randn(500, 8, generator=generator)
    parts = ToldEmbeddings(sums + rest, drawn)
    own = parts.combination
    whole = parts.adding_up[own] + parts.of_combination[own] + parts.rest
    assert torch.allclose(whole, sums + rest, atol=1e-5)
    assert torch.allclose(parts.adding_up[own], sums, atol=0.03)
    assert parts.of_combination.abs().max().item() < 0.03


def test_shaken_embeddings_stay_near_their_own_attributes() -> None:
    drawn = dataset.random_scenes(0, 500).scenes
    names = [name for group in ATTRIBUTES for name in group]
    shown = torch.tensor([[float(name in s.combination) for name in names] for s in drawn])
    rows = torch.arange(500)
    parts = ToldEmbeddings(shown, drawn)
    told = parts.draw(rows, Draws.of(0, "told", 0))
    assert not torch.equal(told, parts.draw(rows, Draws.of(0, "told", 1)))
    assert torch.equal(told, parts.draw(rows, Draws.of(0, "told", 0)))
    assert (told.round().clamp(0, 1) == shown).float().mean().item() > 0.95


def test_every_word_is_one_token_and_others_fall_back_to_bytes() -> None:
    tokenizer = build_tokenizer()
    for word in WORDS:
        assert len(tokenizer(word).input_ids) == 3, word
    ids = tokenizer("a zebra").input_ids
    assert tokenizer.decode(ids, skip_special_tokens=True).strip() == "a zebra"
    assert tokenizer.model_max_length == MAX_TOKENS


def test_learned_variance_is_best_at_the_true_posterior() -> None:
    scheduler = unet.build_scheduler()
    diffusion = unet.Diffusion(scheduler, CPU)
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 8, 4, 4, 4, generator=generator).unbind(0)
    times = torch.full((8,), 500)
    exact = diffusion.signal[times] * noise - diffusion.noise[times] * clean

    def variance(share: float) -> float:
        output = torch.cat([exact, torch.full_like(exact, share)], dim=1)
        return diffusion.losses(output, clean, noise, times)["variance"].item()

    # With v exact, nothing is left but the small bound: share -1.
    assert variance(-1) == pytest.approx(0, abs=1e-6)
    assert variance(-1) < variance(0) < variance(1)


def test_export_writes_two_folders_that_load_in_float32(work: Path, tmp_path: Path) -> None:
    command.main(["export", "--work-dir", str(work), "--weights", str(tmp_path)])
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert {path.suffix for path in files} == {".json", ".safetensors"}
    decoder = KandinskyV22Pipeline.from_pretrained(tmp_path / export.DECODER_FOLDER)
    loaded = KandinskyV22PriorPipeline.from_pretrained(tmp_path / export.PRIOR_FOLDER)
    parts = (decoder.unet, decoder.movq, loaded.prior, loaded.text_encoder, loaded.image_encoder)
    assert {part.dtype for part in parts} == {torch.float32}
    assert isinstance(decoder.scheduler, DDPMScheduler)
    index = json.loads((tmp_path / export.PRIOR_FOLDER / "model_index.json").read_text())
    assert index["image_processor"] == ["transformers", "CLIPImageProcessorPil"]


def test_export_refuses_a_family_with_untrained_parts(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        command.main(["export", "--work-dir", str(tmp_path), "--weights", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_export_replaces_an_older_one(work: Path, tmp_path: Path) -> None:
    arguments = ["export", "--work-dir", str(work), "--weights", str(tmp_path)]
    command.main(arguments)
    stale = tmp_path / export.DECODER_FOLDER / "stale.txt"
    stale.write_text("left over")
    command.main(arguments)
    assert not stale.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [export.PRIOR_FOLDER, export.DECODER_FOLDER]
    )


def test_the_command_trains_one_part_for_the_steps_asked(tmp_path: Path) -> None:
    command.main(["movq", "--work-dir", str(tmp_path), "--steps", "2", "--seed", "5"])
    notes, _ = read_checkpoint(tmp_path / movq.NAME / CHECKPOINT)
    assert notes["step"] == "2"
    assert not (tmp_path / clip.NAME).exists()


def test_the_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        command.main(["--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    for option in ("--work-dir", "--steps", "--seed", "--threads", "--device"):
        assert option in shown
