"""Training: short runs, resuming, exporting."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from diffusers import DDPMScheduler, KandinskyV22Pipeline, KandinskyV22PriorPipeline
from torch import Tensor, nn

from runner.mini import train as command
from runner.mini.captions import CHARACTERS, WORDS, caption
from runner.mini.known import known_in_training, read_known
from runner.mini.rendering import NAMED, render
from runner.mini.scenes import (
    Mention,
    ObjectMention,
    Scene,
    SceneObject,
    lattice,
    sample_scene,
)
from runner.mini.training import (
    clip,
    dataset,
    diffusion,
    export,
    features,
    movq,
    polish,
    prior,
    told,
    unet,
)
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
from runner.mini.training.told import ToldEmbeddings
from runner.mini.vocabulary import HELD_OUT, Combination

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
    patch.setattr(dataset.training_scenes, "__defaults__", (DATASET,))
    patch.setattr(dataset, "all_combinations", lambda: (Combination("circle", "red", "gray"),))
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
    few = dataset.training_scenes(0, DATASET)
    few = replace(few, one=few.one[:DATASET])
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


def test_the_autoencoder_sees_any_colours_but_none_like_a_held_out_combination() -> None:
    named = 0
    for step in range(200):
        rng = Draws.of(0, "palette", step).python
        scene = sample_scene(rng)
        palette = movq.any_palette(rng, scene)
        named += palette is NAMED
        ground = movq.nearest_name(palette[scene.background], movq.BACKGROUNDS)
        for thing in scene.objects:
            colour = movq.nearest_name(palette[thing.colour], movq.COLOURS)
            assert Combination(thing.shape, colour, ground) not in HELD_OUT
    assert 60 < named < 140


def test_outlines_count_more_than_plains() -> None:
    image = render([Scene("black", (SceneObject("square", "yellow", 64, 64, 30),))])
    weights = movq.outline_weights(image)[0, 0]
    assert weights[0, 0] == weights[64, 64] == 1
    assert weights[64, 64 - 26] == weights[64 + 26, 64] == 1 + movq.OUTLINE_WEIGHT


def said(shape: str, colour: str | None = None, ground: str | None = None) -> Mention:
    return Mention((ObjectMention(shape, colour),), ground)


def test_captions_that_fit_are_positives() -> None:
    drawn = [
        Scene("black", (SceneObject("circle", "red", 64, 64, 30),)),
        Scene("white", (SceneObject("circle", "blue", 64, 64, 30),)),
    ]
    mentions = [said("circle", "red", "black"), said("circle")]
    assert clip.fit_matrix(drawn, mentions).tolist() == [[1, 1], [0, 1]]


def test_batches_hold_no_held_out_combination_and_many_rebound_scenes() -> None:
    scenes = [scene for step in range(5) for scene in clip.draw_batch(Draws.of(0, "batch", step))]
    assert len(scenes) == 5 * clip.BATCH
    assert all(HELD_OUT.isdisjoint(scene.combinations) for scene in scenes)
    rebound = [
        before.combinations != after.combinations and words_of(before) == words_of(after)
        for before, after in pairwise(scenes)
    ]
    assert sum(rebound) > 0.1 * len(scenes)


def words_of(scene: Scene) -> list[str]:
    return sorted(word for shown in scene.combinations for word in shown)


def test_a_scene_as_numbers_names_what_it_shows() -> None:
    scene = lattice(Combination("ring", "pink", "beige"))[0]
    row = features.attributes([scene])
    assert row.shape == (1, features.WIDTH)
    assert row.sum() == pytest.approx(1 + 1 + 2 + 2 + sum(features.geometry([scene])[0, :3]))
    named = [among[i] for among, i in zip(features.CLASSES, features.classes([scene])[0],
                                          strict=True)]  # fmt: skip
    assert named == ["beige", None, "ring", "pink", "ring", "pink"]
    assert features.geometry([scene])[0].tolist() == [-0.375, -0.375, -1] * 2


def drawn_embeddings(count: int = 600) -> tuple[torch.Tensor, list[Scene]]:
    """Scenes, and embeddings [count, 48] that add up over their attributes but for a rest."""
    rng, generator = Draws.of(0, "drawn", 0).python, torch.Generator().manual_seed(0)
    drawn = [sample_scene(rng) for _ in range(count)]
    code = torch.randn(features.WIDTH, 48, generator=generator)
    rest = 0.01 * torch.randn(count, 48, generator=generator)
    return features.attributes(drawn) @ code + rest, drawn


def test_embeddings_come_apart_into_what_adds_up_and_the_rest() -> None:
    embeddings, drawn = drawn_embeddings()
    parts = ToldEmbeddings(embeddings, drawn)
    assert torch.allclose(parts.mean + parts.adding_up + parts.rest, embeddings, atol=1e-4)
    assert parts.rest.abs().max().item() < 0.06


def test_shaken_embeddings_are_nearest_to_their_own_scene(monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings, drawn = drawn_embeddings()
    parts, rows = ToldEmbeddings(embeddings, drawn), torch.arange(len(drawn))
    shaken = parts.draw(rows, Draws.of(0, "told", 0))
    assert torch.equal(shaken, parts.draw(rows, Draws.of(0, "told", 0)))
    assert not torch.equal(shaken, parts.draw(rows, Draws.of(0, "told", 1)))
    nearest = torch.cdist(shaken, embeddings).argmin(1)
    found = [drawn[place].combinations for place in nearest]
    same = [a == s.combinations for a, s in zip(found, drawn, strict=True)]
    assert sum(same) > 0.7 * len(drawn)
    for name, value in (("NOISE", 0.0), ("EXCHANGED_SHARE", 0.0), ("STRENGTH", (1.0, 1.0))):
        monkeypatch.setattr(told, name, value)
    assert torch.allclose(parts.draw(rows, Draws.of(0, "told", 0)), embeddings, atol=1e-4)


def test_the_parts_learn_from_one_and_two_objects_and_from_nothing_held_out() -> None:
    known = dataset.training_scenes(0, 300)
    assert all(HELD_OUT.isdisjoint(scene.combinations) for scene in known.scenes)
    assert {len(scene.objects) for scene in known.one} == {1}
    assert {len(scene.objects) for scene in known.two} == {2}
    rows = known.rows(Draws.of(0, "rows", 0), 1000)
    relations = Counter(known.scenes[row].relation for row in rows)
    assert relations[None] == pytest.approx(1000 * dataset.SHARES[None], rel=0.2)
    assert relations["inside"] == pytest.approx(1000 * dataset.SHARES["inside"], rel=0.2)


def test_every_word_is_one_token_and_others_fall_back_to_bytes() -> None:
    tokenizer = build_tokenizer()
    for word in WORDS:
        assert len(tokenizer(word).input_ids) == 3, word
    for character in CHARACTERS:
        assert len(tokenizer(character * 2).input_ids) == 4, character
    ids = tokenizer("a zebra").input_ids
    assert tokenizer.decode(ids, skip_special_tokens=True).strip() == "a zebra"
    assert tokenizer.model_max_length == MAX_TOKENS


def test_no_caption_is_cut_by_the_tokenizer() -> None:
    tokenizer, rng = build_tokenizer(), Draws.of(0, "tokens", 0).python
    texts = [caption(rng, sample_scene(rng))[0] for _ in range(1500)]
    assert max(map(len, tokenizer(texts).input_ids)) < MAX_TOKENS
    for text in texts[:200]:
        back = tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True)
        assert back.replace(" ", "") == text.replace(" ", "")


def test_learned_variance_is_best_at_the_true_posterior() -> None:
    process = diffusion.Diffusion(diffusion.build_scheduler(), CPU)
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 8, 4, 4, 4, generator=generator).unbind(0)
    times = torch.full((8,), 500)
    exact = process.velocity(clean, noise, times)

    def variance(share: float) -> float:
        output = torch.cat([exact, torch.full_like(exact, share)], dim=1)
        return process.losses(output, clean, noise, times)["variance"].item()

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
    assert read_known(tmp_path) == known_in_training()
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
        [export.PRIOR_FOLDER, export.DECODER_FOLDER, "vocabulary.json"]
    )


def test_training_can_start_from_an_exported_family(work: Path, tmp_path: Path) -> None:
    family, fresh = tmp_path / "family", tmp_path / "work"
    command.main(["export", "--work-dir", str(work), "--weights", str(family)])
    command.main(["export", "--work-dir", str(fresh), "--weights", str(tmp_path / "again"),
                  "--start-from", str(family)])  # fmt: skip
    first, again = (
        KandinskyV22Pipeline.from_pretrained(folder / export.DECODER_FOLDER).unet.state_dict()
        for folder in (family, tmp_path / "again")
    )
    assert same(first, again)
    assert read_checkpoint(fresh / unet.NAME / CHECKPOINT)[0]["step"] == "0"


def test_the_command_trains_one_part_for_the_steps_asked(tmp_path: Path) -> None:
    command.main(
        ["movq", "--work-dir", str(tmp_path), "--steps", "2", "--seed", "5", "--tracking", "none"]
    )
    notes, _ = read_checkpoint(tmp_path / movq.NAME / CHECKPOINT)
    assert notes["step"] == "2"
    assert not (tmp_path / clip.NAME).exists()


def test_a_trained_part_is_logged_to_mlflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    monkeypatch.chdir(tmp_path)
    command.main(["movq", "--steps", "2", "--seed", "5"])
    client = MlflowClient(f"sqlite:///{tmp_path}/outputs/mlflow.db")
    experiment = client.get_experiment_by_name("mini-training")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == movq.NAME
    assert run.info.status == "FINISHED"
    assert run.data.params["steps"] == "2"
    assert run.data.params["seed"] == "5"
    (last,) = client.get_metric_history(run.info.run_id, "loss")[-1:]
    history = json.loads(
        read_checkpoint(Path("outputs/mini-training/movq") / CHECKPOINT)[0]["history"]
    )
    assert (last.step, last.value) == (2, pytest.approx(history[-1]["loss"]))
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["loss.png"]


def test_the_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        command.main(["--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    for option in ("--work-dir", "--steps", "--seed", "--threads", "--device"):
        assert option in shown
