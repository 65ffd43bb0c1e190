"""Schedulers of diffusers that users of other tools look for here, and why they are not offered.

Source: calls of each one with each version's pipelines, diffusers 0.42; for flow matching
`tests/unit/test_flow_schedulers.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

_FAILS = "diffusers' pipelines of Kandinsky fail with it"
_UNSCALED = "Kandinsky's pipelines do not scale what the model is given, so that pictures are wrong"

UNOFFERED: Mapping[str, str] = {
    "euler": f"{_UNSCALED}; for Kandinsky 5 there is flow_euler",
    "euler_ancestral": _UNSCALED,
    "heun": f"{_FAILS}; for flow matching it asks the model 2n - 1 times in n steps",
    "deis": f"{_FAILS}; for flow matching its last step leaves noise",
    "unipc": f"{_FAILS}; for Kandinsky 5 there is flow_unipc",
    "pndm": _FAILS,
    "plms": _FAILS,
    "lms": _FAILS,
}
"""By the names that `scheduler` would have."""
