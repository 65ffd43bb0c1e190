"""The judges: published models that score pictures, a row each; where they are, and their files.

Sources: https://github.com/yuvalkirstain/PickScore, https://github.com/tgxs002/HPSv2,
https://github.com/THUDM/ImageReward, https://github.com/christophschuhmann/improved-aesthetic-predictor
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.catalog.checkpoint import Checkpoint, Layout, Tokens

MODEL, TOKENIZER, CLIP = "model", "tokenizer", "clip"
"""Keys under `metrics.<name>.arguments` that say where the parts of a judge are."""

CLIP_H = "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"
TOKENIZER_FILES = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("vocab.txt",))
BERT_SHAPE = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "max_position_embeddings", "hidden_act", "layer_norm_eps",
)  # fmt: skip
"""What med_config.json says of ImageReward's text encoder."""


@dataclass(frozen=True)
class Part:
    """One of the repositories or folders that a judge is read from.

    Attributes:
        argument: its key under `metrics.<name>.arguments`.
        repo: the published repository; None: that of the first part.
        folder: where its files are in the folder that is loaded; "." for that folder itself.
        weights: names of the file of its weights, in the order in which they are taken; none: no
            weights are read.
        settings: sets of other files; the first set that is whole is read. No sets: none is needed.
        says: keys that its settings, a JSON file, must have.
        tensors: names that the weights must have -> number of dimensions.
    """

    argument: str
    repo: str | None
    folder: str
    weights: tuple[str, ...] = ()
    settings: tuple[tuple[str, ...], ...] = ()
    says: tuple[str, ...] = ()
    tensors: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Judge:
    """A published model that scores a picture, alone or by its prompt.

    Attributes:
        pipeline: its class, by name: a key of `runner.pipelines.judges.JUDGES`.
        parts: what it is read from; the first one holds the weights that judge.
        tokens: how much it reads of a prompt; none: it reads none.
    """

    pipeline: str
    parts: tuple[Part, ...]
    tokens: tuple[Tokens, ...] = ()

    def checkpoint(self, part: Part) -> Checkpoint:
        """A part, as the checkpoints of a run are described."""
        is_first = part is self.parts[0]
        return Checkpoint(
            repo=part.repo or str(self.parts[0].repo),
            pipeline=self.pipeline if is_first else f"{self.pipeline} {part.argument}",
            modules=(part.folder,) if part.weights else (),
            denoiser=".",
            tokens=self.tokens if is_first else (),
            layout=Layout.transformers,
        )


def _tokenizer(repo: str | None) -> Part:
    return Part(TOKENIZER, repo, TOKENIZER, settings=TOKENIZER_FILES)


def _hps(name: str, version: str) -> Judge:
    file = f"HPS_{version}_compressed"
    published = Part(
        MODEL, "xswu/HPSv2", ".",
        weights=(f"{file}.safetensors", f"{file}.pt"),
        tensors={
            "visual.conv1.weight": 4, "visual.positional_embedding": 2, "visual.proj": 2,
            "visual.transformer.resblocks.0.attn.in_proj_weight": 2,
            "transformer.resblocks.0.attn.in_proj_weight": 2, "positional_embedding": 2,
            "text_projection": 2,
        },
    )  # fmt: skip
    return Judge("HPS", (published, _tokenizer(CLIP_H)), (Tokens(77, TOKENIZER, name),))


def _layers(name: str) -> dict[str, int]:
    """The five linear layers with which ImageReward and the aesthetic score end."""
    return {f"{name}.{number}.weight": 2 for number in (0, 2, 4, 6, 7)}


JUDGES: Mapping[str, Judge] = {
    "pick_score": Judge(
        "PickScore",
        (
            Part(
                MODEL, "yuvalkirstain/PickScore_v1", ".",
                weights=("model.safetensors", "pytorch_model.bin"),
                settings=(("config.json",),),
                tensors={
                    "vision_model.embeddings.patch_embedding.weight": 4,
                    "visual_projection.weight": 2, "text_projection.weight": 2, "logit_scale": 0,
                },
            ),
            _tokenizer(None),
        ),
        (Tokens(77, TOKENIZER, "PickScore"),),
    ),
    "hps_v2": _hps("HPS v2", "v2"),
    "hps_v2_1": _hps("HPS v2.1", "v2.1"),
    "image_reward": Judge(
        "ImageReward",
        (
            Part(
                MODEL, "zai-org/ImageReward", ".",  # once THUDM/ImageReward
                weights=("ImageReward.safetensors", "ImageReward.pt"),
                settings=(("med_config.json",),),
                says=BERT_SHAPE,
                tensors={
                    "blip.visual_encoder.patch_embed.proj.weight": 4,
                    "blip.visual_encoder.pos_embed": 3,
                    "blip.text_encoder.embeddings.word_embeddings.weight": 2,
                    "blip.text_encoder.encoder.layer.0.crossattention.self.key.weight": 2,
                    **_layers("mlp.layers"),
                },
            ),
            _tokenizer("google-bert/bert-base-uncased"),
        ),
        (Tokens(35, TOKENIZER, "ImageReward"),),
    ),
    "aesthetic_score": Judge(
        "AestheticScore",
        (
            Part(
                MODEL, "shunk031/aesthetics-predictor-v2-sac-logos-ava1-l14-linearMSE", ".",
                weights=(
                    "model.safetensors", "pytorch_model.bin",
                    "sac+logos+ava1-l14-linearMSE.safetensors", "sac+logos+ava1-l14-linearMSE.pth",
                ),
                tensors=_layers("layers"),
            ),
            Part(
                CLIP, None, CLIP,
                weights=("model.safetensors", "pytorch_model.bin"),
                settings=(("config.json",),),
                tensors={
                    "vision_model.embeddings.patch_embedding.weight": 4,
                    "visual_projection.weight": 2,
                },
            ),
        ),
    ),
}  # fmt: skip
"""By the name that `@metric(judge=...)` gives."""
