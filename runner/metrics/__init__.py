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
| clip | the `runner.transformers_models.Clip` of a Kandinsky prior |

All others are its own and come from `arguments` in the config. It returns a finite number, or
several by name. A metric runs as a stage: once for each picture, stored, and reused.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

Better: TypeAlias = Literal["higher", "lower"] | None
"""Which numbers are the better ones; None: neither."""

Measured: TypeAlias = "float | Mapping[str, float]"
MetricFunction: TypeAlias = Callable[..., Measured]
_Decorated = TypeVar("_Decorated", bound=MetricFunction)

MARK = "__metric__"


@dataclass(frozen=True)
class Metric:
    """What a metric says of itself.

    Attributes:
        version: raised when its numbers change.
        needs: names of installed packages that it cannot do without; their versions count too.
        smallest: pixels that a picture must have in height and width.
    """

    better: Better
    version: int
    needs: Sequence[str]
    smallest: int


def metric(
    *, better: Better = None, version: int = 1, needs: Sequence[str] = (), smallest: int = 1
) -> Callable[[_Decorated], _Decorated]:
    """Marks a function as a metric; see `Metric`."""

    def mark(function: _Decorated) -> _Decorated:
        setattr(function, MARK, Metric(better, version, tuple(needs), smallest))
        return function

    return mark


def description_of(function: Any) -> Metric | None:
    """What a function says of itself as a metric; None where it is none."""
    found = getattr(function, MARK, None)
    return found if isinstance(found, Metric) else None
