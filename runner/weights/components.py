"""The components of a checkpoint, and the files that each needs: known by kind, file by file."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runner.catalog.checkpoint import Checkpoint, Layout

INDEX_FILES = {Layout.diffusers: "model_index.json", Layout.transformers: "config.json"}
"""The file that names a folder's classes."""


LIBRARIES = re.compile(r"diffusers|transformers|kandinsky\w*")
"""Libraries of components; the last are modules of diffusers' pipelines."""
CLASS = re.compile(r"(?!Auto[A-Z])[A-Z]\w*")
"""Classes; those that begin so choose another one by the checkpoint's config."""


@dataclass(frozen=True)
class Kind:
    """A kind of component beside the models.

    Attributes:
        named: a part of the names of its classes.
        needs: the file that it always needs.
        one_of: sets of further files, one of which must be whole.
    """

    named: str
    needs: str
    one_of: tuple[tuple[str, ...], ...] = ()


BYTE_PAIRS = (("tokenizer.json",), ("vocab.json", "merges.txt"))
SENTENCEPIECE = (("tokenizer.json",), ("sentencepiece.bpe.model",), ("spiece.model",))

KINDS = (
    Kind("Scheduler", "scheduler_config.json"),
    Kind("CLIPTokenizer", "tokenizer_config.json", BYTE_PAIRS),
    Kind("Qwen2VLProcessor", "tokenizer_config.json", BYTE_PAIRS),
    Kind("Qwen2_5_VLProcessor", "tokenizer_config.json", BYTE_PAIRS),
    Kind("Tokenizer", "tokenizer_config.json", SENTENCEPIECE),
    Kind("ImageProcessor", "preprocessor_config.json"),
    Kind("FeatureExtractor", "preprocessor_config.json"),
)
"""A component is of the first kind that its class's name holds. All others are models, which
`Checkpoint.modules` lists."""


def components_of(index: Mapping[str, Any], checkpoint: Checkpoint) -> dict[str, str]:
    """Component -> its class, of those in a model_index.json that the checkpoint's role uses."""
    return {
        name: str(given[1])
        for name, given in index.items()
        if isinstance(given, list) and len(given) == 2 and given[1] is not None
        if name not in checkpoint.without
    }


def foreign_component(index: Mapping[str, Any], checkpoint: Checkpoint) -> str | None:
    """The first component whose class is none of diffusers' or transformers' and not the runner's
    own one of this checkpoint (`Checkpoint.own_parts`), if there is one:
    diffusers would import whatever library is named, and run the code of a checkpoint for classes
    that choose another one by themselves.
    """
    if checkpoint.layout is Layout.transformers:
        return None
    for name, given in index.items():
        if not isinstance(given, list) or name in checkpoint.without:
            continue
        if given in ([None, None], []):
            continue
        if len(given) != 2 or not all(isinstance(part, str) for part in given):
            return f"{name}: {given!r:.100}"
        if tuple(given) == checkpoint.own_parts.get(name):
            continue
        library, class_name = given
        if not LIBRARIES.fullmatch(library) or not CLASS.fullmatch(class_name):
            return f"{name}: {library}.{class_name}"
    return None


def missing_files(
    index: Mapping[str, Any], checkpoint: Checkpoint, names: Collection[str]
) -> Iterator[str]:
    """Files beside the models' that must be there and are not.

    Args:
        index: the contents of the checkpoint's index file.
        names: of all its files.
    """
    if checkpoint.layout is Layout.transformers:
        if "preprocessor_config.json" not in names:
            yield "preprocessor_config.json"
        return
    for component, class_name in components_of(index, checkpoint).items():
        kind = next((kind for kind in KINDS if kind.named in class_name), None)
        if kind is None:
            continue
        if f"{component}/{kind.needs}" not in names:
            yield f"{component}/{kind.needs}"
        sets = [[f"{component}/{name}" for name in one] for one in kind.one_of]
        if sets and not any(all(name in names for name in one) for one in sets):
            # Of the set that is there in part, what is missing; else the first of all.
            part = next((one for one in sets if any(name in names for name in one)), sets[0])
            yield next(name for name in part if name not in names)
