"""How two objects are named in one phrase, in languages that do not decline them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

FORWARD_SHARE = 0.7
"""Share of the phrases that begin with the first object; the others begin with the second."""


@dataclass(frozen=True)
class Pairing:
    """The words between two objects, by relation, and the patterns that take all three.

    Attributes:
        relations: what the first object is to the second.
        converses: what the second object is to the first.
        conjunctions: where no relation is said.
        related, listed: with the places `first`, `second` and `word`.
    """

    relations: Mapping[str, tuple[str, ...]]
    converses: Mapping[str, tuple[str, ...]]
    conjunctions: tuple[str, ...]
    related: str
    listed: str

    def phrase(self, rng: Random, first: str, second: str, relation: str | None) -> str:
        """One of the wordings."""
        if relation is None:
            word = rng.choice(self.conjunctions)
            return self.listed.format(first=first, second=second, word=word)
        table = self.relations
        if rng.random() >= FORWARD_SHARE:
            table, first, second = self.converses, second, first
        return self.related.format(first=first, second=second, word=rng.choice(table[relation]))

    @property
    def texts(self) -> list[str]:
        """All words that may stand between, to gather a vocabulary from."""
        tables = (self.relations, self.converses)
        words = [text for table in tables for texts in table.values() for text in texts]
        return [*words, *self.conjunctions]
