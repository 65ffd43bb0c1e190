"""Image to image with Kandinsky 2.0."""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import ImagePipelineOutput

from runner.kandinsky2_0.drawing import Callback, Generators, KandinskyV20DrawingPipeline


class KandinskyV20Img2ImgPipeline(KandinskyV20DrawingPipeline):
    """Draws a picture from a text and a picture.

    The components and the generic methods are those of the base class and of `DiffusionPipeline`.
    """

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | list[str] | None = None,
        image: Any = None,
        strength: float = 0.3,
        negative_prompt: str | list[str] | None = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int = 100,
        timesteps: Sequence[int] | None = None,
        guidance_scale: float = 7.0,
        num_images_per_prompt: int = 1,
        eta: float | None = None,
        use_clipped_model_output: bool | None = None,
        generator: Generators = None,
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
            strength: the share of the steps that run, from noise of the first of them; 1: all. In
                the original it is the share of the picture that is kept: 1 minus this one.
            height, width: multiples of `size_multiple`, to which the picture is resized; None: as
                in training.

        Raises:
            ValueError: also where `strength` leaves no step.
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
        self._guidance_scale = guidance_scale
        steps = self._last_steps(self.set_steps(num_inference_steps, timesteps), strength)
        told = self.told_to_unet(prompt, negative_prompt, embeds, num_images_per_prompt)
        clean = self.encode_image(image, rows, height, width, generator)
        noise = self.draw_noise(rows, height, width, generator)
        latents = self.denoise(
            self.scheduler.add_noise(clean, noise, steps[:1].repeat(rows)),
            steps,
            told,
            eta,
            use_clipped_model_output,
            generator,
            callback_on_step_end,
            callback_on_step_end_tensor_inputs,
        )
        return self.finish(latents, height, width, output_type, return_dict)

    def _last_steps(self, timesteps: torch.Tensor, strength: float) -> torch.Tensor:
        """The share of the steps that run."""
        if not 0 <= strength <= 1:
            raise ValueError(f"`strength` has to be 0 to 1, but is {strength}.")
        order = self.scheduler.order
        steps = -(-len(timesteps) // order)
        kept = min(int(steps * strength), steps)
        if kept < 1:
            raise ValueError(
                f"`strength`={strength} leaves none of {steps} steps: raise it, or the steps."
            )
        first = (steps - kept) * order
        if hasattr(self.scheduler, "set_begin_index"):
            self.scheduler.set_begin_index(first)
        return timesteps[first:]
