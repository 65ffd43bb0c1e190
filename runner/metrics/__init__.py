"""Numbers from a picture. A metric is a function with `@metric` and a file of `conf/metrics`.

    from runner.metrics import metric

    @metric(better="higher")
    def blueness(image: Image.Image, *, from_level: int = 128) -> float:
        return float((np.asarray(image)[..., 2] >= from_level).mean())

What it is given goes by the names of its parameters:

| name | what it is |
|---|---|
| image | the picture, RGB |
| reference | a picture to compare with, RGB: the same prompt and seed in the sweep's `baseline`, or what the picture was made from (`against: image`) |
| prompt | the text that the picture was made for |
| images | all pictures of the cell, instead of one: then it is measured once a cell |
| clip | the `Clip` of a Kandinsky prior |

All others are its own and come from `arguments` in the config. It returns a finite number, or
several by name. A metric runs as a stage: once for each picture, stored, and reused.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    import torch
    from PIL import Image

Better: TypeAlias = Literal["higher", "lower"] | None
"""Which numbers are the better ones; None: neither."""

Measured: TypeAlias = "float | Mapping[str, float]"
MetricFunction: TypeAlias = Callable[..., Measured]
Check: TypeAlias = Callable[[Mapping[str, Any]], str | None]
_Decorated = TypeVar("_Decorated", bound=MetricFunction)

MARK = "__metric__"


class Clip(Protocol):
    """The two encoders that a Kandinsky prior was trained with."""

    def embed_text(self, text: str) -> torch.Tensor:
        """The embedding of a text, [D], float32; what is over CLIP's length is cut off."""
        ...

    def embed_image(self, image: Image.Image) -> torch.Tensor:
        """The embedding of a picture, [D], float32."""
        ...

    @staticmethod
    def cosine(one: torch.Tensor, other: torch.Tensor) -> float:
        """Of two embeddings, [D]."""
        ...


@dataclass(frozen=True)
class Metric:
    """What a metric says of itself.

    Attributes:
        version: raised when its numbers change.
        needs: names of installed packages that it cannot do without; their versions count too.
        smallest: pixels that a picture must have in height and width.
        fewest: pictures that a cell must have.
        files: which of its own parameters name a file or a folder: what is in there counts.
        check: from its arguments, what is wrong with them or missing here; None: nothing.
    """

    better: Better
    version: int
    needs: Sequence[str]
    smallest: int
    fewest: int
    files: Sequence[str]
    check: Check | None


def metric(
    *,
    better: Better = None,
    version: int = 1,
    needs: Sequence[str] = (),
    smallest: int = 1,
    fewest: int = 1,
    files: Sequence[str] = (),
    check: Check | None = None,
) -> Callable[[_Decorated], _Decorated]:
    """Marks a function as a metric; see `Metric`."""

    def mark(function: _Decorated) -> _Decorated:
        described = Metric(better, version, tuple(needs), smallest, fewest, tuple(files), check)
        setattr(function, MARK, described)
        return function

    return mark


def description_of(function: Any) -> Metric | None:
    """What a function says of itself as a metric; None where it is none."""
    found = getattr(function, MARK, None)
    return found if isinstance(found, Metric) else None
