"""The autoencoder (MoVQ): 128 px images to 4 x 16 x 16 latents and back.

Many small steps: mostly on 64 px crops along an object's outline, where all the difficulty is, and
in the end on whole images.
Half of the pictures are painted in any colours at all: how well an outline comes back must not
depend on whether its colours were seen together. Colours nearest to a held-out combination are
left out there, too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import cast

import torch
import torch.nn.functional as F
from diffusers import VQModel
from diffusers.models.attention_processor import SpatialNorm
from torch import Tensor, nn

from runner.mini.vocabulary import BACKGROUNDS, COLOURS, HELD_OUT, RGB, Combination
from training.loop import Budget, Run, load_ema, train
from training.rendering import NAMED, Palette, render
from training.scenes import CANVAS, Scene, sample_loosely
from training.steps import Draws, Losses

NAME = "movq"
BUDGET = Budget(
    steps=16000, peak_lr=1e-3, cooldown=6000, weight_decay=1e-4, ema_decay=0.999, report_every=100
)
CROP = 64
CROPS_A_STEP = 4
WHOLE_EVERY = 4
"""Steps between those on a whole image: group norms must meet real statistics."""
WHOLE_A_STEP = 2
WHOLE_FROM = 14000
"""The step from which on only whole images are seen."""
CODES = 1024
LOOSE_SHARE = 0.5
"""Of scenes off the lattice: pictures to start from are users' own."""
NAMED_SHARE = 0.5
LEAST_CONTRAST = 70.0
"""Euclidean distance in RGB (0-255) of an object from its ground."""
OUTLINE_CHANGE, OUTLINE_WEIGHT = 0.12, 4.0


def build() -> VQModel:
    """A fresh MoVQ with the layout of Kandinsky 2.2: four latent channels, factor 8."""
    return VQModel(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        vq_embed_dim=4,
        num_vq_embeddings=CODES,
        norm_type="spatial",
        norm_num_groups=32,
        block_out_channels=(32, 32, 64, 64),
        layers_per_block=1,
        sample_size=CANVAS,
        down_block_types=(*("DownEncoderBlock2D",) * 3, "AttnDownEncoderBlock2D"),
        up_block_types=("AttnUpDecoderBlock2D", *("UpDecoderBlock2D",) * 3),
    )


def encode(movq: VQModel, images: Tensor) -> Tensor:
    """Images [B, 3, H, W] in [0, 1] -> latents [B, 4, H/8, W/8]."""
    return cast(Tensor, movq.encode(images * 2 - 1).latents)


def decode(movq: VQModel, latents: Tensor) -> Tensor:
    """Latents [B, 4, H/8, W/8] -> images [B, 3, H, W], nominally in [0, 1], not clamped."""
    return cast(Tensor, movq.decode(latents, force_not_quantize=True).sample) * 0.5 + 0.5


def draw_images(rng: Random, scenes: Sequence[Scene]) -> Tensor:
    """Paint the scenes, half of them in any colours: float32 [N, 3, 128, 128] in [0, 1]."""
    return render(scenes, palettes=[any_palette(rng, scene) for scene in scenes])


def any_palette(rng: Random, scene: Scene) -> Palette:
    """Half the time the named colours, else any that stand out from each other."""
    if rng.random() < NAMED_SHARE:
        return NAMED
    while True:
        ground = any_colour(rng)
        paints = {thing.colour: any_colour(rng) for thing in scene.objects}
        apart = all(math.dist(paint, ground) > LEAST_CONTRAST for paint in paints.values())
        looks = {
            Combination(
                thing.shape,
                nearest_name(paints[thing.colour], COLOURS),
                nearest_name(ground, BACKGROUNDS),
            )
            for thing in scene.objects
        }
        if apart and HELD_OUT.isdisjoint(looks):
            return {**paints, scene.background: ground}


def any_colour(rng: Random) -> RGB:
    """Each channel on its own."""
    return rng.randrange(256), rng.randrange(256), rng.randrange(256)


def nearest_name(colour: RGB, names: Mapping[str, RGB]) -> str:
    """The name whose RGB is nearest."""
    return min(names, key=lambda name: math.dist(names[name], colour))


def outline_weights(images: Tensor) -> Tensor:
    """How much each pixel counts, [B, 1, H, W]: most within 2 px of where colours change."""
    down = (images[:, :, 1:] - images[:, :, :-1]).abs().sum(1, keepdim=True)
    right = (images[..., 1:] - images[..., :-1]).abs().sum(1, keepdim=True)
    change = F.pad(down, (0, 0, 0, 1)) + F.pad(right, (0, 1))
    near = F.max_pool2d((change > OUTLINE_CHANGE).float(), 5, stride=1, padding=2)
    return 1 + OUTLINE_WEIGHT * near


def reconstruction(images: Tensor, back: Tensor) -> tuple[Tensor, Tensor]:
    """Mean absolute and mean squared error, outlines counting more."""
    weights = outline_weights(images)
    weights = weights / weights.mean()
    error = (back - images) * weights.sqrt()
    return (error.abs() * weights.sqrt()).mean(), error.square().mean()


def outline_crop(rng: Random, scene: Scene, image: Tensor) -> Tensor:
    """Cut a square [3, CROP, CROP] around a random point near the object's outline."""
    thing = rng.choice(scene.objects)
    angle = rng.uniform(0, 2 * math.pi)
    reach = thing.radius * rng.uniform(0.3, 1.3)
    x, y = thing.x + reach * math.cos(angle), thing.y + reach * math.sin(angle)
    left, top = (min(max(round(v - CROP / 2), 0), CANVAS - CROP) for v in (x, y))
    return image[:, top : top + CROP, left : left + CROP]


def draw_crops(rng: Random, step: int, whole_from: int) -> Tensor:
    """Pictures of a step: crops along outlines; now and then, and from a step on, whole ones."""
    whole = step >= whole_from or step % WHOLE_EVERY == 0
    count = CROPS_A_STEP if not whole else WHOLE_A_STEP if step >= whole_from else 1
    scenes = [sample_loosely(rng, LOOSE_SHARE) for _ in range(count)]
    images = draw_images(rng, scenes)
    if whole:
        return images
    pairs = zip(scenes, images, strict=True)
    return torch.stack([outline_crop(rng, scene, image) for scene, image in pairs])


def run_training(work: Path, seed: int, device: torch.device, budget: Budget = BUDGET) -> Run:
    """Train the MoVQ under `work`/movq."""
    torch.manual_seed(seed)
    model = build().to(device)

    def measure(model: nn.Module, step: int, draws: Draws) -> Losses:
        assert isinstance(model, VQModel)
        images = draw_crops(draws.python, step, WHOLE_FROM).to(device)
        latents = encode(model, images)
        # Noise of a random strength teaches the decoder to forgive the UNet's small errors.
        strength = 0.2 * torch.rand(len(latents), 1, 1, 1, generator=draws.torch)
        noise = torch.randn(latents.shape, generator=draws.torch) * strength
        l1, mse = reconstruction(images, decode(model, latents + noise.to(device)))
        size = latents.square().mean()
        loss = l1 + 4 * mse + 1e-3 * size
        return {"loss": loss, "l1": l1, "mse": mse, "latent_power": size}

    return train(NAME, model, measure, budget, work / NAME, seed)


@torch.no_grad()
def normalise(movq: VQModel, images: Tensor) -> None:
    """Fold per-channel normalisation into the weights: latents of `images` get mean 0 and std 1.

    The pipelines apply no scaling factor of their own. Exact, because latents enter the decoder
    only through 1 x 1 convolutions: `post_quant_conv` and those of the spatial norms.
    """
    latents = torch.cat([encode(movq, chunk) for chunk in torch.split(images, 2)])
    mean, std = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    movq.quant_conv.weight.div_(std[:, None, None, None])
    movq.quant_conv.bias.sub_(mean).div_(std)
    readers = [movq.post_quant_conv]
    for module in movq.modules():
        if isinstance(module, SpatialNorm):
            readers += [module.conv_y, module.conv_b]
    for reader in readers:
        reader.bias.add_(reader.weight[:, :, 0, 0] @ mean)
        reader.weight.mul_(std[None, :, None, None])
    fill_codebook(movq, (latents - mean[:, None, None]) / std[:, None, None])


@torch.no_grad()
def fill_codebook(movq: VQModel, latents: Tensor, rounds: int = 10) -> None:
    """Set the codebook by k-means on latents [B, 4, h, w].

    The pipelines decode without quantising; this keeps the quantised path meaningful too.
    """
    points = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1])
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))
    points = points[order[:30_000].to(points.device)]
    codes = points[:CODES].clone()
    for _ in range(rounds):
        nearest = torch.cdist(points, codes).argmin(1)
        sums = torch.zeros_like(codes).index_add_(0, nearest, points)
        counts = torch.bincount(nearest, minlength=len(codes))[:, None]
        codes = torch.where(counts > 0, sums / counts.clamp(min=1), codes)
    movq.quantize.embedding.weight[: len(codes)].copy_(codes)


@torch.no_grad()
def psnr(movq: VQModel, images: Tensor) -> float:
    """Peak signal-to-noise ratio, in dB, of `images` [B, 3, H, W] in [0, 1] after a round trip."""
    back = torch.cat([decode(movq, encode(movq, chunk)) for chunk in torch.split(images, 32)])
    return -10 * math.log10((back.clamp(0, 1) - images).square().mean().item())


def load(work: Path) -> VQModel:
    """The trained MoVQ (EMA) under `work`, frozen, its latents normalised."""
    model = cast(VQModel, load_ema(build(), work / NAME))
    normalise(model, example_images())
    return model


def example_images(count: int = 256) -> Tensor:
    """Fixed pictures that training does not draw: float32 [count, 3, 128, 128] in [0, 1]."""
    rng = Random("movq examples")
    return render([sample_loosely(rng, LOOSE_SHARE) for _ in range(count)])
