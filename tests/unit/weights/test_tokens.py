"""Tokens are counted as the live tokenizers of transformers count them."""

from __future__ import annotations

from pathlib import Path

import pytest
import transformers
from sentencepiece import SentencePieceNormalizer
from sentencepiece.sentencepiece_model_pb2 import ModelProto

from random_weights.checkpoints import TOKENIZERS
from runner.catalog.checkpoint import Tokens
from runner.weights.find import MINI_DIR
from runner.weights.tokens import TextReader, may_be_cut, read_tokenizer

TEXTS = (
    "a red circle, on a WHITE background",
    "красный круг на белом фоне",
    "一只红色的猫坐在绿色的草地上",
    "🔴🔵 two 👨\u200d👩\u200d👧 wow!! a!b",
    "  spaces \t and\nlines\u00a0x ",
    "It's 1234 dogs' we'll",
    "ﷺ ﬁ Å İstanbul ＡＢＣ ①",
    "<|endoftext|> a </s> b <pad> <extra_id_3> <MASK> <mask> c <|STARTOFTEXT|>",
    "e\u0301 a\u0300 \u0958 \u2028 \u200b",
    "",
)
LAYOUTS = (
    *TOKENIZERS,
    "without tokenizer.json",
    "with a normalizer",
    "kandinsky-2-2-prior",
    "kandinsky-2-1",
    "kandinsky-3",
)


@pytest.fixture(params=LAYOUTS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A tokenizer's folder: as published, in the two other ways, and of the small family."""
    name = request.param
    if (MINI_DIR / name).is_dir():
        return MINI_DIR / name / "tokenizer"
    folder = tmp_path / "tokenizer"
    if name == "without tokenizer.json":
        TOKENIZERS["XLMRobertaTokenizerFast"](folder)
        (folder / "tokenizer.json").unlink()
    elif name == "with a normalizer":  # as in the published file of Kandinsky 3
        TOKENIZERS["T5Tokenizer"](folder)
        model, rules = ModelProto(), ModelProto()
        rules.ParseFromString(
            SentencePieceNormalizer(rule_name="nmt_nfkc").serialized_model_proto()
        )
        model.ParseFromString((folder / "spiece.model").read_bytes())
        model.normalizer_spec.CopyFrom(rules.normalizer_spec)
        (folder / "spiece.model").write_bytes(model.SerializeToString())
    else:
        TOKENIZERS[name](folder)
    return folder


def reader_of(folder: Path, most: int | None = None) -> TextReader:
    files = {f"tokenizer/{file.name}": file for file in folder.iterdir()}
    reader = read_tokenizer(files, Tokens(most))
    assert reader is not None
    return reader


def test_counts_and_cuts_are_those_of_the_live_tokenizer(folder: Path) -> None:
    live = transformers.AutoTokenizer.from_pretrained(str(folder))
    assert reader_of(folder).most == live.model_max_length
    for text in (" ".join([text] * times) for text in TEXTS for times in (1, 9)):
        tokens = len(live(text).input_ids)
        assert reader_of(folder, tokens).cut(text) is None
        if tokens > reader_of(folder).ends:
            cut = reader_of(folder, tokens - 1).cut(text)
            assert cut is not None
            assert (cut.tokens, cut.most) == (tokens, tokens - 1)
            assert may_be_cut(text, tokens - 1)


def test_what_is_kept_is_what_the_encoder_gets(folder: Path) -> None:
    live = transformers.AutoTokenizer.from_pretrained(str(folder))
    text = "a red circle on a white background with the blue square and a green triangle " * 4
    for most in (8, 9, 30):
        cut = reader_of(folder, most).cut(text)
        assert cut is not None
        kept = text.strip().removesuffix(cut.lost)
        assert kept != text.strip()
        given = live(text, truncation=True, max_length=most).input_ids
        assert live(kept).input_ids == given
