"""Attention backends: read back from the live modules of each version, and their pictures agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import VQModel
from diffusers.models.attention_processor import Attention, SlicedAttnProcessor

from functional.cells import VERSIONS, Drawn, drawn, opened, planned
from helpers.pixels import furthest
from random_weights.loading import arguments
from runner.pipelines.attention import set_attention

TOLERANCE = 1
"""Levels of 255, as measured: the backends add up the same numbers in another order."""

BACKENDS = {
    "sdpa": ["attention=sdpa"],
    "plain": ["attention=plain"],
    "sliced": ["attention=sliced"],
    "one head at a time": ["attention=sliced", "attention.slice_size=1"],
}

COMPUTED = [
    (version, backend)
    for version in VERSIONS
    for backend in BACKENDS
    if (version != "kandinsky5" or backend in ("sdpa", "plain"))
    and (version == "kandinsky2_2" or backend != "one head at a time")
]
"""The layers of Kandinsky 5's transformer cannot be sliced; the size of slices is set by the same
line for all versions.
"""

ADDED_KV = {
    "sdpa": "AttnAddedKVProcessor2_0",
    "plain": "AttnAddedKVProcessor",
    "sliced": "SlicedAttnAddedKVProcessor",
}
ASKED = {"sdpa": "native", "plain": "_native_math"}
USUAL = {"sdpa": "AttnProcessor2_0", "plain": "AttnProcessor", "sliced": "SlicedAttnProcessor"}


def expected(version: str, backend: str) -> dict[str, dict[str, int]]:
    """Module -> class -> how many layers of the small random checkpoints have it."""
    if version == "kandinsky5":
        asking = f"Kandinsky5AttnProcessor({ASKED[backend]})"
        return {"transformer": {asking: 5}, "vae": {USUAL[backend]: 2}}
    layers = {"prior": (2, USUAL), "unet": (7, ADDED_KV)}
    if version == "kandinsky3":
        layers = {"unet": (19, USUAL)}
    if version == "kandinsky2_0":
        layers = {"unet": (7, ADDED_KV), "vae": (2, USUAL)}
    found = {name: {classes[backend]: count} for name, (count, classes) in layers.items()}
    # Three layers of the decoder have a spatial norm, which the sliced class leaves out.
    if "vae" in found:
        return found
    movq = {"AttnProcessor2_0": 3, "SlicedAttnProcessor": 2}
    return {**found, "movq": movq if backend == "sliced" else {USUAL[backend]: 5}}


@pytest.fixture(scope="module")
def made(random_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Any, Drawn]:
    """What each version draws with each backend."""
    folder = tmp_path_factory.mktemp("outputs")
    found = {}
    for version, backend in COMPUTED:
        plan = planned(random_weights, folder, version, "cache=off", *BACKENDS[backend])
        found[version, backend] = drawn(plan, opened(plan))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("version", "backend"), COMPUTED)
def test_each_layer_has_its_class(made: dict[Any, Drawn], version: str, backend: str) -> None:
    kind = backend if backend in USUAL else "sliced"
    assert made[version, backend].read_back("attention") == expected(version, kind)


@pytest.mark.slow
@pytest.mark.parametrize(("version", "backend"), [cell for cell in COMPUTED if cell[1] != "sdpa"])
def test_backends_agree(made: dict[Any, Drawn], version: str, backend: str) -> None:
    usual = made[version, "sdpa"].pixels
    assert usual.std() > 10
    assert furthest(made[version, backend].pixels, usual) <= TOLERANCE


@pytest.mark.slow
def test_slices_are_as_large_as_asked_for(random_weights: Path, tmp_path: Path) -> None:
    plan = planned(
        random_weights, tmp_path, "kandinsky2_2", "attention=sliced", "attention.slice_size=1"
    )
    (spec,) = {node.pipeline for node in plan.graph if node.stage == "decode"}
    assert spec is not None
    sizes = {
        layer.processor.slice_size
        for layer in opened(plan).get(spec).unet.modules()
        if isinstance(layer, Attention)
    }
    assert sizes == {1}


@torch.no_grad()
def test_every_backend_honours_the_masks_of_3(random_weights: Path) -> None:
    """Else a text of another length would be attended to where it was filled up."""
    from diffusers import Kandinsky3Pipeline

    text = dict.fromkeys(("text_encoder", "tokenizer"))
    live = Kandinsky3Pipeline.from_pretrained(
        random_weights / "kandinsky-3", **text, **arguments("kandinsky-3")
    )
    draw = torch.Generator().manual_seed(0)
    sample, states = torch.randn(2, 4, 8, 8, generator=draw), torch.randn(2, 6, 32, generator=draw)
    masks = torch.ones(2, 6), torch.tensor([[1.0] * 6, [1.0] * 3 + [0.0] * 3])

    def out(backend: str, mask: torch.Tensor) -> torch.Tensor:
        set_attention(live, backend, None)
        found: torch.Tensor = live.unet(
            sample, 500, encoder_hidden_states=states, encoder_attention_mask=mask
        ).sample
        return found

    whole, masked = (out("sdpa", mask) for mask in masks)
    assert torch.equal(whole[0], masked[0])
    change = torch.dist(whole[1], masked[1])
    assert change > 0.01 * whole[1].norm()
    for backend in ("plain", "sliced"):
        assert torch.dist(out(backend, masks[1]), masked) < 1e-3 * change


@torch.no_grad()
def test_why_the_movq_keeps_sdpa_under_sliced(random_weights: Path) -> None:
    """Should this fail, diffusers' sliced class has learned the spatial norm: use it there."""
    movq = VQModel.from_pretrained(random_weights / "kandinsky-2-2-decoder", subfolder="movq")
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    usual = movq.decode(latents, force_not_quantize=True).sample
    for layer in movq.modules():
        if isinstance(layer, Attention) and layer.spatial_norm is not None:
            layer.set_processor(SlicedAttnProcessor(1))
    wrong = movq.decode(latents, force_not_quantize=True).sample
    assert (usual - wrong).abs().max() * 127.5 > 5
