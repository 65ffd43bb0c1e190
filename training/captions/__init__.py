"""Captions in English, Russian and Chinese, and the words they use. Pure Python."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from training.captions import chinese, english, russian
from training.scenes import Mention, Scene, mention_of

LANGUAGES = {"en": english.phrase, "ru": russian.phrase, "zh": chinese.phrase}
"""Language -> how it words a mention, one of its wordings by chance."""

WORDS: frozenset[str] = english.WORDS | russian.WORDS
"""Every English and Russian word that captions use, in lower case."""
CHINESE: frozenset[str] = chinese.WORDS
"""Every Chinese word that captions use."""
CHARACTERS: frozenset[str] = chinese.CHARACTERS
"""The characters of these."""

SHARES = {"en": 0.5, "ru": 0.25, "zh": 0.25}


def caption(rng: Random, scene: Scene, shares: Mapping[str, float] = SHARES) -> tuple[str, Mention]:
    """Word some or all of what a scene shows, in some language.

    Args:
        shares: language -> how often it is spoken.
    """
    mention = mention_of(rng, scene)
    (language,) = rng.choices(tuple(shares), tuple(shares.values()))
    return LANGUAGES[language](rng, mention), mention
