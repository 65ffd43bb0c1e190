"""What the pipelines of Kandinsky 2.0 share: their components, and the way from noise to pixels."""

import inspect
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import PIL.Image
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMScheduler,
    ImagePipelineOutput,
    UNet2DConditionModel,
)
from diffusers.image_processor import VaeImageProcessor
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.pipelines.kandinsky.text_encoder import MultilingualCLIP
from diffusers.utils.torch_utils import randn_tensor
from transformers import MT5EncoderModel, T5Tokenizer, XLMRobertaTokenizer

from runner.kandinsky2_0.prompts import KandinskyV20PromptMixin
from runner.kandinsky2_0.text_projection import KandinskyV20TextProjection

Generators = torch.Generator | list[torch.Generator] | None
Callback = Callable[[Any, int, Any, dict[str, torch.Tensor]], dict[str, torch.Tensor]]

TENSORS = ["latents", "encoder_hidden_states", "class_labels"]


class KandinskyV20DrawingPipeline(KandinskyV20PromptMixin):
    """Base of the pipelines.

    Args:
        tokenizer, text_encoder: XLM-RoBERTa with a projection of its mean state.
        tokenizer_2, text_encoder_2: the encoder of mT5.
        text_proj: makes of both what the UNet is told.
        unet: predicts noise and, in four more channels, its variance.
        vae: the autoencoder.
        scheduler: DDIM, DDPM, or another one for noise levels given by betas.
    """

    model_cpu_offload_seq = "text_encoder->text_encoder_2->text_proj->unet->vae"
    # All that is needed to draw from stored embeddings is there without them.
    _optional_components = ["tokenizer", "text_encoder", "tokenizer_2", "text_encoder_2"]  # noqa: RUF012
    _callback_tensor_inputs = TENSORS
    unet_channels = 4

    def __init__(
        self,
        tokenizer: XLMRobertaTokenizer,
        text_encoder: MultilingualCLIP,
        tokenizer_2: T5Tokenizer,
        text_encoder_2: MT5EncoderModel,
        text_proj: KandinskyV20TextProjection,
        unet: UNet2DConditionModel,
        vae: AutoencoderKL,
        scheduler: DDIMScheduler | DDPMScheduler,
    ) -> None:
        super().__init__()
        self.register_modules(
            tokenizer=tokenizer,
            text_encoder=text_encoder,
            tokenizer_2=tokenizer_2,
            text_encoder_2=text_encoder_2,
            text_proj=text_proj,
            unet=unet,
            vae=vae,
            scheduler=scheduler,
        )
        # A pipeline that encodes texts alone is given neither UNet nor autoencoder.
        self.vae_scale_factor = 8
        self.size_multiple = 64
        if vae is not None:
            self.vae_scale_factor = 2 ** (len(vae.config.block_out_channels) - 1)
        if unet is not None:
            halved = len(unet.config.block_out_channels) - 1
            self.size_multiple = self.vae_scale_factor * 2**halved
            if unet.config.in_channels != self.unet_channels:
                raise ValueError(
                    f"{type(self).__name__} needs a UNet of {self.unet_channels} input channels, "
                    f"but this one has {unet.config.in_channels}."
                )
        self.image_processor = VaeImageProcessor(
            vae_scale_factor=self.vae_scale_factor,
            resample="bicubic",
            reducing_gap=1,
            do_convert_rgb=True,
        )

    @property
    def guidance_scale(self) -> float:
        """That of the last call."""
        return float(self._guidance_scale)

    @property
    def do_classifier_free_guidance(self) -> bool:
        """Whether the last call was guided."""
        return self.guidance_scale > 1

    @property
    def num_timesteps(self) -> int:
        """Steps of the last call."""
        return int(self._num_timesteps)

    def check_call(self, callback_tensors: Sequence[str], generator: Generators, rows: int) -> None:
        """Raise ValueError for arguments that cannot be used."""
        if unknown := [name for name in callback_tensors if name not in TENSORS]:
            raise ValueError(
                f"`callback_on_step_end_tensor_inputs` has to be in {TENSORS}, but found {unknown}"
            )
        if isinstance(generator, list) and len(generator) != rows:
            raise ValueError(f"{len(generator)} generators do not fit {rows} pictures.")

    def sized(self, height: int | None, width: int | None) -> tuple[int, int]:
        """The size in pixels; by default that of the training."""
        usual = self.unet.config.sample_size * self.vae_scale_factor
        return usual if height is None else height, usual if width is None else width

    def check_size(self, height: int, width: int) -> None:
        """Raise ValueError for a size that the UNet cannot halve often enough."""
        if height % self.size_multiple or width % self.size_multiple:
            raise ValueError(
                f"`height` and `width` have to be multiples of {self.size_multiple}, but are "
                f"{height} and {width}."
            )

    def set_steps(self, num_inference_steps: int, timesteps: Sequence[int] | None) -> torch.Tensor:
        """Set the scheduler's time steps, and return them.

        Args:
            timesteps: used in place of the scheduler's own; with DDIM the distance of two still is
                that of `num_inference_steps`.
        """
        scheduler, device = self.scheduler, self._execution_device
        trained = scheduler.config.num_train_timesteps
        leading = scheduler.config.get("timestep_spacing") == "leading"
        if timesteps is None and leading and num_inference_steps > trained // 2:
            # The steps would be one noise level apart and begin anywhere.
            raise ValueError(
                f"`num_inference_steps` has to be {trained // 2} or less with "
                f"timestep_spacing='leading', but is {num_inference_steps}."
            )
        scheduler.set_timesteps(num_inference_steps, device=device)
        if timesteps is not None:
            if not isinstance(scheduler, DDIMScheduler | DDPMScheduler):
                raise ValueError(f"{type(scheduler).__name__} takes no `timesteps` of one's own.")
            falling = all(a > b for a, b in pairwise(timesteps))
            if not (timesteps and falling and timesteps[-1] >= 0 and timesteps[0] < trained):
                raise ValueError(f"`timesteps` have to fall, within 0 to {trained - 1}.")
            scheduler.timesteps = torch.tensor(list(timesteps), device=device)
        found: torch.Tensor = scheduler.timesteps
        return found

    def draw_noise(
        self, rows: int, height: int, width: int, generator: Generators, latents: Any = None
    ) -> torch.Tensor:
        """Standard normal noise for pictures of a size, [rows, 4, h, w], or the given latents."""
        scale = self.vae_scale_factor
        shape = (rows, self.vae.config.latent_channels, height // scale, width // scale)
        device, dtype = self._execution_device, self.unet.dtype
        if latents is None:
            noise: torch.Tensor = randn_tensor(
                shape, generator=generator, device=device, dtype=dtype
            )
            return noise
        if tuple(latents.shape) != shape:
            raise ValueError(f"`latents` have to be of shape {shape}, but are {latents.shape}.")
        given: torch.Tensor = latents.to(device, dtype)
        return given

    def encode_image(
        self, image: Any, rows: int, height: int, width: int, generator: Generators
    ) -> torch.Tensor:
        """Latents of pictures, drawn from the autoencoder's distribution: [rows, 4, h, w].

        Args:
            image: one for all rows, or as many as divide them.
            generator: each row draws of its own.
        """
        pixels = self.image_processor.preprocess(image, height, width)
        if rows % len(pixels):
            raise ValueError(f"{len(pixels)} images do not fit {rows} pictures.")
        pixels = pixels.to(self._execution_device, self.vae.dtype)
        found = self.vae.encode(pixels).latent_dist
        spread = found.parameters.repeat_interleave(rows // len(pixels), dim=0)
        drawn = DiagonalGaussianDistribution(spread).sample(generator)
        latents: torch.Tensor = drawn.to(self.unet.dtype) * self.vae.config.scaling_factor
        return latents

    def decode_latents(
        self, latents: torch.Tensor, height: int, width: int, output_type: str
    ) -> torch.Tensor | list[PIL.Image.Image] | Any:
        """Pictures of latents, cut to a size; `output_type="latent"`: the latents."""
        if output_type == "latent":
            return latents
        scaled = latents.to(self.vae.dtype) / self.vae.config.scaling_factor
        pixels = self.vae.decode(scaled, return_dict=False)[0]
        return self.image_processor.postprocess(
            pixels[..., :height, :width], output_type=output_type
        )

    def finish(
        self, latents: torch.Tensor, height: int, width: int, output_type: str, return_dict: bool
    ) -> ImagePipelineOutput | tuple[object]:
        """What a call returns: its pictures, after offloaded models have gone back."""
        pictures = self.decode_latents(latents, height, width, output_type)
        self.maybe_free_model_hooks()
        return ImagePipelineOutput(images=pictures) if return_dict else (pictures,)

    def denoise(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        told: tuple[torch.Tensor, torch.Tensor],
        eta: float | None = None,
        use_clipped_model_output: bool | None = None,
        generator: Generators = None,
        callback: Callback | None = None,
        callback_tensors: Sequence[str] = ("latents",),
        beside: torch.Tensor | None = None,
        corrected: Callable[[torch.Tensor, Any, torch.Tensor], torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Noise of the first time step -> latents of pictures.

        Args:
            told: what `told_to_unet` returned.
            eta, use_clipped_model_output, generator: of the scheduler's `step`; None: its own
                default.
            beside: more channels of the UNet's input.
            corrected: called with the model's output, the time step and the noisy latents; returns
                the output that the scheduler is given.
        """
        encoder_hidden_states, class_labels = told
        arguments = self._step_arguments(
            eta=eta, use_clipped_model_output=use_clipped_model_output, generator=generator
        )
        copies = 2 if self.do_classifier_free_guidance else 1
        self._num_timesteps = len(timesteps)
        with self.progress_bar(total=len(timesteps)) as progress_bar:
            for i, t in enumerate(timesteps):
                scaled = self.scheduler.scale_model_input(latents, t)
                scaled = scaled if beside is None else torch.cat([scaled, beside], dim=1)
                predicted = self.unet(
                    torch.cat([scaled] * copies),
                    t,
                    encoder_hidden_states=encoder_hidden_states,
                    class_labels=class_labels,
                    return_dict=False,
                )[0]
                predicted = self._guided(predicted, latents.shape[1])
                if corrected is not None:
                    predicted = corrected(predicted, t, latents)
                latents = self.scheduler.step(
                    predicted, t, latents, **arguments, return_dict=False
                )[0]
                if callback is not None:
                    # Looked up by name, as in diffusers: the callback may replace them.
                    values = {"latents": latents, "encoder_hidden_states": encoder_hidden_states}
                    values["class_labels"] = class_labels
                    new = callback(self, i, t, {name: values[name] for name in callback_tensors})
                    values |= new
                    latents, encoder_hidden_states, class_labels = (values[n] for n in TENSORS)
                progress_bar.update()
        return latents

    def _step_arguments(self, **given: Any) -> dict[str, Any]:
        known = inspect.signature(self.scheduler.step).parameters
        arguments = {name: value for name, value in given.items() if value is not None}
        if "generator" not in known:  # it draws nothing
            arguments.pop("generator", None)
        if unknown := [name for name in arguments if name not in known]:
            raise ValueError(f"{type(self.scheduler).__name__} takes no {', '.join(unknown)}.")
        return arguments

    def _guided(self, predicted: torch.Tensor, channels: int) -> torch.Tensor:
        """Guidance acts on the noise; the variance is that of the prompt."""
        noise, variance = predicted[:, :channels], predicted[:, channels:]
        if self.do_classifier_free_guidance:
            away, wanted = noise.chunk(2)
            noise = away + self._guidance_scale * (wanted - away)
            variance = variance.chunk(2)[1]
        if self.scheduler.config.get("variance_type") not in ("learned", "learned_range"):
            return noise
        return torch.cat([noise, variance], dim=1)
