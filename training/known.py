"""What the weights know that training makes today, to be kept beside them."""

from __future__ import annotations

from runner.mini.known import Known
from runner.mini.vocabulary import HELD_OUT
from training import captions


def known_in_training() -> Known:
    """What `training.train` teaches."""
    return Known(
        words=captions.WORDS,
        chinese=captions.CHINESE,
        languages=tuple(captions.LANGUAGES),
        most_objects=2,
        held_out=tuple(sorted(HELD_OUT)),
    )
