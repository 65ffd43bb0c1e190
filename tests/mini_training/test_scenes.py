"""Synthetic scenes: which objects lie where, and which captions are true of them."""

from __future__ import annotations

from random import Random

import pytest

from runner.mini.vocabulary import (
    BACKGROUNDS,
    COLOURS,
    HELD_OUT,
    RELATIONS,
    SHAPES,
    Combination,
    all_combinations,
)
from training.scenes import (
    CANVAS,
    Mention,
    ObjectMention,
    Scene,
    SceneObject,
    arrangements,
    lattice,
    loosened,
    mention_of,
    rebound,
    sample_scene,
)

RED_CIRCLE = SceneObject("circle", "red", 32, 64, 24)
BLUE_SQUARE = SceneObject("square", "blue", 96, 64, 24)
BESIDE = Scene("white", (RED_CIRCLE, BLUE_SQUARE), "left of")


def test_sampling_is_a_function_of_the_seed() -> None:
    first, again, other = (
        [sample_scene(rng) for _ in range(5)] for rng in (Random(3), Random(3), Random(4))
    )
    assert first == again
    assert first != other


def test_training_draws_every_combination_but_the_held_out() -> None:
    rng = Random(0)
    drawn = {shown for _ in range(6000) for shown in sample_scene(rng).combinations}
    assert drawn == set(all_combinations()) - HELD_OUT


def test_half_the_scenes_have_two_objects_in_every_relation() -> None:
    rng = Random(0)
    drawn = [sample_scene(rng) for _ in range(2000)]
    assert sum(len(scene.objects) == 2 for scene in drawn) == pytest.approx(1000, rel=0.1)
    assert {scene.relation for scene in drawn} == {None, *RELATIONS}


def test_objects_lie_wholly_on_the_canvas() -> None:
    rng = Random(0)
    for _ in range(500):
        scene = sample_scene(rng)
        for thing in (*scene.objects, *loosened(rng, scene).objects):
            for centre in (thing.x, thing.y):
                assert thing.radius < centre < CANVAS - thing.radius


@pytest.mark.parametrize("relation", RELATIONS)
def test_objects_lie_as_their_relation_says(relation: str) -> None:
    found = arrangements(("circle", "red"), ("triangle", "blue"), relation, "gray")
    assert len(found) == (1 if relation == "inside" else 3)
    for scene in found:
        first, second = scene.objects
        if relation == "left of":
            assert first.x + first.radius < second.x - second.radius
        elif relation == "above":
            assert first.y + first.radius < second.y - second.radius
        else:
            assert first.radius < second.radius / 2
            assert scene.painted == (second, first)


def test_the_lattice_holds_all_places_and_sizes() -> None:
    found = lattice(Combination("circle", "red", "black"))
    assert len(found) == len({scene.objects[0] for scene in found}) == 18
    assert {scene.combinations for scene in found} == {(Combination("circle", "red", "black"),)}


def test_rebinding_exchanges_colours_or_shapes() -> None:
    looks = [[(o.shape, o.colour) for o in scene.objects] for scene in rebound(BESIDE)]
    assert looks == [
        [("circle", "blue"), ("square", "red")],
        [("square", "red"), ("circle", "blue")],
    ]
    assert list(rebound(lattice(Combination("circle", "red", "black"))[0])) == []


def said(*looks: tuple[str | None, str | None], **others: str) -> Mention:
    return Mention(tuple(ObjectMention(*look) for look in looks), **others)


@pytest.mark.parametrize(
    ("mention", "allowed"),
    [
        (said(("circle", "red"), ("square", "blue"), relation="left of", background="white"), True),
        (said(("circle", None), (None, "blue"), relation="left of"), True),
        (said(("square", "blue"), ("circle", "red"), relation="left of"), False),
        (said(("square", "blue"), ("circle", "red")), True),
        (said(("circle", "blue"), ("square", "red")), False),
        (said(("circle", "red"), ("square", "blue"), relation="above"), False),
        (said(("circle", "red"), ("square", "blue"), background="black"), False),
        (said(("circle", "red")), False),
    ],
)
def test_a_mention_allows_what_it_does_not_contradict(mention: Mention, allowed: bool) -> None:
    assert mention.allows(BESIDE) is allowed


@pytest.mark.parametrize(
    ("mention", "allowed"),
    [
        (ObjectMention(column="left"), True),
        (ObjectMention(column="right"), False),
        (ObjectMention(row="centre", column="left"), True),
        (ObjectMention(row="top"), False),
        (ObjectMention(size="small"), True),
        (ObjectMention(size="large"), False),
    ],
)
def test_places_and_sizes_can_be_mentioned(mention: ObjectMention, allowed: bool) -> None:
    assert mention.allows(RED_CIRCLE) is allowed


def test_mentions_say_the_truth_and_each_thing_sometimes() -> None:
    rng = Random(0)
    mentions = []
    for _ in range(2000):
        scene = sample_scene(rng)
        mentions.append(mention_of(rng, scene))
        assert mentions[-1].allows(scene)
    objects = [thing for mention in mentions for thing in mention.objects]
    assert {o.shape for o in objects} == {None, *SHAPES}
    assert {o.colour for o in objects} == {None, *COLOURS}
    assert {m.background for m in mentions} == {None, *BACKGROUNDS}
    assert {m.relation for m in mentions if len(m.objects) == 2} == {None, *RELATIONS}
    assert {o.size for o in objects} == {None, "small", "large"}
    places = {
        (None, None),
        ("left", None),
        (None, "top"),
        ("centre", "centre"),
        ("right", "bottom"),
    }
    assert {(o.column, o.row) for o in objects} >= places
