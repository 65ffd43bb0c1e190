"""Methods of quantisation, which keep weights in fewer bits than they compute in: a row each.

They are implemented in `runner.pipelines.quantization`. Whatever the method, a layer computes in
the pipeline's precision: its weight is unpacked for the time of its call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod

from runner.catalog.offload import Moves

NONE = "none"

TEXT, PRIOR, DENOISER = "text", "prior", "denoiser"
KEYS = (TEXT, PRIOR, DENOISER)
"""Keys of the section `quantize`; `Checkpoint.quantizes` says which modules each means."""

UNTRIED = "was not tried with it"

EMBEDDINGS = re.compile(
    r"(^|\.)(shared|embed_tokens|token_embedding|position_embedding|relative_attention_bias"
    r"|(word|position|token_type)_embeddings|lm_head)$"
)
"""Layers of text encoders that no method touches: they look rows up, which no method speeds up or
needs to multiply; and the last layer of a language model, which may share its weight with them and
which transformers leaves out, too."""


@dataclass(frozen=True)
class Method:
    """A method.

    Attributes:
        name: its name in the config.
        title: what it is, for display.
        bytes_per_number: of a quantised weight, with its scales.
        convolutions: whether it takes layers other than linear ones.
        biases: whether it takes the biases of its layers, too.
        skips: regular expressions of layers that it leaves alone.
        packages: that it needs beside diffusers; versions of them are part of keys.
        devices: kinds of devices that it runs on.
        moves: units of those offload modes that it works with.
        unmoved: why its layers cannot be moved one by one; "": they can.
        uncaptured: why its layers do not run as CUDA graphs; "": they do.
        uncompiled: why its layers do not work with torch.compile; "": they do.
        weight: class of a quantised layer's live weight.
        dtype: type of that weight's numbers, as torch says it.
    """

    name: str
    title: str
    bytes_per_number: float
    convolutions: bool = False
    biases: bool = False
    skips: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    devices: tuple[str, ...] = ("cpu", "cuda")
    moves: tuple[Moves, ...] = (Moves.PIPELINE, Moves.MODULE)
    unmoved: str = ""
    uncaptured: str = ""
    uncompiled: str = ""
    weight: str = "Parameter"
    dtype: str = ""

    def takes(self, path: str, dims: int, left: Iterable[str] = ()) -> bool:
        """Whether the layer at a path within its module is quantised.

        Args:
            dims: of its weight: 2 of a linear layer.
            left: `Checkpoint.unquantized`.
        """
        if dims < 2 or (dims > 2 and not self.convolutions) or EMBEDDINGS.search(path):
            return False
        if any(part in f".{path}.weight" for part in left):
            return False
        return not any(re.search(pattern, path) for pattern in self.skips)


ROWS = (
    Method(
        "fp8",
        "8-bit floats (e4m3), diffusers' layerwise casting",
        1.0,
        convolutions=True,
        biases=True,
        # diffusers.hooks.layerwise_casting.DEFAULT_SKIP_MODULES_PATTERN
        skips=("pos_embed", "patch_embed", "norm", "^proj_in$", "^proj_out$"),
        moves=tuple(Moves),
        uncaptured="casts weights at each call, to memory that a CUDA graph does not read",
        uncompiled="casts weights by hooks that torch.compile cannot trace: the graph breaks at "
        "each layer",
        dtype="float8_e4m3fn",
    ),
    Method(
        "int8",
        "8-bit integers, a scale for each row, of torchao",
        1.0,
        packages=("torchao",),
        unmoved="accelerate fails to make its weights anew on a device",
        uncaptured=UNTRIED,
        uncompiled="cannot be relied on when compiled: on a CPU in bf16, Kandinsky 5 computes "
        "otherwise at each call",
        weight="Int8Tensor",
        dtype="int8",
    ),
    Method(
        "nf4",
        "4-bit normal floats, a scale for each 64 numbers, of bitsandbytes",
        0.5 + 4 / 64,
        packages=("bitsandbytes",),
        unmoved="accelerate moves its packed numbers and loses their scales",
        uncaptured=UNTRIED,
        weight="Params4bit",
        dtype="uint8",
    ),
)

METHODS: Mapping[str, Method] = {row.name: row for row in ROWS}
"""Methods by name, in display order."""

PACKAGES = tuple(package for row in ROWS for package in row.packages)
"""Large, and loud when they are imported; nothing but these methods needs them."""


@dataclass(frozen=True)
class Taken:
    """What a method quantises of a module.

    Attributes:
        numbers: all of them.
        largest: those of the largest weight.
    """

    numbers: int = 0
    largest: int = 0


def count_taken(shapes: Mapping[str, tuple[int, ...]], left: Iterable[str]) -> dict[str, Taken]:
    """Method -> what it quantises of a module, by the names and shapes of tensors."""
    left = tuple(left)
    found = dict.fromkeys(METHODS, Taken())
    for name, shape in shapes.items():
        path, _, kind = name.rpartition(".")
        for method in ROWS:
            if kind == "weight" and method.takes(path, len(shape), left):
                bias = shapes.get(f"{path}.bias", (0,)) if method.biases else (0,)
                before, weight = found[method.name], prod(shape)
                found[method.name] = Taken(
                    before.numbers + weight + prod(bias), max(before.largest, weight)
                )
    return found


def captured(quantized: Mapping[str, str], module: str) -> bool:
    """Whether a module can run as CUDA graphs, as far as its weights decide.

    Args:
        quantized: module -> the method that quantises it.
    """
    return module not in quantized or not METHODS[quantized[module]].uncaptured
