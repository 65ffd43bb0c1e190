"""Results as bytes, for the store and for passing them between processes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from runner.errors import StorageError
from runner.graph.stage_table import PART_OF, ResultKind
from runner.graph.values import Scores, Value

if TYPE_CHECKING:
    import torch

RECENT = 4
"""Pictures whose facts are kept: cells that share a picture ask for them one after the other."""


@dataclass(frozen=True)
class Encoded:
    """A result in its stored form: safetensors, PNG or JSON. It is passed on without torch.

    Attributes:
        value: the same decoded, where it is at hand; it is not passed to other processes.
    """

    kind: ResultKind
    content: bytes
    value: Value | None = field(default=None, compare=False, repr=False)

    @property
    def bare(self) -> Encoded:
        """Without the decoded value, which takes more memory."""
        return replace(self, value=None)

    def __reduce__(self) -> tuple[object, ...]:
        return Encoded, (self.kind, self.content)


@dataclass(frozen=True)
class PictureFacts:
    """A picture's size in pixels, and the hash of its pixels, see `images.png.pixel_sha256`."""

    width: int
    height: int
    sha256: str


Made: TypeAlias = "Value | Encoded"


def encode(kind: ResultKind, made: Made) -> Encoded:
    """A result as bytes; what is encoded already stays as it is."""
    if isinstance(made, Encoded):
        return made
    if kind is ResultKind.tensors:
        from safetensors.torch import save

        assert isinstance(made, dict)
        content = save({name: tensor.contiguous() for name, tensor in made.items()})
        return Encoded(kind, content, made)
    if kind is ResultKind.scores:
        assert isinstance(made, Scores)
        return Encoded(kind, json.dumps(dict(made.values)).encode(), made)
    if kind in PART_OF:
        assert isinstance(made, list)
        return Encoded(kind, _packed([encode(PART_OF[kind], one).content for one in made]), made)
    from runner.images.png import png_bytes

    assert not isinstance(made, dict | Scores | list)
    return Encoded(kind, png_bytes(made), made)


def decode(made: Made) -> Value:
    """A result as stages take it: tensors, an image or numbers. Raises StorageError."""
    if not isinstance(made, Encoded):
        return made
    if made.value is not None:
        return made.value
    if made.kind is ResultKind.tensors:
        from safetensors.torch import load

        tensors: dict[str, torch.Tensor] = load(made.content)
        return tensors
    if made.kind is ResultKind.scores:
        return Scores(json.loads(made.content))
    if made.kind in PART_OF:
        parts: list[Any] = [decode(one) for one in split_batch(made)]
        return parts
    from runner.images.png import DamagedPictureError, image_of_png

    try:
        return image_of_png(made.content)
    except DamagedPictureError as error:
        raise StorageError(f"a stored picture {error}; cache=refresh makes it anew") from error


@lru_cache(RECENT)
def picture_facts(picture: Encoded) -> PictureFacts:
    """Of an encoded image. Raises StorageError where it is damaged."""
    from runner.images.png import pixel_sha256

    image = decode(picture)
    assert not isinstance(image, dict | Scores | list)
    return PictureFacts(image.width, image.height, pixel_sha256(image))


def split_batch(made: Made) -> list[Made]:
    """The results of a batch, in the form they came in: values, or bytes, which stay encoded."""
    if isinstance(made, Encoded):
        return [Encoded(PART_OF[made.kind], content) for content in _unpacked(made.content)]
    assert isinstance(made, list)
    return list(made)


def _packed(contents: list[bytes]) -> bytes:
    """The parts concatenated, each preceded by its length."""
    return b"".join(len(content).to_bytes(8, "big") + content for content in contents)


def _unpacked(packed: bytes) -> list[bytes]:
    contents = []
    while packed:
        end = 8 + int.from_bytes(packed[:8], "big")
        contents.append(packed[8:end])
        packed = packed[end:]
    return contents
