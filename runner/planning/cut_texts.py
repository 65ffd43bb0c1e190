"""Texts that are longer than an encoder reads, with what is cut off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from runner.catalog.version import DECODER, PRIOR, TEXT
from runner.errors import WeightsError
from runner.graph.node import Node
from runner.graph.stage_table import AWAY_FROM
from runner.system.text import shorten
from runner.weights.find import FoundWeights
from runner.weights.found import FoundCheckpoint
from runner.weights.tokens import TextReader, may_be_cut, most_tokens, read_tokenizer

TEXTS = ("prompt", "negative_prompt", AWAY_FROM)
"""Parameters of nodes that an encoder reads."""
READERS = {PRIOR: "the prior", DECODER: "the decoder", TEXT: "the text encoder"}


@dataclass(frozen=True)
class CutText:
    """A text whose end an encoder does not read.

    Attributes:
        role: whose encoder it is: "prior", "decoder", "text", or that of a CLIP for metrics.
        tokens: of the whole text, with those that mark its ends.
        most: how many are read.
        lost: the end that is not read.
    """

    role: str
    text: str
    tokens: int
    most: int
    lost: str


class TextCutter:
    """Finds the texts of plans that are cut; each is looked at once."""

    def __init__(self) -> None:
        self._most: dict[str, int | None] = {}
        self._readers: dict[str, TextReader | None] = {}
        self._cuts: dict[tuple[str, str, str], CutText | None] = {}

    def cut_texts(self, targets: Iterable[Node], weights: FoundWeights) -> tuple[CutText, ...]:
        """The texts that the nodes and their ancestors have cut, each once for each role.

        Weights that are not on disk are passed over.

        Raises:
            WeightsError: a tokenizer's files cannot be read.
        """
        found = {
            (one.identity, one.checkpoint.pipeline): (role, one)
            for role, one in weights.checkpoints.items()
            if one.checkpoint.tokens is not None and one.checked is not None
        }
        cuts = {}
        for node in _each(targets):
            if node.pipeline is None:
                continue
            reads = found.get((node.pipeline.weights, node.pipeline.pipeline))
            if reads is None:
                continue
            for text in (node.params.get(name) for name in TEXTS):
                if isinstance(text, str):
                    cuts[reads[0], text] = self._cut(*reads, text)
        roles = list(weights.checkpoints)
        told = [cut for cut in cuts.values() if cut is not None]
        return tuple(sorted(told, key=lambda cut: roles.index(cut.role)))

    def _cut(self, role: str, found: FoundCheckpoint, text: str) -> CutText | None:
        asked = role, found.identity, text
        if asked not in self._cuts:
            reader = self._reader(found, text)
            cut = reader.cut(text) if reader is not None else None
            self._cuts[asked] = (
                None if cut is None else CutText(role, text, cut.tokens, cut.most, cut.lost)
            )
        return self._cuts[asked]

    def _reader(self, found: FoundCheckpoint, text: str) -> TextReader | None:
        """The tokenizer, read once it is needed: most texts are certainly short enough."""
        identity, told, checked = found.identity, found.checkpoint.tokens, found.checked
        assert told is not None
        assert checked is not None
        try:
            if identity not in self._most:
                self._most[identity] = most_tokens(checked.files, told)
            most = self._most[identity]
            if most is None or not may_be_cut(text, most):
                return None
            if identity not in self._readers:
                self._readers[identity] = read_tokenizer(checked.files, told)
        except Exception as error:  # the libraries have no errors of their own
            raise WeightsError(
                found.key, checked.path / told.folder, f"cannot be read: {error}",
                "a whole checkpoint: copy it again",
            ) from error  # fmt: skip
        return self._readers[identity]


def cut_warnings(cuts: Sequence[CutText], texts: int) -> Iterator[str]:
    """A warning for each role.

    Args:
        texts: how many texts the run has.
    """
    for role in dict.fromkeys(cut.role for cut in cuts):
        first, *others = (cut for cut in cuts if cut.role == role)
        who = READERS.get(role, "the CLIP of the metrics")
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
