"""Tokenizers with vocabularies made by hand: common words whole, anything else by character.

Trainers of vocabularies are not reproducible.
"""

from __future__ import annotations

from transformers import CLIPTokenizer, T5Tokenizer, XLMRobertaTokenizer

from training.tokenizers.byte_pairs import merges_for, vocabulary_of
from training.tokenizers.unigrams import (
    LETTERS,
    pieces_of,
    t5_tokenizer_of,
    xlm_roberta_tokenizer_of,
)

WORDS = (
    *("a", "an", "and", "in", "of", "on", "the", "with", "two", "three", "left", "right"),
    *("black", "blue", "green", "grey", "purple", "red", "white", "yellow", "bright", "dark"),
    *("cat", "circle", "dog", "house", "landscape", "photo", "picture", "square", "sun"),
    *("background", "big", "flat", "light", "low", "quality", "small", "triangle"),
)
CLIP_TOKENS = 77


def clip_tokenizer() -> CLIPTokenizer:
    """CLIP's byte-pair encoding: 512 byte tokens and the merges of every word."""
    merges = merges_for(WORDS)
    vocabulary = vocabulary_of(merges)
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=CLIP_TOKENS)


def xlm_roberta_tokenizer() -> XLMRobertaTokenizer:
    """The multilingual tokenizer of Kandinsky 2.1's decoder."""
    return xlm_roberta_tokenizer_of(pieces_of(WORDS, LETTERS))


def t5_tokenizer() -> T5Tokenizer:
    """The tokenizer of Kandinsky 3."""
    return t5_tokenizer_of(pieces_of(WORDS, LETTERS))
