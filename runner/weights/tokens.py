"""Counts the tokens of texts as an encoder's tokenizer does, without transformers or torch.

The tokenizers are set up like those of transformers 5 (tokenization_clip.py, tokenization_t5.py,
tokenization_xlm_roberta.py), which the pipelines use.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.catalog.checkpoint import Tokens
from runner.system.machine import is_installed
from runner.system.untrusted import parse_json, read_regular

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CONFIG = "tokenizer_config.json"
NAMED = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token")
CLIP_WORDS = (
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)
ENDS = 2
"""Tokens at the ends of a text, at most."""
SPACE = "\u2581"
SPACES = re.compile(r"[^\S\x1c-\x1f]+")
"""What Unicode calls so, as the package regex does; Python has four more."""


@dataclass(frozen=True)
class Cut:
    """A text that is longer than an encoder reads.

    Attributes:
        tokens: of the whole text, with those that mark its ends.
        most: how many are read.
        lost: the end of the text that is not read.
    """

    tokens: int
    most: int
    lost: str


@dataclass(frozen=True)
class TextReader:
    """An encoder's tokenizer.

    Attributes:
        most: tokens that are read, with those that mark the ends.
        ends: how many mark the ends.
        cleans: whether texts are cleaned first.
    """

    tokenizer: Tokenizer
    most: int
    ends: int
    cleans: bool = False

    def read(self, text: str) -> tuple[int, ...]:
        """The tokens of a text that are read, without those that mark its ends."""
        text = cleaned(text) if self.cleans else text
        found = self.tokenizer.encode(text, add_special_tokens=False).ids
        return tuple(found[: self.most - self.ends])

    def cut(self, text: str) -> Cut | None:
        """What is cut off a text; None: nothing."""
        text = cleaned(text) if self.cleans else text
        spans = self.tokenizer.encode(text, add_special_tokens=False).offsets
        kept = self.most - self.ends
        if len(spans) <= kept:
            return None
        return Cut(len(spans) + self.ends, self.most, text[spans[kept][0] :].strip())


def cleaned(text: str) -> str:
    """A text as diffusers hands it on for Kandinsky 5 (pipeline_kandinsky_t2i.py, prompt_clean)."""
    if is_installed("ftfy"):
        import ftfy

        text = ftfy.fix_text(text)
    return SPACES.sub(" ", html.unescape(html.unescape(text)).strip()).strip()


def may_be_cut(text: str, most: int) -> bool:
    """Whether a text could have more tokens; False is certain, and needs no tokenizer.

    There is at most one token a byte of the text as tokenizers normalise it, and one a word.
    """
    lower = text.lower()
    forms = (unicodedata.normalize(form, lower) for form in ("NFC", "NFKC"))
    longest = max(len(form.encode("utf-8", "replace")) for form in forms)
    return longest + len(text.split()) + ENDS > most


def most_tokens(files: Mapping[str, Path], told: Tokens) -> int | None:
    """How many tokens are read of a text; None where no file says it.

    Args:
        files: name within the checkpoint -> file.
    """
    if told.most is not None:
        return told.most
    most = _settings(files, told.folder).get("model_max_length")
    return most if isinstance(most, int) else None


def read_tokenizer(files: Mapping[str, Path], told: Tokens) -> TextReader | None:
    """The tokenizer of a checkpoint; None where it has no files that are known here.

    Raises:
        OSError, ValueError, Exception: a file is damaged; the libraries have no error of their own.
    """
    most = most_tokens(files, told)
    if most is None:
        return None
    for name, read in READERS.items():
        if f"{told.folder}/{name}" in files:
            tokenizer, ends = read(files, told.folder)
            tokenizer.no_truncation()
            tokenizer.no_padding()
            marks = ends if told.ends is None else told.ends
            return TextReader(tokenizer, most, marks, told.cleaned)
    return None


def _settings(files: Mapping[str, Path], folder: str) -> dict[str, Any]:
    file = files.get(f"{folder}/{CONFIG}")
    found = parse_json(read_regular(file)) if file is not None else {}
    return found if isinstance(found, dict) else {}


def _whole(files: Mapping[str, Path], folder: str) -> tuple[Tokenizer, int]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(files[f"{folder}/tokenizer.json"]))
    _add_special(tokenizer, _settings(files, folder))
    return tokenizer, tokenizer.num_special_tokens_to_add(is_pair=False)


def _byte_pairs(files: Mapping[str, Path], folder: str) -> tuple[Tokenizer, int]:
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
    from tokenizers.models import BPE

    settings = _settings(files, folder)
    vocabulary, merges = BPE.read_file(
        str(files[f"{folder}/vocab.json"]), str(files[f"{folder}/merges.txt"])
    )
    tokenizer = Tokenizer(
        BPE(
            vocab=vocabulary, merges=merges, end_of_word_suffix="</w>", fuse_unk=False,
            unk_token=next(_contents(settings.get("unk_token")), "<|endoftext|>"),
        )
    )  # fmt: skip
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(CLIP_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    _add_special(tokenizer, settings)
    return tokenizer, ENDS


def _pieces(ends: int) -> Callable[[Mapping[str, Path], str], tuple[Tokenizer, int]]:
    """A reader of models of sentencepiece."""

    def read(files: Mapping[str, Path], folder: str) -> tuple[Tokenizer, int]:
        from sentencepiece.sentencepiece_model_pb2 import ModelProto
        from tokenizers import Tokenizer, normalizers, pre_tokenizers
        from tokenizers.models import Unigram

        (file,) = (files[name] for name in files if name.startswith(f"{folder}/") and
                   name.endswith(".model"))  # fmt: skip
        model = ModelProto()
        model.ParseFromString(file.read_bytes())
        pieces = [(piece.piece, piece.score) for piece in model.pieces]
        tokenizer = Tokenizer(Unigram(pieces, unk_id=model.trainer_spec.unk_id))
        if model.normalizer_spec.precompiled_charsmap:
            tokenizer.normalizer = normalizers.Precompiled(
                model.normalizer_spec.precompiled_charsmap
            )
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.WhitespaceSplit(),
                pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always"),
            ]
        )
        _add_special(tokenizer, _settings(files, folder))
        return tokenizer, ends

    return read


READERS: Mapping[str, Callable[[Mapping[str, Path], str], tuple[Tokenizer, int]]] = {
    "tokenizer.json": _whole,
    "vocab.json": _byte_pairs,
    "spiece.model": _pieces(1),
    "sentencepiece.bpe.model": _pieces(2),
}
"""File -> its reader, in the order in which transformers prefers them."""


def _add_special(tokenizer: Tokenizer, settings: Mapping[str, Any]) -> None:
    """Add the special tokens, which are found in a text before anything else."""
    from tokenizers import AddedToken

    listed = [settings.get(name) for name in NAMED]
    for name in ("additional_special_tokens", "extra_special_tokens"):
        more = settings.get(name)
        listed += more if isinstance(more, list) else []
    listed += (settings.get("added_tokens_decoder") or {}).values()
    there = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    tokens = [
        AddedToken(content, special=True, **_how(one))
        for one in listed
        for content in _contents(one)
        if content not in there
    ]
    tokenizer.add_tokens(tokens)


def _contents(token: object) -> Iterator[str]:
    """The text of a special token, as it stands in settings."""
    content = token.get("content") if isinstance(token, dict) else token
    if isinstance(content, str):
        yield content


def _how(token: object) -> dict[str, bool]:
    names = ("normalized", "lstrip", "rstrip", "single_word")
    return {name: token[name] for name in names if name in token} if isinstance(token, dict) else {}
