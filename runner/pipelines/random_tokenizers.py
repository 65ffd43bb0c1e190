"""Tokenizers without files, for random weights: as many tokens as the released ones have.

Any text becomes short pieces of letters, and other scripts single characters; what is left of the
vocabulary is never used. The number of tokens of a prompt is near enough: pipelines fill up to a
fixed length.
"""

from __future__ import annotations

from itertools import product
from string import ascii_lowercase, printable
from typing import Any

WORD_END = "</w>"
SPACE = "▁"


def clip_tokenizer(vocabulary: int, **told: Any) -> Any:
    """CLIP's byte pairs: two or three letters are a token. The last token is the end."""
    from transformers import CLIPTokenizer

    letters = _letters_of_bytes()
    ends = [letter + WORD_END for letter in letters]
    last = [letter + WORD_END for letter in ascii_lowercase]
    merges = list(product(ascii_lowercase, [*ascii_lowercase, *last]))
    pairs = map("".join, product(ascii_lowercase, repeat=2))
    merges += product(pairs, ascii_lowercase)
    known = [*letters, *ends, *(one + other for one, other in merges)]
    marks = ["<|startoftext|>", "<|endoftext|>"]
    vocab = _filled_up(known, vocabulary - len(marks)) + marks
    ids = {token: number for number, token in enumerate(vocab)}
    return CLIPTokenizer(vocab=ids, merges=merges, **told)


def xlm_roberta_tokenizer(vocabulary: int, **told: Any) -> Any:
    """Unigrams: two letters are a token."""
    from transformers import XLMRobertaTokenizer

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = _filled_up([*special, *_unigrams()], vocabulary - 1)
    return XLMRobertaTokenizer(vocab=[*_scored(pieces), ("<mask>", 0.0)], **told)


def t5_tokenizer(vocabulary: int, **told: Any) -> Any:
    """Unigrams: two letters are a token."""
    from transformers import T5Tokenizer

    extra = 100  # its own tokens, which the class adds
    pieces = _filled_up(["<pad>", "</s>", "<unk>", *_unigrams()], vocabulary - extra)
    return T5Tokenizer(vocab=_scored(pieces), extra_ids=extra, **told)


def qwen_processor(vocabulary: int, **told: Any) -> Any:
    """Byte pairs of Qwen2.5-VL's processor: two or three letters are a token. The marks are last,
    with the ids that its model knows them by.
    """
    from transformers import Qwen2Tokenizer, Qwen2VLImageProcessorPil

    from runner.kandinsky5.processor import PicturesAndText

    merges = list(product(ascii_lowercase, ascii_lowercase))
    merges += product(map("".join, merges), ascii_lowercase)
    known = [*_letters_of_bytes(), *(one + other for one, other in merges)]
    tokens = _filled_up(known, vocabulary - len(QWEN_MARKS))
    ids = {token: number for number, token in enumerate(tokens)}
    end, *marks = QWEN_MARKS
    tokenizer = Qwen2Tokenizer(
        vocab=ids, merges=merges, eos_token=end, pad_token=end, unk_token=end,
        additional_special_tokens=marks, **told,
    )  # fmt: skip
    return PicturesAndText(Qwen2VLImageProcessorPil(), tokenizer)


QWEN_MARKS = (
    *(f"<|{name}|>" for name in ("endoftext", "im_start", "im_end")),
    *(f"<|{name}_{at}|>" for name in ("object_ref", "box", "quad", "vision")
      for at in ("start", "end")),
    *(f"<|{name}_pad|>" for name in ("vision", "image", "video")),
)  # fmt: skip
"""In the order of their ids, which begin at 151643 in Qwen2.5-VL."""

TOKENIZERS = {
    "CLIPTokenizer": clip_tokenizer,
    "XLMRobertaTokenizer": xlm_roberta_tokenizer,
    "XLMRobertaTokenizerFast": xlm_roberta_tokenizer,
    "T5Tokenizer": t5_tokenizer,
    "Qwen2VLProcessor": qwen_processor,
}
"""By their names in a model_index.json."""


def _letters_of_bytes() -> list[str]:
    """For each byte the printable character that stands for it in CLIP's encoding; "!" is first."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [*map(chr, plain), *(chr(256 + number) for number in range(256 - len(plain)))]


def _unigrams() -> list[str]:
    pairs = ["".join(pair) for pair in product(ascii_lowercase, repeat=2)]
    single = [*filter(str.strip, printable), *map(chr, range(ord("А"), ord("я") + 1))]
    return [SPACE, *single, *pairs, *(SPACE + pair for pair in pairs)]


def _scored(pieces: list[str]) -> list[tuple[str, float]]:
    """The longer, the better, for what is taken apart first."""
    return [(piece, -10.0 / min(len(piece), 4)) for piece in pieces]


def _filled_up(tokens: list[str], length: int) -> list[str]:
    return [*tokens, *(f"<unused {number}>" for number in range(length - len(tokens)))]
