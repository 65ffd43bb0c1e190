"""Finds pictures that must come out the same although their configs differ, to tell of them.

Equal keys of nodes mean equal pictures. Beyond that, keys differ where the pictures cannot: a
node is compared here by what it truly reads. Keys stay as they are, so what is stored stays usable.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from runner.config.cell import Cell
from runner.config.key_heads import OF_NO_PICTURE, head_of
from runner.config.keys import profile_keys
from runner.config.overrides import assigned
from runner.config.schema import Config
from runner.graph.node import Node
from runner.planning.as_read import AsRead
from runner.planning.plan import Plan, PlannedImage
from runner.system.text import pluralize, shorten

HOW = OF_NO_PICTURE | {head_of(key) for key, _ in profile_keys(Config)}
"""First parts of keys that say how a cell is run, on which device too, recorded or measured."""


class Comparer:
    """Numbers nodes, so that those with the same number have the same result."""

    def __init__(self) -> None:
        self._numbers: dict[object, int] = {}
        self._as_read = AsRead()
        self._known: dict[int, tuple[Node, int]] = {}

    def learn(self, plan: Plan) -> None:
        """Learn what a plan knows."""
        self._as_read.learn(plan)

    def number(self, node: Node) -> int:
        """The number of a node's result."""
        known = self._known.get(id(node))
        if known is None:
            idle = self._as_read.weightless(node)
            inputs = tuple(
                (name, 0, needed.stage, needed.params.get("num_inference_steps"))
                if name in idle
                else (name, self.number(needed))
                for name, needed in node.inputs.items()
            )
            params = repr(sorted(self._as_read.params(node).items()))
            pipeline = self._as_read.pipeline(node)
            same = node.stage, node.stage_version, params, inputs, pipeline
            # The node is kept, so that its id stays its own.
            known = self._known[id(node)] = node, self._numbers.setdefault(same, len(self._numbers))
        return known[1]


def same_images(images: Sequence[PlannedImage], comparer: Comparer) -> Iterator[str]:
    """A warning where images of one cell must come out the same."""
    first: dict[int, PlannedImage] = {}
    pairs = [
        (before, image)
        for image in images
        if (before := first.setdefault(comparer.number(image.node), image)) is not image
    ]
    if pairs:
        one, other = (pair.request for pair in pairs[0])
        apart = [
            f"{word} {shorten(str(own))!r} and {shorten(str(its))!r}"
            for word, own, its in (("prompts", one.prompt, other.prompt),
                                   ("seeds", one.seed, other.seed))
            if own != its
        ]  # fmt: skip
        why = f"{' and '.join(apart)} are the same to the model" if apart else (
            f"the prompt {shorten(one.prompt)!r} is there twice"
        )  # fmt: skip
        more = f", and so for {pluralize(len(pairs) - 1, 'more image')}" if pairs[1:] else ""
        yield f"images {one.index} and {other.index} come out the same: {why}{more}"


def tell_same_cells(cells: Sequence[Cell], plans: Sequence[Plan]) -> list[Plan]:
    """The plans, with a warning for each cell whose pictures are those of an earlier one."""
    comparer = Comparer()
    for plan in plans:
        comparer.learn(plan)
    told: list[Plan] = []
    first: dict[tuple[int, ...], Cell] = {}
    texts: dict[tuple[str, str], str] = {}
    for cell, plan in zip(cells, plans, strict=True):
        drawn = tuple(comparer.number(image.node) for image in plan.images)
        before = first.setdefault(drawn, cell)
        own, its = assigned(cell.overrides), assigned(before.overrides)
        apart = [
            key
            for key in dict.fromkeys([*own, *its])
            if own.get(key) != its.get(key) and head_of(key) not in HOW
        ]
        if own == its and before is not cell:
            text = f"cells {before.number} and {cell.number} ({shorten(' '.join(cell.overrides))})"
            plan = replace(plan, warnings=(*plan.warnings, f"{text} are the same"))
        elif apart:
            words = [" ".join(f"{key}={of[key]}" for key in apart if key in of) or "without it"
                     for of in (its, own)]  # fmt: skip
            text = (
                f"cells {before.number} ({shorten(words[0])}) and {cell.number} "
                f"({shorten(words[1])}) come out the same"
            )
            # One text for all cells that differ in the same values: it is counted, not repeated.
            text = texts.setdefault((words[0], words[1]), text)
            plan = replace(plan, warnings=(*plan.warnings, text))
        told.append(plan)
    return told
