"""Text to image with Kandinsky 2.0."""

from collections.abc import Sequence

import torch
from diffusers import ImagePipelineOutput

from runner.kandinsky2_0.drawing import Callback, Generators, KandinskyV20DrawingPipeline


class KandinskyV20Pipeline(KandinskyV20DrawingPipeline):
    """Draws a picture from a text.

    The components and the generic methods are those of the base class and of `DiffusionPipeline`.
    """

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | list[str] | None = None,
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
        """Draw.

        Args:
            prompt: one or several; None where embeddings are given.
            negative_prompt: what is guided away from; None: the empty text.
            height, width: pixels; None: as in training. Drawn is the next multiple of
                `size_multiple`, and cut to the size, as in the original.
            num_inference_steps: 500 or less with the schedulers of the release.
            timesteps: in place of the scheduler's own (`samplings.ddim_timesteps`).
            guidance_scale: `negative + guidance_scale * (prompt - negative)`; 1 or less: none.
            num_images_per_prompt: pictures of each prompt.
            eta, use_clipped_model_output: of DDIM's step; None: its own default.
            generator: one, or one for each picture.
            latents: noise to begin with, [pictures, 4, h, w]; None: drawn.
            prompt_embeds, prompt_embeds_2, pooled_prompt_embeds: from `encode_prompt`.
            negative_prompt_embeds, negative_prompt_embeds_2, negative_pooled_prompt_embeds: from
                `encode_prompt`.
            output_type: "pil", "np", "pt" or "latent".
            return_dict: whether an output object is returned, or a tuple.
            callback_on_step_end: called as callback(pipeline, step, timestep, tensors); returns
                tensors that go on in place of these.
            callback_on_step_end_tensor_inputs: names of the tensors that the callback is given.

        Raises:
            ValueError: arguments that do not go together, or that the model cannot do.
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
        drawn_height, drawn_width = (
            -(-side // self.size_multiple) * self.size_multiple for side in (height, width)
        )
        self._guidance_scale = guidance_scale
        steps = self.set_steps(num_inference_steps, timesteps)
        told = self.told_to_unet(prompt, negative_prompt, embeds, num_images_per_prompt)
        noise = self.draw_noise(rows, drawn_height, drawn_width, generator, latents)
        latents = self.denoise(
            noise * self.scheduler.init_noise_sigma,
            steps,
            told,
            eta,
            use_clipped_model_output,
            generator,
            callback_on_step_end,
            callback_on_step_end_tensor_inputs,
        )
        return self.finish(latents, height, width, output_type, return_dict)
