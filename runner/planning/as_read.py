"""What stages read of nodes: texts as tokens, pictures as pixels, settings as they take effect.

Nodes that differ in nothing of it have the same result, although their keys differ.
"""

from __future__ import annotations

import contextlib
import hashlib
import struct
import unicodedata
from collections.abc import Iterator, Mapping

from runner.catalog.version import DECODER
from runner.graph.node import Node
from runner.graph.stage_table import UNCORRECTED
from runner.planning.cut_texts import TEXTS
from runner.planning.plan import Plan
from runner.planning.scheduling import Published, options_with_effect
from runner.weights.found import FoundCheckpoint
from runner.weights.tokens import TextReader, read_tokenizer

SEEDS = 2**32
"""torch's CPU generator (mt19937) reads the lowest 32 bits of a seed."""
CASELESS = ("prior", "prior_from_image")
"""Stages whose tokenizer, CLIP's, makes texts lower."""


class AsRead:
    """Nodes as their stages read them, by what plans know of weights, texts and pictures."""

    def __init__(self) -> None:
        self._lost: dict[tuple[str, str, str], str] = {}
        self._sizes: dict[str, tuple[int, int]] = {}
        self._pixels: dict[str, str] = {}
        self._masks: dict[str, str] = {}
        self._published: dict[str, Published | None] = {}
        self._texts = _Texts()

    def learn(self, plan: Plan) -> None:
        """Learn what a plan knows: texts that are cut, pictures, schedulers, tokenizers."""
        for one in plan.pictures.values():
            self._sizes[one.sha256] = one.width, one.height
            self._pixels[one.sha256] = one.pixels
        losses: dict[tuple[str, str], list[str]] = {}
        for cut in plan.cut_texts:
            losses.setdefault((cut.role, cut.text), []).append(cut.lost)
        for (role, text), lost in losses.items():
            found = plan.weights.checkpoints[role]
            if len(lost) == len(found.checkpoint.tokens):  # else one of the encoders reads it all
                self._lost[found.identity, found.checkpoint.pipeline, text] = min(lost, key=len)
        for role, found in plan.weights.checkpoints.items():
            self._texts.learn(found)
            if role == DECODER:
                checked = found.checked
                self._published[found.identity] = None if checked is None else checked.schedulers

    def params(self, node: Node) -> Mapping[str, object]:
        """A node's parameters as its stage reads them."""
        read: dict[str, object] = dict(node.params)
        if node.stage == "read_mask":
            return {"mask": self._mask(node)}
        if isinstance(seed := read.get("seed"), int):
            read["seed"] = seed % SEEDS
        if "guidance_scale" in read:  # multiplied with tensors, whose numbers have 32 bits
            read["guidance_scale"] = struct.pack("f", node.number("guidance_scale"))
        if "strength" in read and UNCORRECTED not in read:  # else 2.1 reads the number itself
            steps = node.integer("num_inference_steps")
            read["strength"] = min(int(steps * node.number("strength")), steps)
        for name in TEXTS:
            if isinstance(text := read.get(name), str):
                read[name] = self._text(node, text)
        if node.stage == "read_image":
            read |= self._picture(node)
        return read

    def pipeline(self, node: Node) -> object:
        """A node's pipeline, with the settings of its scheduler that take effect."""
        spec = node.pipeline
        if spec is None or spec.scheduler is None or "num_inference_steps" not in node.params:
            return spec
        name, options = options_with_effect(
            spec.scheduler, self._published.get(spec.weights), node.integer("num_inference_steps")
        )
        others = {k: v for k, v in vars(spec).items() if k != "scheduler"}
        return repr((others, name, sorted(options.items())))

    def weightless(self, node: Node) -> frozenset[str]:
        """Inputs of a mix that add nothing to it, whatever their text is."""
        weights = node.params.get("weights")
        if node.stage != "interpolate" or not isinstance(weights, list):
            return frozenset()
        # The first one also gives the embedding of no text.
        return frozenset(f"item{n}" for n, weight in enumerate(weights) if n and weight == 0)

    def _picture(self, node: Node) -> Mapping[str, object]:
        sha256, size = str(node.params.get("sha256")), node.params.get("size")
        read: dict[str, object] = {}
        if pixels := self._pixels.get(sha256):
            read |= {"sha256": pixels, "colours": None}
        if isinstance(size, list) and (picture := self._sizes.get(sha256)) is not None:
            width, height = picture
            if [width, height] == size:
                read["size"] = None
            if width * int(str(size[1])) == height * int(str(size[0])):
                read["resize"] = None  # all ways of resizing are the same
        return read

    def _mask(self, node: Node) -> str:
        asked = repr(sorted(node.params.items()))
        if asked not in self._masks:
            # Imported here: most plans do not need Pillow.
            from runner.images.inputs import read_mask

            mask = read_mask(node.params, node.files.get("mask"))
            digest = hashlib.sha256(mask.tobytes()).hexdigest()
            self._masks[asked] = f"{mask.size} {digest}"
        return self._masks[asked]

    def _text(self, node: Node, text: str) -> object:
        """The part of a text that the encoder reads, with white space and case as it takes them."""
        spec = node.pipeline
        if spec is None:
            return text
        text = text.rstrip().removesuffix(self._lost.get((spec.weights, spec.pipeline, text), ""))
        text = " ".join(text.split())
        text = text.lower() if node.stage in CASELESS else text
        return self._texts.standing_for((spec.weights, spec.pipeline), text)


class _Texts:
    """Has one of the texts of the same tokens stand for all of them.

    Only texts of the same letters and digits are given to the tokenizer: that takes a while.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], FoundCheckpoint] = {}
        self._readers: dict[tuple[str, str], list[TextReader | None]] = {}
        self._first: dict[tuple[tuple[str, str], str], str] = {}
        self._read: dict[tuple[tuple[str, str], str], dict[object, str]] = {}
        self._known: dict[tuple[tuple[str, str], str], str] = {}

    def learn(self, found: FoundCheckpoint) -> None:
        if found.checkpoint.tokens and found.checked is not None:
            self._found[found.identity, found.checkpoint.pipeline] = found

    def standing_for(self, encoder: tuple[str, str], text: str) -> str:
        """What stands for a text: it, or an earlier one of the same tokens."""
        if (encoder, text) not in self._known:
            self._known[encoder, text] = self._same(encoder, text)
        return self._known[encoder, text]

    def _same(self, encoder: tuple[str, str], text: str) -> str:
        folded = unicodedata.normalize("NFKC", text).casefold()
        letters = encoder, "".join(filter(str.isalnum, folded))
        first = self._first.setdefault(letters, text)
        if first is text:
            return text
        if letters not in self._read:
            self._read[letters] = {self._tokens(encoder, first): first}
        return self._read[letters].setdefault(self._tokens(encoder, text), text)

    def _tokens(self, encoder: tuple[str, str], text: str) -> object:
        """What the encoders read of a text; the text itself for one without a known tokenizer."""
        if encoder not in self._readers:
            found = self._found.get(encoder)
            self._readers[encoder] = [None] if found is None else list(_readers(found))
        return tuple(text if one is None else one.read(text) for one in self._readers[encoder])


def _readers(found: FoundCheckpoint) -> Iterator[TextReader | None]:
    assert found.checked is not None
    for told in found.checkpoint.tokens:
        reader = None
        # A damaged tokenizer is told by what needs it; here texts are then compared as texts. The
        # libraries have no error of their own.
        with contextlib.suppress(Exception):
            reader = read_tokenizer(found.checked.files, told)
        yield reader
