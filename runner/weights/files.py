"""The weight files of a module, chosen by their names alone: variant, shards, format.

Names are those that diffusers and transformers give: `diffusion_pytorch_model.fp16.safetensors`,
`model.fp16-00001-of-00005.safetensors` with `model.safetensors.index.fp16.json`,
`pytorch_model.bin`. The same functions serve a folder on disk and a listing of the hub.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from runner.config.choices import Precision

SAFETENSORS, PICKLED = "safetensors", "bin"

WEIGHTS = re.compile(
    r"(?P<stem>diffusion_pytorch_model|pytorch_model|model)"
    r"(\.(?P<variant>[^.-]+))?"
    r"(-(?P<part>\d{5})-of-(?P<parts>\d{5}))?"
    r"(\.(?P<late_variant>[^.-]+))?"
    r"\.(?P<format>safetensors|bin)"
)

PREFERRED: dict[Precision, tuple[str | None, ...]] = {
    Precision.fp32: (None, "fp16", "bf16"),
    Precision.fp16: ("fp16", None, "bf16"),
    Precision.bf16: ("bf16", None, "fp16"),
}
"""Variants in the order in which they are taken. Other variants, such as `ema`, may be other
weights: they are taken only where the config names them."""

OTHER_FILES = (".json", ".txt", ".model")
"""Files beside the weights that decide the pixels: configs, tokenizers, schedulers."""


@dataclass(frozen=True)
class WeightFiles:
    """The files that one module's weights are read from.

    Attributes:
        module: its folder in the checkpoint; "." for the checkpoint itself.
        files: their names within the checkpoint, in order.
        index: the name of the file that says which shard holds which tensor; None: no shards.
        missing: shards that should be there and are not.
    """

    module: str
    stem: str
    variant: str | None
    format: str
    files: tuple[str, ...]
    index: str | None
    missing: tuple[str, ...] = ()

    @property
    def pickled(self) -> bool:
        """Whether they are pickles, which are converted before they are loaded."""
        return self.format == PICKLED

    def loaded_as(self, name: str) -> str:
        """The name under which a file is loaded: that of a file without a variant."""
        if self.index == name:
            return _within(self.module, f"{self.stem}.{self.format}.index.json")
        return name if self.index else _within(self.module, f"{self.stem}.{self.format}")


def find_weight_files(names: Collection[str], module: str) -> list[WeightFiles]:
    """All complete or incomplete sets of weight files of a module.

    Args:
        names: of all files of the checkpoint, relative to it, with "/".
    """
    sets: dict[tuple[str, str | None, str, int], dict[int, str]] = {}
    for name in sorted(names):
        path = PurePosixPath(name)
        found = WEIGHTS.fullmatch(path.name)
        if found is None or str(path.parent) != module:
            continue
        variant = found["variant"] or found["late_variant"]
        own = found["stem"], variant, found["format"], int(found["parts"] or 0)
        sets.setdefault(own, {})[int(found["part"] or 0)] = name
    return [
        _weight_files(module, stem, variant, format_, parts, having, names)
        for (stem, variant, format_, parts), having in sets.items()
    ]


def choose_weight_files(
    names: Collection[str], module: str, variant: str | None, precision: Precision
) -> WeightFiles | None:
    """The files to read: safetensors before pickles, the variant that the precision needs.

    Args:
        variant: the only one that is allowed; None: chosen by precision and by what is there.
    """
    order = PREFERRED[precision] if variant is None else (variant,)
    allowed = [found for found in find_weight_files(names, module) if found.variant in order]

    def rank(found: WeightFiles) -> tuple[bool, int, bool, bool]:
        # Where one file is not whole, another set may be.
        whole = not found.missing
        return (found.pickled, order.index(found.variant), not whole, found.index is not None)

    return min(allowed, key=rank, default=None)


def other_files(names: Iterable[str], without: Collection[str]) -> Iterator[str]:
    """The files beside the weights that decide the pixels.

    Args:
        without: components that are not used.
    """
    for name in names:
        parts = PurePosixPath(name).parts
        hidden = any(part.startswith(".") for part in parts)
        if not hidden and parts[0] not in without and name.endswith(OTHER_FILES):
            yield name


def _weight_files(
    module: str,
    stem: str,
    variant: str | None,
    format_: str,
    parts: int,
    having: dict[int, str],
    names: Collection[str],
) -> WeightFiles:
    if not parts:
        return WeightFiles(module, stem, variant, format_, tuple(having.values()), None)
    some = next(iter(having))
    missing = [
        having[some].replace(f"-{some:05d}-of-", f"-{part:05d}-of-")
        for part in range(1, parts + 1)
        if part not in having
    ]
    index = _within(module, f"{stem}.{format_}.index.{f'{variant}.' if variant else ''}json")
    if index not in names:
        missing.append(index)
    files = tuple(having[part] for part in sorted(having))
    return WeightFiles(module, stem, variant, format_, files, index, tuple(missing))


def _within(module: str, name: str) -> str:
    return name if module == "." else f"{module}/{name}"
