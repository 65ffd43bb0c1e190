"""What pipelines take of a device's memory, by reckoning, for each offload mode.

One reckoning for `kandinsky plan` and for `offload=auto`; it imports no torch. Weights are exact.
Activations are counts of the numbers that are held at once, found by running the published models
on torch's meta device with fused attention: what cuDNN, fragmentation and attention scores
(`attention=plain`) take comes on top.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from runner.catalog.offload import TOGETHER, Moves, Offload
from runner.catalog.quantization import METHODS, Taken

FLOAT32 = 4
PIXELS_A_LATENT = 64
UNCERTAINTY = 0.15
"""How far a measured peak may be from the reckoned one, as a share."""


@dataclass(frozen=True)
class Held:
    """What models hold at once while they draw, beside weights (`benchmarks/activations.py`).

    Attributes:
        per_latent: numbers that the denoiser holds for each latent pixel.
        guided: pictures that it computes at once for each one that is drawn.
        maps: maps of the image's size that the autoencoder's last block holds, each of so many
            channels as the block is given.
    """

    per_latent: int
    guided: int
    maps: int


UNET_AND_MOVQ = Held(per_latent=5800, guided=2, maps=5)
"""4500 to 5800 of the published UNets."""


@dataclass(frozen=True)
class ModuleSize:
    """How many numbers the weights of a module are.

    Attributes:
        kept: those of them that stay in float32 where the others are in float16.
        largest: those of its largest tensor.
        quantized: method -> those that it quantises.
    """

    numbers: int
    kept: int = 0
    largest: int = 0
    quantized: Mapping[str, Taken] = field(default_factory=dict)


@dataclass(frozen=True)
class Footprint:
    """What the modules of one pipeline take, in bytes.

    Attributes:
        weights: module -> its weights.
        layers: module -> its largest tensor.
        activations: module -> what it holds while it computes, beside weights: of the denoiser,
            and of the autoencoder.
        by_layer: whether single layers of it can be moved; else whole modules are.
        captured: whether its denoiser runs as CUDA graphs, which hold what they compute with.
        unpacked: quantised module -> the largest layer that is, as it is while it computes.
        moves: units that its modules can be moved in, quantised as they are.
    """

    weights: Mapping[str, int]
    layers: Mapping[str, int]
    activations: Mapping[str, int]
    by_layer: bool = True
    captured: bool = False
    unpacked: Mapping[str, int] = field(default_factory=dict)
    moves: frozenset[Moves] = frozenset(Moves)

    @property
    def all_weights(self) -> int:
        """Bytes of the weights of all modules."""
        return sum(self.weights.values())

    def peak(self, mode: Offload) -> int:
        """Bytes of the device that the pipeline takes at once, at most."""
        return max(self._while_computing(mode, names) for names in self._moved_together())

    def _moved_together(self) -> list[tuple[str, ...]]:
        """Sets of modules; the first of each computes while the others wait beside it."""
        # img2img encodes with the autoencoder, which is not moved off before the denoiser comes.
        both = (TOGETHER, tuple(self.activations))
        sets = [tuple(name for name in names if name in self.weights) for names in both]
        return [*filter(None, sets), *((name,) for name in self.weights)]

    def _while_computing(self, mode: Offload, names: tuple[str, ...]) -> int:
        first = names[0]
        computing = self.activations.get(first, 0) + self.unpacked.get(first, 0)
        moves = mode.moves
        if moves is Moves.LAYER and not self.by_layer:
            moves = Moves.MODULE
        match moves:
            case Moves.PIPELINE:
                held = sum(self.activations.values()) if self.captured else computing
                return self.all_weights + held
            case Moves.MODULE:
                return sum(self.weights[name] for name in names) + computing
            case Moves.LAYER:
                staying = sum(self.weights.get(name, 0) for name in mode.stays)
                moved = 0 if first in mode.stays else self.layers[first]
                return staying + moved + computing


def footprint(
    sizes: Mapping[str, ModuleSize],
    bytes_per_number: int,
    *,
    keeps: bool,
    pixels: int,
    denoiser: str,
    autoencoder: str | None,
    channels: int,
    held: Held,
    by_layer: bool,
    quantized: Mapping[str, str],
) -> Footprint:
    """The footprint of a pipeline.

    Args:
        sizes: of each of its modules.
        bytes_per_number: of weights and activations.
        keeps: whether some weights stay in float32 (`ModuleSize.kept`).
        pixels: of all images of one call; 0 where it draws none.
        channels: that the last block of the autoencoder is given.
        held: by its denoiser and its autoencoder.
        by_layer: see `Footprint`.
        quantized: module -> the method that quantises it.
    """
    kept = FLOAT32 - bytes_per_number if keeps else 0
    activations = {}
    if autoencoder is not None:
        latents = pixels // PIXELS_A_LATENT
        activations[denoiser] = latents * held.per_latent * held.guided * bytes_per_number
        activations[autoencoder] = pixels * held.maps * channels * bytes_per_number
    saved = {
        name: _saved(sizes[name], method, bytes_per_number) for name, method in quantized.items()
    }
    return Footprint(
        {
            name: s.numbers * bytes_per_number + s.kept * kept - saved.get(name, 0)
            for name, s in sizes.items()
        },
        {
            # The largest tensor is one of those that are kept, or as large as one.
            name: s.largest * (FLOAT32 if keeps and s.kept else bytes_per_number)
            for name, s in sizes.items()
        },
        activations,
        by_layer,
        unpacked={
            name: _taken(sizes[name], method).largest * bytes_per_number
            for name, method in quantized.items()
        },
        moves=frozenset(Moves).intersection(*(METHODS[m].moves for m in quantized.values())),
    )


def _saved(size: ModuleSize, method: str, bytes_per_number: int) -> int:
    spared = bytes_per_number - METHODS[method].bytes_per_number
    return int(_taken(size, method).numbers * spared)


def _taken(size: ModuleSize, method: str) -> Taken:
    return size.quantized.get(method, Taken())


def works_with(mode: Offload, footprints: Sequence[Footprint]) -> bool:
    """Whether pipelines, quantised as they are, can be offloaded in a mode."""
    return all(mode.moves in one.moves for one in footprints)


def peak_bytes(mode: Offload, footprints: Sequence[Footprint]) -> int:
    """Bytes of the device that a run takes at once, at most.

    Its pipelines are not on the device together: the engine unloads one after its last stage,
    before the next is loaded. So a text encoder of 10^10 numbers leaves before its UNet comes.
    """
    return max(chain((one.peak(mode) for one in footprints), (0,)))
