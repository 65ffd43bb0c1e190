"""Scenes that training never drew, and what a prompt asks for of one."""

from __future__ import annotations

from random import Random

from runner.mini.known import Known
from training.scenes import Mention, ObjectMention, Scene, lattice, sample_scene


def held_out_scenes(objects: int, count: int, known: Known) -> list[Scene]:
    """Scenes that training never drew: one object in each held-out combination in turn, or two of
    which at least one is held out.
    """
    rng = Random(f"held out/{objects}")
    if objects == 1:
        every = known.held_out
        return [rng.choice(lattice(every[place % len(every)])) for place in range(count)]
    held_out = set(known.held_out)
    scenes: list[Scene] = []
    while len(scenes) < count:
        scene = sample_scene(rng, two_share=1, excluded=frozenset())
        if not held_out.isdisjoint(scene.combinations):
            scenes.append(scene)
    return scenes


def everything(scene: Scene) -> Mention:
    """Shapes, colours, background and relation; of places and sizes nothing."""
    objects = tuple(ObjectMention(thing.shape, thing.colour) for thing in scene.objects)
    return Mention(objects, scene.background, scene.relation)
