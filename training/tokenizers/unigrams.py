"""The tokenizers of Kandinsky 2.1's decoder (XLM-R) and of Kandinsky 3 (T5), built by hand.

Trainers of vocabularies are not reproducible; these are: every word is one piece, so is every
character, and a word scores more than its characters together.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from transformers import T5Tokenizer, XLMRobertaTokenizer

from training.captions import CHARACTERS, WORDS

SPACE = "▁"
LATIN = tuple(map(chr, range(ord("!"), ord("~") + 1)))
CYRILLIC = tuple(map(chr, range(ord("А"), ord("я") + 1)))
LETTERS: tuple[str, ...] = (*LATIN, *CYRILLIC, "Ё", "ё")
"""What words that are not known are spelt with."""

XLM_ROBERTA_TOKENS, T5_TOKENS = 77, 128
"""To which the pipelines pad and cut every prompt."""

Pieces = list[tuple[str, float]]


def xlm_roberta_tokenizer_of(pieces: Pieces) -> XLMRobertaTokenizer:
    """A tokenizer of Kandinsky 2.1's decoder; its unknown token must have id 3."""
    special = [(token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>")]
    vocabulary = [*special, *pieces, ("<mask>", 0.0)]
    return XLMRobertaTokenizer(vocab=vocabulary, model_max_length=XLM_ROBERTA_TOKENS)


def t5_tokenizer_of(pieces: Pieces, most: int = T5_TOKENS) -> T5Tokenizer:
    """A tokenizer of Kandinsky 3, cutting at `most` tokens; its unknown token must have id 2."""
    special = [(token, 0.0) for token in ("<pad>", "</s>", "<unk>")]
    return T5Tokenizer(vocab=[*special, *pieces], extra_ids=0, model_max_length=most)


def pieces_of(words: Iterable[str], characters: Iterable[str]) -> Pieces:
    """Unigram pieces and their scores."""
    whole: Pieces = [(SPACE + word, -1.0) for word in words]
    return [*whole, *((character, -5.0) for character in (SPACE, *characters))]


@cache
def pieces() -> Pieces:
    """Those of the small family: every word of its captions, as it stands and with a capital."""
    words = sorted({form for word in WORDS for form in (word, word.capitalize())})
    return pieces_of(words, [*LETTERS, *sorted(CHARACTERS - set(LETTERS))])


@cache
def xlm_roberta_tokenizer() -> XLMRobertaTokenizer:
    """The small family's own."""
    return xlm_roberta_tokenizer_of(pieces())


@cache
def t5_tokenizer(most: int = T5_TOKENS) -> T5Tokenizer:
    """The small family's own, cutting at `most` tokens."""
    return t5_tokenizer_of(pieces(), most)
