"""Inpainting with Kandinsky 2.0."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, DDPMScheduler, ImagePipelineOutput
from diffusers.image_processor import VaeImageProcessor

from runner.kandinsky2_0.drawing import Callback, Generators, KandinskyV20DrawingPipeline

GROWS_TO = ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, 1))
"""Neighbours of a repainted latent, (down, right), that the original repaints, too."""


class KandinskyV20InpaintPipeline(KandinskyV20DrawingPipeline):
    """Draws anew a part of a picture. Its UNet also sees the kept latents and which these are.

    The components and the generic methods are those of the base class and of `DiffusionPipeline`.
    """

    unet_channels = 9

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | list[str] | None = None,
        image: Any = None,
        mask_image: Any = None,
        negative_prompt: str | list[str] | None = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int = 100,
        timesteps: Sequence[int] | None = None,
        guidance_scale: float = 7.0,
        num_images_per_prompt: int = 1,
        grow_mask: bool = True,
        blend_latents: bool | None = None,
        eta: float | None = None,
        use_clipped_model_output: bool | None = None,
        generator: Generators = None,
        latents: torch.Tensor | None = None,
        prompt_embeds: torch.Tensor | None = None,
        prompt_embeds_2: torch.Tensor | None = None,
        pooled_prompt_embeds: torch.Tensor | None = None,
        negative_prompt_embeds: torch.Tensor | None = None,
        negative_prompt_embeds_2: torch.Tensor | None = None,
        negative_pooled_prompt_embeds: torch.Tensor | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        callback_on_step_end: Callback | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
    ) -> ImagePipelineOutput | tuple[object]:
        """Draw. What is not listed here is as in `KandinskyV20Pipeline`.

        Args:
            image: a picture, or one for each prompt: PIL, an array or a tensor.
            mask_image: white (1) is repainted, black (0) is kept; in the original 1 is kept.
            height, width: multiples of `size_multiple`, to which picture and mask are resized;
                None: as in training.
            grow_mask: whether six of the eight neighbours of a repainted latent are repainted, too,
                as in the original.
            blend_latents: whether the kept part of the predicted picture is set to that of `image`
                at each step. None: where the scheduler thresholds, as in the original, whose one
                sampler without thresholding does not blend.

        Raises:
            ValueError: also where blending is asked of a scheduler that is neither DDIM nor DDPM.
        """
        embeds = {
            "prompt_embeds": prompt_embeds,
            "prompt_embeds_2": prompt_embeds_2,
            "pooled_prompt_embeds": pooled_prompt_embeds,
            "negative_prompt_embeds": negative_prompt_embeds,
            "negative_prompt_embeds_2": negative_prompt_embeds_2,
            "negative_pooled_prompt_embeds": negative_pooled_prompt_embeds,
        }
        rows = self.check_prompts(prompt, negative_prompt, embeds) * num_images_per_prompt
        self.check_call(callback_on_step_end_tensor_inputs, generator, rows)
        height, width = self.sized(height, width)
        self.check_size(height, width)
        blends = self._blends(blend_latents)
        self._guidance_scale = guidance_scale
        steps = self.set_steps(num_inference_steps, timesteps)
        told = self.told_to_unet(prompt, negative_prompt, embeds, num_images_per_prompt)
        known = self.encode_image(image, rows, height, width, generator)
        keep = self._kept(mask_image, rows, height, width, grow_mask)
        noise = self.draw_noise(rows, height, width, generator, latents)

        def blended(predicted: torch.Tensor, t: Any, noisy: torch.Tensor) -> torch.Tensor:
            return self._blended(predicted, t, noisy, known, keep)

        latents = self.denoise(
            noise * self.scheduler.init_noise_sigma,
            steps,
            told,
            eta,
            use_clipped_model_output,
            generator,
            callback_on_step_end,
            callback_on_step_end_tensor_inputs,
            beside=torch.cat([known * keep, keep], dim=1),
            corrected=blended if blends else None,
        )
        return self.finish(latents, height, width, output_type, return_dict)

    def _blends(self, asked: bool | None) -> bool:
        can = isinstance(self.scheduler, DDIMScheduler | DDPMScheduler)
        if asked and not can:
            raise ValueError(
                f"`blend_latents` needs DDIMScheduler or DDPMScheduler, but the scheduler is "
                f"{type(self.scheduler).__name__}."
            )
        return asked if asked is not None else can and bool(self.scheduler.config.thresholding)

    def _kept(
        self, mask_image: Any, rows: int, height: int, width: int, grow: bool
    ) -> torch.Tensor:
        """1 where latents are kept, 0 where they are repainted, [rows, 1, h, w]."""
        processor = VaeImageProcessor(
            vae_scale_factor=self.vae_scale_factor,
            resample="nearest",
            do_normalize=False,
            do_binarize=True,
            do_convert_grayscale=True,
        )
        mask = processor.preprocess(mask_image, height, width)
        if rows % len(mask):
            raise ValueError(f"{len(mask)} masks do not fit {rows} pictures.")
        scale = self.vae_scale_factor
        repaint = F.interpolate(mask.float(), size=(height // scale, width // scale))
        if grow:
            repaint = grown(repaint)
        keep = (1 - repaint).to(self._execution_device, self.unet.dtype)
        return keep.repeat_interleave(rows // len(mask), dim=0)

    def _blended(
        self,
        predicted: torch.Tensor,
        t: Any,
        noisy: torch.Tensor,
        known: torch.Tensor,
        keep: torch.Tensor,
    ) -> torch.Tensor:
        """The model's output for which the predicted picture, thresholded, has the known part.

        The scheduler thresholds that again, as the original does.
        """
        output, variance = predicted[:, : noisy.shape[1]], predicted[:, noisy.shape[1] :]
        share = self.scheduler.alphas_cumprod[int(t)].to(noisy.device, noisy.dtype)
        signal, noise = share**0.5, (1 - share) ** 0.5
        kind = self.scheduler.config.prediction_type
        if kind == "epsilon":
            clean = (noisy - noise * output) / signal
        elif kind == "v_prediction":
            clean = signal * noisy - noise * output
        else:  # "sample"
            clean = output
        if self.scheduler.config.thresholding:
            clean = self.scheduler._threshold_sample(clean)
        clean = keep * known + (1 - keep) * clean
        added = (noisy - signal * clean) / noise
        if kind == "epsilon":
            output = added
        elif kind == "v_prediction":
            output = signal * added - noise * clean
        else:
            output = clean
        return torch.cat([output, variance], dim=1)


def grown(repaint: torch.Tensor) -> torch.Tensor:
    """Each repainted latent (1), and its neighbours of `GROWS_TO`, [B, 1, h, w]."""
    height, width = repaint.shape[-2:]
    wide = F.pad(repaint, (1, 1, 1, 1))
    found = repaint
    for down, right in GROWS_TO:
        shifted = wide[..., 1 - down : 1 - down + height, 1 - right : 1 - right + width]
        found = torch.maximum(found, shifted)
    return found
