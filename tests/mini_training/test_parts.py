"""Inputs and targets that the parts of the small family are trained on; nothing is trained here."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

import pytest
import torch

from runner.mini.vocabulary import BACKGROUNDS, COLOURS, HELD_OUT, Combination
from training.captions import CHARACTERS, WORDS, caption
from training.parts import (
    clip,
    dataset,
    diffusion,
    features,
    movq,
    shown,
    told,
)
from training.parts.told import ToldEmbeddings
from training.rendering import NAMED, render
from training.scenes import (
    Mention,
    ObjectMention,
    Scene,
    SceneObject,
    lattice,
    sample_scene,
)
from training.steps import Draws
from training.tokenizers.byte_pairs import MAX_TOKENS, build_tokenizer

CPU = torch.device("cpu")


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
        ground = movq.nearest_name(palette[scene.background], BACKGROUNDS)
        for thing in scene.objects:
            colour = movq.nearest_name(palette[thing.colour], COLOURS)
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


def test_an_object_is_taken_out_of_its_scene() -> None:
    left, right = SceneObject("circle", "red", 32, 64, 24), SceneObject("line", "blue", 96, 64, 24)
    scene = Scene("gray", (left, right), "left of")
    assert shown.without(scene, left) == Scene("gray", (right,))
    assert shown.without(shown.without(scene, left), right) == Scene("gray", ())
