"""Finds pictures that must come out the same although their configs differ, to tell of them.

Equal keys of nodes mean equal pictures. Beyond that, keys differ where the pictures cannot: a
node is compared here by what it truly reads. Keys stay as they are, so what is stored stays usable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from runner.config.cell import Cell
from runner.config.keys import keys_without_identity, profile_keys
from runner.config.overrides import assigned
from runner.config.schema import Config
from runner.graph.node import Node
from runner.graph.stage_table import UNCORRECTED
from runner.planning.cut_texts import TEXTS
from runner.planning.plan import Plan, PlannedImage
from runner.system.text import pluralize, shorten

SEEDS = 2**32
"""torch's CPU generator (mt19937) reads the lowest 32 bits of a seed."""
CASELESS = ("prior", "prior_from_image")
"""Stages whose tokenizer, CLIP's, makes texts lower."""
HOW = frozenset(
    {key.partition(".")[0] for key, _ in profile_keys(Config)}
    | keys_without_identity(Config)
    | {"name", "question", "tracking", "baseline", "objective", "metrics", "hydra"}
)
"""First parts of keys that say how a cell is run, recorded or measured."""


class Comparer:
    """Numbers nodes, so that those with the same number have the same result."""

    def __init__(self) -> None:
        self._numbers: dict[object, int] = {}
        self._lost: dict[tuple[str, str, str], str] = {}
        self._sizes: dict[str, tuple[int, int]] = {}
        self._known: dict[int, tuple[Node, int]] = {}

    def learn(self, plan: Plan) -> None:
        """Learn what a plan knows: texts that are cut, and sizes of pictures."""
        self._sizes |= {one.sha256: (one.width, one.height) for one in plan.pictures.values()}
        for cut in plan.cut_texts:
            found = plan.weights.checkpoints[cut.role]
            self._lost[found.identity, found.checkpoint.pipeline, cut.text] = cut.lost

    def number(self, node: Node) -> int:
        """The number of a node's result."""
        known = self._known.get(id(node))
        if known is None:
            inputs = tuple((name, self.number(needed)) for name, needed in node.inputs.items())
            params = repr(sorted(self._read(node).items()))
            same = node.stage, node.stage_version, params, inputs, node.pipeline
            # The node is kept, so that its id stays its own.
            known = self._known[id(node)] = node, self._numbers.setdefault(same, len(self._numbers))
        return known[1]

    def _read(self, node: Node) -> Mapping[str, object]:
        """A node's parameters as its stage reads them."""
        read: dict[str, object] = dict(node.params)
        if isinstance(seed := read.get("seed"), int):
            read["seed"] = seed % SEEDS
        if "strength" in read and UNCORRECTED not in read:  # else 2.1 reads the number itself
            steps = node.integer("num_inference_steps")
            read["strength"] = min(int(steps * node.number("strength")), steps)
        for name in TEXTS:
            if isinstance(text := read.get(name), str):
                read[name] = self._text(node, text)
        size, picture = read.get("size"), self._sizes.get(str(read.get("sha256")))
        if isinstance(size, list) and picture is not None:
            width, height = picture
            if width * size[1] == height * size[0]:
                read["resize"] = None  # all ways of resizing are the same
        return read

    def _text(self, node: Node, text: str) -> str:
        """The part of a text that the encoder reads, with white space and case as it takes them."""
        if node.pipeline is not None:
            lost = self._lost.get((node.pipeline.weights, node.pipeline.pipeline, text), "")
            text = text.rstrip().removesuffix(lost)
        text = " ".join(text.split())
        return text.lower() if node.stage in CASELESS else text


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
            if own.get(key) != its.get(key)
            and key.lstrip("+~").partition(".")[0].partition("/")[0] not in HOW
        ]
        if apart:
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
