"""What the published models hold while they compute, beside their weights.

    .venv/bin/python benchmarks/activations.py

prints, for one picture of the size that a version draws, in half precision, the most megabytes of
tensors that the denoiser and the autoencoder hold at once, and what `kandinsky plan` reckons.
Nothing is computed, and no memory taken: models of the release's size run on torch's meta device,
with attention that holds its result alone. What an accelerator's libraries take comes on top.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from runner.catalog.checkpoint import Checkpoint
from runner.catalog.memory import footprint
from runner.catalog.versions import VERSIONS
from runner.config.choices import RandomSize
from runner.pipelines.random_weights import empty_module
from runner.weights.random_weights import random_checkpoint

TYPE, RELEASE = torch.bfloat16, RandomSize.release
TOKENS = 512
"""Of Kandinsky 5's texts, at most; its templates have 40 more."""

Call = Callable[[], object]


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of tensors that are made within it, and the most at once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.most = self._now = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        made = function(*args, **(kwargs or {}))
        for tensor in (one for one in tree_leaves(made) if isinstance(one, torch.Tensor)):
            storage = tensor.untyped_storage()
            key, size = storage._cdata, storage.nbytes()
            if key not in self._seen:
                self._seen.add(key)
                self._now += size
                weakref.finalize(storage, self._free, key, size)
        self.most = max(self.most, self._now)
        return made

    def _free(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self._now -= size


@contextmanager
def fused_attention() -> Iterator[None]:
    """Attention that holds its result alone, as flash attention does."""
    functions: Any = torch.nn.functional
    usual = functions.scaled_dot_product_attention

    def fused(query: Any, key: Any, value: Any, *given: Any, **named: Any) -> Any:
        return query.new_empty((*query.shape[:-1], value.shape[-1]))

    functions.scaled_dot_product_attention = fused
    try:
        yield
    finally:
        functions.scaled_dot_product_attention = usual


def most_held(call: Call) -> int:
    """The most bytes that a call holds, beside what there was before."""
    with torch.inference_mode(), fused_attention(), Watch() as seen:
        call()
    return int(seen.most)


def model(checkpoint: Checkpoint, name: str) -> Any:
    """A module without numbers, in half precision but for what stays in float32."""
    files = random_checkpoint(checkpoint, RELEASE, "weights").files
    made = empty_module(files, checkpoint, name, RELEASE).eval()
    for path, parameter in made.named_parameters():
        if not any(part in f".{path}" for part in checkpoint.keeps_float32):
            parameter.data = parameter.data.to(TYPE)
    return made.to(device="meta")


def empty(*shape: int, dtype: torch.dtype = TYPE) -> torch.Tensor:
    """A tensor without numbers."""
    return torch.empty(shape, device="meta", dtype=dtype)


def denoise_2_2(made: Any, side: int) -> object:
    """One call of the UNet, with guidance."""
    told = {"image_embeds": empty(2, made.config.encoder_hid_dim)}
    return made(empty(2, 4, side, side), empty(1), None, added_cond_kwargs=told)


def denoise_3(made: Any, side: int) -> object:
    """One call of the UNet, with guidance."""
    states, mask = empty(2, 128, made.config.encoder_hid_dim), empty(2, 128)
    return made(
        empty(2, 4, side, side), empty(1), encoder_hidden_states=states, encoder_attention_mask=mask
    )


def denoise_5(made: Any, side: int) -> object:
    """One call of the transformer: with guidance, the second comes after it."""
    config = made.config
    return made(
        hidden_states=empty(1, 1, side, side, config.in_visual_dim),
        encoder_hidden_states=empty(1, TOKENS, config.in_text_dim),
        timestep=empty(1),
        pooled_projections=empty(1, config.in_text_dim2),
        visual_rope_pos=[torch.arange(n, device="meta") for n in (1, side // 2, side // 2)],
        text_rope_pos=torch.arange(TOKENS, device="meta"),
        scale_factor=[1.0, 1.0, 1.0],
        sparse_params=None,
    )


DENOISE: Mapping[str, Callable[[Any, int], object]] = {
    "kandinsky2_2": denoise_2_2, "kandinsky3": denoise_3, "kandinsky5": denoise_5,
}  # fmt: skip
SIDES = {"kandinsky2_2": 64, "kandinsky3": 128, "kandinsky5": 128}
"""Latents of a side of the picture."""


def compared(version: str) -> dict[str, tuple[int, int]]:
    """Module -> the most bytes that it holds, and the reckoned ones."""
    checkpoint, side = VERSIONS[version].tasks["text2img"]["decoder"], SIDES[version]
    autoencoder = checkpoint.autoencoder
    assert autoencoder is not None
    denoiser, decoder = (model(checkpoint, n) for n in (checkpoint.denoiser, autoencoder))
    latents = empty(1, decoder.config.latent_channels, side, side)
    raw = {"force_not_quantize": True} if autoencoder == "movq" else {}
    made = {
        checkpoint.denoiser: most_held(lambda: DENOISE[version](denoiser, side)),
        autoencoder: most_held(lambda: decoder.decode(latents, **raw)),
    }
    known = random_checkpoint(checkpoint, RELEASE, "weights")
    reckoned = footprint(
        known.sizes, TYPE.itemsize, keeps=True, pixels=64 * side * side, held=checkpoint.held,
        denoiser=checkpoint.denoiser, autoencoder=autoencoder, channels=known.channels,
        by_layer=True, quantized={},
    ).activations  # fmt: skip
    return {name: (bytes_, reckoned[name]) for name, bytes_ in made.items()}


def qwen() -> int:
    """The most bytes that Kandinsky 5's reading of the longest text holds."""
    made = model(VERSIONS["kandinsky5"].tasks["text2img"]["text"], "text_encoder")
    ids = empty(1, TOKENS + 40, dtype=torch.long)
    return most_held(lambda: made(input_ids=ids, return_dict=True, output_hidden_states=True))


def main() -> None:
    print("| version | module | MB held | MB reckoned |\n|---|---|---|---|")
    for version in DENOISE:
        for name, (made, reckoned) in compared(version).items():
            title = VERSIONS[version].title
            print(f"| {title} | {name} | {made / 1e6:.0f} | {reckoned / 1e6:.0f} |")
    print(f"| {VERSIONS['kandinsky5'].title} | text_encoder | {qwen() / 1e6:.0f} | 0 |")


if __name__ == "__main__":
    main()
