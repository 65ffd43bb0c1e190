"""Texts that are longer than an encoder reads, with what is cut off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from runner.catalog.checkpoint import Tokens
from runner.catalog.version import DECODER, PRIOR, TEXT
from runner.errors import WeightsError
from runner.graph.node import Node
from runner.graph.stage_table import AWAY_FROM
from runner.system.text import shorten
from runner.weights.find import FoundWeights
from runner.weights.found import FoundCheckpoint
from runner.weights.tokens import (
    TextReader,
    cleaned,
    may_be_cut,
    most_tokens,
    read_tokenizer,
)

TEXTS = ("prompt", "negative_prompt", AWAY_FROM)
"""Parameters of nodes that an encoder reads."""
READERS = {PRIOR: "the prior", DECODER: "the decoder", TEXT: "the text encoder"}


@dataclass(frozen=True)
class CutText:
    """A text whose end an encoder does not read.

    Attributes:
        role: whose encoder it is: "prior", "decoder", "text", or that of a CLIP for metrics.
        reader: which of the role's encoders, in words; None: it has one.
        tokens: of the whole text, with those that mark its ends.
        most: how many are read.
        lost: the end that is not read.
    """

    role: str
    reader: str | None
    text: str
    tokens: int
    most: int
    lost: str


class TextCutter:
    """Finds the texts of plans that are cut; each is looked at once."""

    def __init__(self) -> None:
        self._most: dict[tuple[str, str], int | None] = {}
        self._readers: dict[tuple[str, str], TextReader | None] = {}
        self._cuts: dict[tuple[str, str, str, str], CutText | None] = {}

    def cut_texts(self, targets: Iterable[Node], weights: FoundWeights) -> tuple[CutText, ...]:
        """The texts that the nodes and their ancestors have cut, each once for each encoder.

        Weights that are not on disk are passed over.

        Raises:
            WeightsError: a tokenizer's files cannot be read.
        """
        found = {
            (one.identity, one.checkpoint.pipeline): (role, one)
            for role, one in weights.checkpoints.items()
            if one.checkpoint.tokens and one.checked is not None
        }
        cuts: dict[tuple[str, str, str], CutText | None] = {}
        for node in _each(targets):
            if node.pipeline is None:
                continue
            reads = found.get((node.pipeline.weights, node.pipeline.pipeline))
            if reads is None:
                continue
            role, one = reads
            for told, name in product(one.checkpoint.tokens, TEXTS):
                if isinstance(text := node.params.get(name), str):
                    cuts[role, told.folder, text] = self._cut(role, one, told, text)
        roles = list(weights.checkpoints)
        found_cuts = [cut for cut in cuts.values() if cut is not None]
        return tuple(sorted(found_cuts, key=lambda cut: roles.index(cut.role)))

    def _cut(self, role: str, found: FoundCheckpoint, told: Tokens, text: str) -> CutText | None:
        asked = role, found.identity, told.folder, text
        if asked not in self._cuts:
            reader = self._reader(found, told, text)
            cut = reader.cut(text) if reader is not None else None
            self._cuts[asked] = (
                None
                if cut is None
                else CutText(role, told.reader, text, cut.tokens, cut.most, cut.lost)
            )
        return self._cuts[asked]

    def _reader(self, found: FoundCheckpoint, told: Tokens, text: str) -> TextReader | None:
        """The tokenizer, read once it is needed: most texts are certainly short enough."""
        checked, encoder = found.checked, (found.identity, told.folder)
        assert checked is not None
        try:
            if encoder not in self._most:
                self._most[encoder] = most_tokens(checked.files, told)
            most = self._most[encoder]
            if most is None or not may_be_cut(cleaned(text) if told.cleaned else text, most):
                return None
            if encoder not in self._readers:
                self._readers[encoder] = read_tokenizer(checked.files, told)
        except Exception as error:  # the libraries have no errors of their own
            raise WeightsError(
                found.key, checked.path / told.folder, f"cannot be read: {error}",
                "a whole checkpoint: copy it again",
            ) from error  # fmt: skip
        return self._readers[encoder]


def cut_warnings(cuts: Sequence[CutText], texts: int) -> Iterator[str]:
    """A warning for each encoder.

    Args:
        texts: how many texts the run has.
    """
    for encoder in dict.fromkeys((cut.role, cut.reader) for cut in cuts):
        first, *others = (cut for cut in cuts if (cut.role, cut.reader) == encoder)
        who = first.reader or READERS.get(first.role, "the CLIP of the metrics")
        many = f", and {len(others)} more of {texts} texts are cut" if others else ""
        yield (
            f"{who} reads {first.most} tokens of a text, and {shorten(first.text)!r} has "
            f"{first.tokens}: its end, {shorten(first.lost)!r}, is cut off{many}"
        )


def _each(targets: Iterable[Node]) -> Iterator[Node]:
    """The nodes and their ancestors, without their keys, whose making takes longer."""
    waiting, seen = list(targets), set[int]()
    while waiting:
        node = waiting.pop(0)
        if id(node) not in seen:
            seen.add(id(node))
            waiting += node.inputs.values()
            yield node
