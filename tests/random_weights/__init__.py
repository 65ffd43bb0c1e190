"""Small random copies of the released repositories, with every peculiarity of their files."""

from __future__ import annotations

from random_weights.checkpoints import (
    BUILDERS,
    build_all,
    dpt_large,
    kandinsky_2_1,
    kandinsky_2_1_inpaint,
    kandinsky_2_1_prior,
    kandinsky_2_2_controlnet_depth,
    kandinsky_2_2_decoder,
    kandinsky_2_2_decoder_inpaint,
    kandinsky_2_2_prior,
    kandinsky_3,
)

__all__ = [
    "BUILDERS",
    "build_all",
    "dpt_large",
    "kandinsky_2_1",
    "kandinsky_2_1_inpaint",
    "kandinsky_2_1_prior",
    "kandinsky_2_2_controlnet_depth",
    "kandinsky_2_2_decoder",
    "kandinsky_2_2_decoder_inpaint",
    "kandinsky_2_2_prior",
    "kandinsky_3",
]
