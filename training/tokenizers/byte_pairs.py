"""The CLIP tokenizer of the small family, built by hand from its words.

Trainers of byte-pair vocabularies are not reproducible; this one is: every English and Russian word
that captions use becomes one token, and so does every Chinese character; anything else falls back
to bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise

from transformers import CLIPTokenizer

from training.captions import CHARACTERS, WORDS

MAX_TOKENS = 32
START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"

Pair = tuple[str, str]


@cache
def letters_of_bytes() -> tuple[str, ...]:
    """For each byte, 0-255, the printable character that stands for it in GPT-2's and CLIP's
    encoding.
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {byte: chr(byte) for byte in printable}
    letters |= {byte: chr(256 + rank) for rank, byte in enumerate(others)}
    return tuple(letters[byte] for byte in range(256))


def as_letters(text: str) -> str:
    """A text as the letters that stand for its UTF-8 bytes."""
    return "".join(letters_of_bytes()[byte] for byte in text.encode())


def pieces(word: str, merges: Iterable[Pair], end: str = WORD_END) -> list[str]:
    """Split a word into tokens by byte-pair merges, the earliest merge first.

    Args:
        end: what the last letter of a word has; GPT-2's tokenizers have nothing there.
    """
    parts = [*word[:-1], word[-1] + end]
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    while len(parts) > 1:
        best = min(pairwise(parts), key=lambda p: ranks.get(p, len(ranks)))
        if best not in ranks:
            break
        at = list(pairwise(parts)).index(best)
        parts[at : at + 2] = ["".join(best)]
    return parts


def merges_for(
    words: Iterable[str], characters: Iterable[str] = (), end: str = WORD_END
) -> list[Pair]:
    """Byte-pair merges that make each word one token, and each character (of a script that writes
    no spaces) one within a word and one at its end.

    A later merge never breaks an earlier word: that one's own merges rank first all the way.
    """
    merges: list[Pair] = []
    for word in words:
        while len(parts := pieces(as_letters(word), merges, end)) > 1:
            merges.append((parts[0], parts[1]))
    for character in characters:
        *start, last = list(as_letters(character))
        for left, right in accumulated(start):
            merges.append((left, right))
        merges += [("".join(start), last), ("".join(start), last + end)]
    return list(dict.fromkeys(merges))


def accumulated(letters: Sequence[str]) -> Iterable[Pair]:
    """What has been merged so far, and the next letter."""
    return (("".join(letters[:end]), letters[end]) for end in range(1, len(letters)))


def vocabulary_of(merges: Iterable[Pair]) -> dict[str, int]:
    """Token -> id: 512 byte tokens, what each merge makes, and the two markers."""
    letters = sorted(letters_of_bytes())
    tokens = [*letters, *(letter + WORD_END for letter in letters)]
    tokens += [*(left + right for left, right in merges), START, END]
    return {token: index for index, token in enumerate(dict.fromkeys(tokens))}


@cache
def build_tokenizer() -> CLIPTokenizer:
    """The tokenizer of both priors."""
    merges = merges_for(sorted(WORDS), sorted(CHARACTERS))
    vocabulary = vocabulary_of(merges)
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=MAX_TOKENS)
