"""The CLIP tokenizer of the small family, built by hand from its words.

Trainers of byte-pair vocabularies are not reproducible; this one is: every word of the vocabulary
becomes one token, anything else falls back to bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import pairwise

from transformers import CLIPTokenizer

from runner.mini.vocabulary import WORDS

MAX_TOKENS = 32
START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"

Pair = tuple[str, str]


def byte_alphabet() -> list[str]:
    """The printable characters that stand for the bytes 0-255 in GPT-2's and CLIP's encoding."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + rank) for rank in range(len(others))]


def pieces(word: str, merges: Iterable[Pair]) -> list[str]:
    """Split a word into tokens by byte-pair merges, the earliest merge first."""
    parts = [*word[:-1], word[-1] + WORD_END]
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    while len(parts) > 1:
        best = min(pairwise(parts), key=lambda p: ranks.get(p, len(ranks)))
        if best not in ranks:
            break
        at = list(pairwise(parts)).index(best)
        parts[at : at + 2] = ["".join(best)]
    return parts


def merges_for(words: Iterable[str]) -> list[Pair]:
    """Byte-pair merges that make each word one token.

    A later merge never breaks an earlier word: that one's own merges rank first all the way.
    """
    merges: list[Pair] = []
    for word in words:
        while len(parts := pieces(word, merges)) > 1:
            merges.append((parts[0], parts[1]))
    return merges


@cache
def build_tokenizer() -> CLIPTokenizer:
    """The tokenizer: 512 byte tokens, the merges of every word, and the two markers."""
    merges = merges_for(sorted(WORDS))
    alphabet = byte_alphabet()
    tokens = [*alphabet, *(letter + WORD_END for letter in alphabet)]
    tokens += [left + right for left, right in merges]
    tokens += [START, END]
    vocabulary = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=MAX_TOKENS)
