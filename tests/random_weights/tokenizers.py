"""Tokenizers with vocabularies made by hand: common words whole, anything else by character.

Trainers of vocabularies are not reproducible. The files are those of the released repositories, as
the transformers of then wrote them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from sentencepiece.sentencepiece_model_pb2 import ModelProto, NormalizerSpec, TrainerSpec
from transformers import XLMRobertaTokenizer

from random_weights.files import write_json
from training.tokenizers.byte_pairs import END, START, merges_for, vocabulary_of
from training.tokenizers.unigrams import LETTERS, Pieces, pieces_of, xlm_roberta_tokenizer_of

WORDS = (
    *("a", "an", "and", "in", "of", "on", "the", "with", "two", "three", "left", "right"),
    *("black", "blue", "green", "grey", "purple", "red", "white", "yellow", "bright", "dark"),
    *("cat", "circle", "dog", "house", "landscape", "photo", "picture", "square", "sun"),
    *("background", "big", "flat", "light", "low", "quality", "small", "triangle"),
)
CLIP_TOKENS = 77
MOST_TOKENS = 512
"""What the released tokenizers of 2.1's decoder and of 3 call their most; pipelines take fewer."""
CLIP_PAD = "!"
T5_SPECIAL = ("<pad>", "</s>", "<unk>")
T5_EXTRA = tuple(f"<extra_id_{number}>" for number in range(100))
CONTROL, UNKNOWN = ModelProto.SentencePiece.CONTROL, ModelProto.SentencePiece.UNKNOWN


@cache
def pieces() -> Pieces:
    """What the tokenizers of 2.1's decoder and of 3 know."""
    return pieces_of(WORDS, LETTERS)


def clip_size() -> int:
    """Of CLIP's vocabulary. Its last token is the end, which the encoder looks for by its size."""
    return len(vocabulary_of(merges_for(WORDS)))


def xlm_roberta_tokenizer() -> XLMRobertaTokenizer:
    """The multilingual tokenizer of Kandinsky 2.1's decoder."""
    return xlm_roberta_tokenizer_of(pieces())


def t5_size() -> int:
    """Of the vocabulary of Kandinsky 3's tokenizer."""
    return len(T5_SPECIAL) + len(pieces()) + len(T5_EXTRA)


def save_clip(folder: Path) -> None:
    """CLIP's byte-pair encoding: 512 byte tokens and the merges of every word.

    Prompts are filled up with exclamation marks, whose id is 0.
    """
    folder.mkdir(parents=True)
    merges = merges_for(WORDS)
    write_json(folder / "vocab.json", vocabulary_of(merges))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    start, end = added(START, normalized=True), added(END, normalized=True)
    marks = {"bos_token": start, "eos_token": end, "unk_token": end}
    typed = {name: {"__type": "AddedToken", **mark} for name, mark in marks.items()}
    write_json(folder / "special_tokens_map.json", {**marks, "pad_token": CLIP_PAD})
    write_json(
        folder / "tokenizer_config.json",
        {
            **typed, "pad_token": CLIP_PAD, "add_prefix_space": False,
            "clean_up_tokenization_spaces": True, "do_lower_case": True, "errors": "replace",
            "model_max_length": CLIP_TOKENS, "tokenizer_class": "CLIPTokenizer",
        },
    )  # fmt: skip


def save_xlm_roberta(folder: Path) -> None:
    """The tokenizer of Kandinsky 2.1's decoder, for both kinds of libraries."""
    xlm_roberta_tokenizer().save_pretrained(folder)
    special = [("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)]
    # Its own ids are one less than the tokenizer's, which has a token more at its start.
    model = sentencepiece_model(special, unk_id=0, bos_id=1, eos_id=2, pad_id=-1)
    (folder / "sentencepiece.bpe.model").write_bytes(model)
    mask = {**added("<mask>", normalized=True), "lstrip": True}
    marks: dict[str, Any] = {
        "bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>",
        "sep_token": "</s>", "unk_token": "<unk>",
    }  # fmt: skip
    write_json(folder / "special_tokens_map.json", {**marks, "mask_token": mask})
    write_json(
        folder / "tokenizer_config.json",
        {
            **marks, "mask_token": {"__type": "AddedToken", **mask},
            "clean_up_tokenization_spaces": True, "model_max_length": MOST_TOKENS,
            "tokenizer_class": "XLMRobertaTokenizer",
        },
    )  # fmt: skip


def save_t5(folder: Path) -> None:
    """The tokenizer of Kandinsky 3: a model of sentencepiece, and no tokenizer.json."""
    folder.mkdir(parents=True)
    special = [(T5_SPECIAL[0], CONTROL), (T5_SPECIAL[1], CONTROL), (T5_SPECIAL[2], UNKNOWN)]
    model = sentencepiece_model(special, pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    (folder / "spiece.model").write_bytes(model)
    last = t5_size() - 1
    ids = {token: last - number for number, token in enumerate(T5_EXTRA)}
    ids |= {token: number for number, token in enumerate(T5_SPECIAL)}
    marks = {
        "additional_special_tokens": list(T5_EXTRA),
        "eos_token": added("</s>"), "pad_token": added("<pad>"), "unk_token": added("<unk>"),
    }  # fmt: skip
    write_json(folder / "special_tokens_map.json", marks)
    write_json(
        folder / "tokenizer_config.json",
        {
            "added_tokens_decoder": {
                str(number): {**added(token), "special": True}
                for token, number in sorted(ids.items(), key=lambda item: item[1])
            },
            "additional_special_tokens": list(T5_EXTRA), "clean_up_tokenization_spaces": True,
            "eos_token": "</s>", "extra_ids": len(T5_EXTRA), "model_max_length": MOST_TOKENS,
            "pad_token": "<pad>", "sp_model_kwargs": {}, "tokenizer_class": "T5Tokenizer",
            "unk_token": "<unk>",
        },
    )  # fmt: skip


def added(token: str, *, normalized: bool = False) -> dict[str, Any]:
    """A special token as transformers writes it."""
    return {
        "content": token, "lstrip": False, "normalized": normalized, "rstrip": False,
        "single_word": False,
    }  # fmt: skip


def sentencepiece_model(special: Sequence[tuple[str, int]], **ids: int) -> bytes:
    """A unigram model of sentencepiece, with `special` before the pieces.

    Args:
        ids: those of the special ones, by their names in sentencepiece; -1: there is none.
    """
    entries = [ModelProto.SentencePiece(piece=token, score=0, type=kind) for token, kind in special]
    entries += [ModelProto.SentencePiece(piece=piece, score=score) for piece, score in pieces()]
    model = ModelProto(
        pieces=entries,
        trainer_spec=TrainerSpec(model_type=TrainerSpec.UNIGRAM, vocab_size=len(entries), **ids),
        normalizer_spec=NormalizerSpec(name="nmt_nfkc"),
    )
    written: bytes = model.SerializeToString(deterministic=True)
    return written
