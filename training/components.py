"""The trained parts, in float16, as the components of the pipelines that draw with them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from diffusers import DDIMScheduler, UNet2DConditionModel, VQModel
from torch import nn
from transformers import CLIPImageProcessorPil, MT5Config, MT5EncoderModel, T5EncoderModel

from runner.kandinsky2_0 import samplings
from training.loop import CHECKPOINT
from training.parts import (
    clip,
    fine_tunes,
    kandinsky2_0,
    kandinsky3,
    kl,
    movq,
    polish,
    prior,
    texts,
)
from training.parts.diffusion import build_scheduler
from training.tokenizers.byte_pairs import build_tokenizer
from training.tokenizers.unigrams import (
    XLM_ROBERTA_TOKENS,
    t5_tokenizer,
    xlm_roberta_tokenizer,
)

Model = TypeVar("Model", bound=nn.Module)


class Parts:
    """The trained parts under `work`, in float16; untrained ones as initialised, if allowed.

    Raises:
        FileNotFoundError: a part has no checkpoint, and that is not allowed.
    """

    def __init__(self, work: Path, *, allow_untrained: bool) -> None:
        self.work, self.allow_untrained = work, allow_untrained

    def trained(self, name: str) -> bool:
        """Whether a part has a checkpoint."""
        return (self.work / name / CHECKPOINT).exists()

    def part(self, name: str, build: Callable[[], Model], load: Callable[[Path], Model]) -> Model:
        """A part by its checkpoint's name."""
        if self.allow_untrained and not self.trained(name):
            print(f"export: {name} is untrained", flush=True)
            return build().eval().half()
        return load(self.work).half()

    def prior(self) -> dict[str, Any]:
        """The components of both priors."""
        encoders = self.part(clip.NAME, clip.Encoders, clip.load)
        return {
            "prior": self.part(prior.NAME, prior.build, prior.load),
            "image_encoder": encoders.vision,
            "text_encoder": encoders.text,
            "tokenizer": build_tokenizer(),
            "scheduler": prior.build_scheduler(),
            "image_processor": CLIPImageProcessorPil(
                size={"shortest_edge": clip.IMAGE_SIDE},
                crop_size={"height": clip.IMAGE_SIDE, "width": clip.IMAGE_SIDE},
                image_mean=list(clip.IMAGE_MEAN),
                image_std=list(clip.IMAGE_STD),
            ),
        }

    def movq(self) -> VQModel:
        """The autoencoder of all decoders, polished if it was."""
        polished = self.trained(polish.NAME)
        name, load = (polish.NAME, polish.load) if polished else (movq.NAME, movq.load)
        made: VQModel = self.part(name, movq.build, load)
        return made

    def decoder(self, name: str) -> dict[str, Any]:
        """The components of a decoder of 2.2 with the UNet `name`."""
        return {
            "unet": self._unet(name),
            "scheduler": build_scheduler(),
            "movq": self.movq(),
        }

    def decoder_2_1(self, name: str) -> dict[str, Any]:
        """The components of a decoder of 2.1 with the UNet `name`."""
        reader = self.part(texts.MULTILINGUAL, texts.MultilingualStudent, texts.load_multilingual)
        return {
            "text_encoder": reader.encoder,
            "tokenizer": xlm_roberta_tokenizer(),
            "unet": self._unet(name),
            "scheduler": scheduler_2_1(),
            "movq": self.movq(),
        }

    def kandinsky_3(self) -> dict[str, Any]:
        """The components of Kandinsky 3."""
        return {
            "tokenizer": t5_tokenizer(),
            "text_encoder": self.part(texts.T5, texts.T5Student, texts.load_t5).encoder,
            "unet": self.part(kandinsky3.NAME, kandinsky3.build, kandinsky3.load),
            "scheduler": build_scheduler(kandinsky3.VARIANCE_TYPE),
            "movq": self.movq(),
        }

    def kandinsky_2_0(self, name: str) -> dict[str, Any]:
        """The components of 2.0 with the denoiser `name`."""
        reader = self.part(texts.MULTILINGUAL, texts.MultilingualStudent, texts.load_multilingual)
        reader_2 = self.part(texts.T5, texts.T5Student, texts.load_t5)
        denoiser = self.part(
            name, partial(kandinsky2_0.fresh, name), partial(kandinsky2_0.load, name)
        )
        return {
            "tokenizer": xlm_roberta_tokenizer(),
            "text_encoder": reader.encoder,
            "tokenizer_2": t5_tokenizer(XLM_ROBERTA_TOKENS),
            "text_encoder_2": as_mt5(reader_2.encoder),
            "text_proj": denoiser.text_proj,
            "unet": denoiser.unet,
            "vae": self.part(kl.NAME, kl.build, kl.load),
            "scheduler": scheduler_2_0(),
        }

    def _unet(self, name: str) -> UNet2DConditionModel:
        made: UNet2DConditionModel = self.part(
            name, partial(fine_tunes.fresh, name), partial(fine_tunes.load, name)
        )
        return made


def scheduler_2_1() -> DDIMScheduler:
    """DDIM, as the released 2.1 has it: it ends at the first noise level, and knows no variance."""
    # Plain, without the list of values that diffusers holds for defaults and would reset.
    own = {key: value for key, value in build_scheduler().config.items() if key[0] != "_"}
    del own["variance_type"]
    changed = {"set_alpha_to_one": False, "steps_offset": 1, "clip_sample": False}
    made: DDIMScheduler = DDIMScheduler.from_config({**own, **changed})
    return made


def scheduler_2_0() -> DDIMScheduler:
    """DDIM as converted weights of the released 2.0 have it, but for what the UNet predicts."""
    told = kandinsky2_0.build_scheduler().config.prediction_type
    return DDIMScheduler(**{**samplings.DDIM, "prediction_type": told})


def as_mt5(encoder: T5EncoderModel) -> MT5EncoderModel:
    """The encoder in the class that 2.0 reads with: the same layers under the same names."""
    told = encoder.config.to_dict()
    del told["model_type"], told["architectures"]
    made = MT5EncoderModel(MT5Config(**told)).to(encoder.dtype)
    made.load_state_dict(encoder.state_dict())
    return made.eval()
