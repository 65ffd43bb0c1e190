"""Metrics: numbers from pictures. A metric is a function with `@metric` and a file in `conf/metrics`.

    from runner.metrics import metric

    @metric(better="higher")
    def blueness(image: Image.Image, *, from_level: int = 128) -> float:
        return float((np.asarray(image)[..., 2] >= from_level).mean())

The names of its parameters decide what the runner passes to it:

| name | what it is |
|---|---|
| image | the picture, RGB |
| reference | a picture to compare with, RGB: of the same prompt and seed in the sweep's `baseline`, or the input picture that it was made from (`against: image`) |
| prompt | the prompt of the picture |
| images | all pictures of the cell, instead of one: then it is measured once a cell |
| clip | the `Clip` of a Kandinsky prior |
| judge | the `Judge` that `@metric(judge=...)` names, a row of `runner.catalog.judges` |

All other parameters come from `arguments` in the config. It returns a finite number, or several by
name. A metric runs as a stage: once for each picture; results are stored and reused.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    import torch
    from PIL import Image

Better: TypeAlias = Literal["higher", "lower"] | None
"""Whether higher or lower numbers are better; None: neither."""

Measured: TypeAlias = "float | Mapping[str, float]"
MetricFunction: TypeAlias = Callable[..., Measured]
Check: TypeAlias = Callable[[Mapping[str, Any]], str | None]
_Decorated = TypeVar("_Decorated", bound=MetricFunction)

MARK = "__metric__"


class Clip(Protocol):
    """The two encoders that a Kandinsky prior was trained with."""

    def embed_text(self, text: str) -> torch.Tensor:
        """The embedding of a text, [D], float32; texts are cut at CLIP's length."""
        ...

    def embed_image(self, image: Image.Image) -> torch.Tensor:
        """The embedding of a picture, [D], float32."""
        ...

    @staticmethod
    def cosine(one: torch.Tensor, other: torch.Tensor) -> float:
        """The cosine of two embeddings, [D]."""
        ...


class Judge(Protocol):
    """A published model that scores pictures."""

    def score(self, image: Image.Image, prompt: str = "") -> float:
        """Its score of a picture; judges that read no prompt leave it aside."""
        ...


@dataclass(frozen=True)
class Metric:
    """The description of a metric, which `@metric` attaches to its function.

    Attributes:
        version: raised when its numbers change.
        needs: names of the packages that it requires; their versions are part of its key.
        smallest: least height and width of a picture in pixels.
        fewest: least number of pictures in a cell.
        files: those of its arguments that name a file or a folder, whose content is part of its
            key.
        check: takes its arguments and returns what is wrong with them or missing on this machine;
            None: nothing.
        judge: name of the judge that it uses. `arguments` then also say where the judge's parts
            are.
    """

    better: Better
    version: int
    needs: Sequence[str]
    smallest: int
    fewest: int
    files: Sequence[str]
    check: Check | None
    judge: str | None


def metric(
    *,
    better: Better = None,
    version: int = 1,
    needs: Sequence[str] = (),
    smallest: int = 1,
    fewest: int = 1,
    files: Sequence[str] = (),
    check: Check | None = None,
    judge: str | None = None,
) -> Callable[[_Decorated], _Decorated]:
    """Marks a function as a metric; see `Metric`."""

    def mark(function: _Decorated) -> _Decorated:
        described = Metric(
            better, version, tuple(needs), smallest, fewest, tuple(files), check, judge
        )
        setattr(function, MARK, described)
        return function

    return mark


def description_of(function: Any) -> Metric | None:
    """The description of a function that is a metric; None for other functions."""
    found = getattr(function, MARK, None)
    return found if isinstance(found, Metric) else None
