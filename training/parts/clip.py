"""The text and image encoders (CLIP): captions and pictures into one space.

A multi-positive InfoNCE pulls a picture towards every caption in the batch that fits it; among the
others are pictures of the same words otherwise bound (a red circle and a blue square, a blue circle
and a red square). A head that is thrown away after training reads attributes and geometry from the
image embedding, so that it holds what the decoder has to draw. And image embeddings are pulled
towards a sum over the scene's attributes, so that a combination never seen lies where its parts
say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from runner.mini.vocabulary import HELD_OUT
from training.captions import caption
from training.loop import Budget, Run, load_ema, train
from training.parts import features
from training.rendering import render
from training.scenes import Mention, Scene, rebound, sample_loosely
from training.steps import Draws, Losses
from training.tokenizers.byte_pairs import MAX_TOKENS, build_tokenizer

NAME = "clip"
BUDGET = Budget(steps=3000, peak_lr=1e-3, cooldown=1400, weight_decay=0.02, betas=(0.9, 0.98))
WIDTH = 160
HEADS = 5
IMAGE_SIDE = 64
BATCH = 72
REBOUND_SHARE = 0.5
LOOSE_SHARE = 0.4

IMAGE_MEAN = (0.48145466, 0.4578275, 0.40821073)
IMAGE_STD = (0.26862954, 0.26130258, 0.27577711)

MAX_LOGIT_SCALE = 60.0


class Encoders(nn.Module):
    """Both encoders, and what only training needs: the logit scale and the throw-away head."""

    def __init__(self) -> None:
        super().__init__()
        tokenizer = build_tokenizer()
        self.text = CLIPTextModelWithProjection(
            CLIPTextConfig(
                vocab_size=len(tokenizer),
                hidden_size=WIDTH,
                intermediate_size=2 * WIDTH,
                projection_dim=WIDTH,
                num_hidden_layers=3,
                num_attention_heads=HEADS,
                max_position_embeddings=MAX_TOKENS,
                hidden_act="gelu",
                bos_token_id=tokenizer.bos_token_id,
                # The real id: 2 would switch on a legacy way of pooling.
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        )
        self.vision = CLIPVisionModelWithProjection(
            CLIPVisionConfig(
                hidden_size=WIDTH,
                intermediate_size=3 * WIDTH,
                projection_dim=WIDTH,
                num_hidden_layers=3,
                num_attention_heads=HEADS,
                image_size=IMAGE_SIDE,
                patch_size=8,
                hidden_act="gelu",
            )
        )
        self.head = nn.Linear(WIDTH, sum(map(len, features.CLASSES)) + features.GEOMETRY)
        self.sum = nn.Linear(features.WIDTH, WIDTH)
        self.log_scale = nn.Parameter(torch.tensor(math.log(14.0)))

    def embed_images(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] in [0, 1] -> embeddings [B, WIDTH]."""
        return cast(Tensor, self.vision(preprocess(images)).image_embeds)

    def embed_captions(self, captions: Sequence[str]) -> Tensor:
        """Captions -> embeddings [B, WIDTH]."""
        ids = build_tokenizer()(
            list(captions), padding="longest", max_length=MAX_TOKENS, truncation=True,
            return_tensors="pt",
        ).input_ids  # fmt: skip
        return cast(Tensor, self.text(ids.to(self.log_scale.device)).text_embeds)


def preprocess(images: Tensor) -> Tensor:
    """What CLIPImageProcessor does, on tensors: [B, 3, H, W] in [0, 1] -> normalised 64 px."""
    side = (IMAGE_SIDE, IMAGE_SIDE)
    small = F.interpolate(images, side, mode="bicubic", antialias=True, align_corners=False)
    mean, std = images.new_tensor(IMAGE_MEAN), images.new_tensor(IMAGE_STD)
    return (small.clamp(0, 1) - mean[:, None, None]) / std[:, None, None]


def contrastive(images: Tensor, captions: Tensor, fits: Tensor, scale: Tensor) -> Tensor:
    """Multi-positive InfoNCE of embeddings [B, D] each; `fits[i, j]`: caption j fits image i."""
    logits = F.normalize(images, dim=-1) @ F.normalize(captions, dim=-1).T * scale
    per_image = (fits / fits.sum(1, keepdim=True) * logits.log_softmax(1)).sum(1).mean()
    per_caption = (fits / fits.sum(0, keepdim=True) * logits.log_softmax(0)).sum(0).mean()
    return -(per_image + per_caption) / 2


def reading(answers: Tensor, scenes: Sequence[Scene]) -> tuple[Tensor, Tensor]:
    """Losses of the throw-away head: cross entropy of the attributes, squared error of geometry."""
    *logits, places = torch.split(answers, [*map(len, features.CLASSES), features.GEOMETRY], dim=1)
    truth = features.classes(scenes).to(answers.device)
    entropy = torch.stack([F.cross_entropy(scores, truth[:, i]) for i, scores in enumerate(logits)])
    return entropy.sum(), F.mse_loss(places, features.geometry(scenes).to(answers.device))


def fit_matrix(scenes: Sequence[Scene], mentions: Sequence[Mention]) -> Tensor:
    """float32 [len(scenes), len(mentions)]: 1 where the caption fits the scene."""
    return torch.tensor([[float(m.allows(scene)) for m in mentions] for scene in scenes])


def draw_batch(draws: Draws) -> list[Scene]:
    """BATCH scenes, of the lattice and off it, many beside their own rebound variants."""
    scenes: list[Scene] = []
    while len(scenes) < BATCH:
        scene = sample_loosely(draws.python, LOOSE_SHARE)
        scenes.append(scene)
        if draws.python.random() < REBOUND_SHARE:
            scenes += [s for s in rebound(scene) if HELD_OUT.isdisjoint(s.combinations)]
    return scenes[:BATCH]


def run_training(work: Path, seed: int, device: torch.device, budget: Budget = BUDGET) -> Run:
    """Train both encoders under `work`/clip."""
    torch.manual_seed(seed)

    def measure(model: nn.Module, step: int, draws: Draws) -> Losses:
        assert isinstance(model, Encoders)
        scenes = draw_batch(draws)
        worded = [caption(draws.python, scene) for scene in scenes]
        images = model.embed_images(render(scenes).to(device))
        captions = model.embed_captions([text for text, _ in worded])
        fits = fit_matrix(scenes, [mention for _, mention in worded]).to(device)
        scale = model.log_scale.exp().clamp(max=MAX_LOGIT_SCALE)
        contrast = contrastive(images, captions, fits, scale)
        read, places = reading(model.head(images), scenes)
        adds_up = F.mse_loss(model.sum(features.attributes(scenes).to(device)), images)
        # Keeps embeddings near unit power: the prior and the UNet see them as they are.
        power = (images.square().mean() - 1).square() + (captions.square().mean() - 1).square()
        loss = contrast + 0.3 * read + places + adds_up + 0.05 * power
        return {
            "loss": loss,
            "contrast": contrast,
            "attributes": read,
            "geometry": places,
            "adds_up": adds_up,
            "power": images.square().mean(),
        }

    return train(NAME, Encoders().to(device), measure, budget, work / NAME, seed)


def load(work: Path) -> Encoders:
    """The trained encoders (EMA) under `work`, frozen."""
    return cast(Encoders, load_ema(Encoders(), work / NAME))
