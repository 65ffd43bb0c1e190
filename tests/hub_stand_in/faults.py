"""What goes wrong on the stand-in, for how long, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Ending = Literal["close", "reset", "stall"]
FOR_EVER = 1 << 30


@dataclass
class Fault:
    """One thing that goes wrong.

    Attributes:
        where: a part of the path of a URL, as of a file's name; `""` is in all of them.
        times: for how many requests more.
        method: of the requests; None: any.
        status: an answer in place of the right one; None: the right one, spoilt.
        after: bytes of a body, after which it ends as `how` says.
        damaged: one bit of the body's last byte is not what it should be.
    """

    where: str
    times: int
    method: str | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    after: int | None = None
    how: Ending = "close"
    damaged: bool = False

    def hits(self, method: str, path: str) -> bool:
        """Whether a request is one of those."""
        return self.times > 0 and self.where in path and self.method in (None, method)
