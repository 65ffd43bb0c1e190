"""Tokenizers with vocabularies made by hand: common words whole, anything else by character.

Trainers of vocabularies are not reproducible.
"""

from __future__ import annotations

from transformers import CLIPTokenizer, T5Tokenizer, XLMRobertaTokenizer

from runner.mini.training.tokenizer import merges_for, vocabulary_of

WORDS = (
    *("a", "an", "and", "in", "of", "on", "the", "with", "two", "three", "left", "right"),
    *("black", "blue", "green", "grey", "purple", "red", "white", "yellow", "bright", "dark"),
    *("cat", "circle", "dog", "house", "landscape", "photo", "picture", "square", "sun"),
    *("background", "big", "flat", "light", "low", "quality", "small", "triangle"),
)
CHARACTERS = (*map(chr, range(ord("!"), ord("~") + 1)), *map(chr, range(ord("А"), ord("я") + 1)))
SPACE = "▁"
CLIP_TOKENS = 77
T5_TOKENS = 128

Pieces = list[tuple[str, float]]


def clip_tokenizer() -> CLIPTokenizer:
    """CLIP's byte-pair encoding: 512 byte tokens and the merges of every word."""
    merges = merges_for(WORDS)
    vocabulary = vocabulary_of(merges)
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=CLIP_TOKENS)


def xlm_roberta_tokenizer() -> XLMRobertaTokenizer:
    """The multilingual tokenizer of Kandinsky 2.1's decoder; its unknown token must have id 3."""
    special = [(token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>")]
    vocabulary = [*special, *pieces(), ("<mask>", 0.0)]
    return XLMRobertaTokenizer(vocab=vocabulary, model_max_length=CLIP_TOKENS)


def t5_tokenizer() -> T5Tokenizer:
    """The tokenizer of Kandinsky 3; its unknown token must have id 2."""
    special = [(token, 0.0) for token in ("<pad>", "</s>", "<unk>")]
    vocabulary = [*special, *pieces()]
    return T5Tokenizer(vocab=vocabulary, extra_ids=0, model_max_length=T5_TOKENS)


def pieces() -> Pieces:
    """Unigram pieces and their scores: a word scores more than its characters together."""
    words: Pieces = [(SPACE + word, -1.0) for word in WORDS]
    return [*words, *((character, -5.0) for character in (SPACE, *CHARACTERS))]
