"""transformers models behind the interface of diffusers pipelines: depth estimation, and CLIP."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from PIL import Image

OFFLINE = {"local_files_only": True, "trust_remote_code": False}
"""Nothing is fetched, and no code of a checkpoint is run: without the second transformers asks in
the terminal whether it should be.
"""


class OwnPipeline:
    """transformers models with the part of the pipeline interface that the runner uses.

    Args:
        models: model name -> model.
    """

    scheduler = None

    def __init__(self, models: Mapping[str, Any]) -> None:
        self._models = dict(models)
        self._execution_device = torch.device("cpu")
        self._waits_on_cpu = False

    @property
    def components(self) -> dict[str, Any]:
        """The models."""
        return self._models

    def place(self, device: str, *, offloaded: bool) -> None:
        """Set where the models run; with `offloaded`, each is moved there only during a call."""
        self._execution_device = torch.device(device)
        self._waits_on_cpu = offloaded
        for model in self._models.values():
            model.to("cpu" if offloaded else device)

    @property
    def offloaded(self) -> list[str]:
        """Names of the models that are on the CPU between calls."""
        return sorted(self._models) if self._waits_on_cpu else []

    @contextmanager
    def on_device(self, name: str) -> Iterator[Any]:
        """A model, on the device for the time of the context."""
        model = self._models[name].to(self._execution_device)
        yield model
        if self._waits_on_cpu:
            model.to("cpu")


class DepthEstimator(OwnPipeline):
    """transformers' depth estimation."""

    def __init__(self, model: Any, image_processor: Any) -> None:
        super().__init__({"model": model})
        self._processor = image_processor

    @classmethod
    def from_folder(cls, folder: Path, dtype: torch.dtype) -> DepthEstimator:
        """The model of a folder."""
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation

        model = AutoModelForDepthEstimation.from_pretrained(
            str(folder), dtype=dtype, use_safetensors=True, **OFFLINE
        )
        return cls(model, AutoImageProcessor.from_pretrained(str(folder), **OFFLINE))

    def __call__(self, picture: Image.Image) -> dict[str, Any]:
        """{"depth": a grey picture of the picture's size, ...}, as transformers makes it."""
        from transformers import DepthEstimationPipeline

        class InFullPrecision(DepthEstimationPipeline):  # type: ignore[misc]
            """The picture is made by numpy, which has no bfloat16."""

            def postprocess(self, outputs: Any) -> Any:
                outputs["predicted_depth"] = outputs["predicted_depth"].float()
                return super().postprocess(outputs)

        with self.on_device("model") as model:
            estimate = InFullPrecision(
                model=model,
                image_processor=self._processor,
                device=self._execution_device,
                dtype=model.dtype,
            )
            found: dict[str, Any] = estimate(picture)
        return found


class Clip(OwnPipeline):
    """The CLIP that a Kandinsky prior was trained with: the two encoders of its checkpoint."""

    def __init__(
        self, text_encoder: Any, image_encoder: Any, tokenizer: Any, image_processor: Any
    ) -> None:
        super().__init__({"text_encoder": text_encoder, "image_encoder": image_encoder})
        self._tokenizer = tokenizer
        self._processor = image_processor

    @classmethod
    def from_folder(cls, folder: Path, dtype: torch.dtype) -> Clip:
        """The encoders of a prior's folder."""
        import transformers
        from transformers import (
            CLIPTextModelWithProjection,
            CLIPTokenizer,
            CLIPVisionModelWithProjection,
        )

        given = {"dtype": dtype, "use_safetensors": True, **OFFLINE}
        # The class that diffusers would take.
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
        processor_class = getattr(transformers, index["image_processor"][1])
        return cls(
            CLIPTextModelWithProjection.from_pretrained(str(folder / "text_encoder"), **given),
            CLIPVisionModelWithProjection.from_pretrained(str(folder / "image_encoder"), **given),
            CLIPTokenizer.from_pretrained(str(folder / "tokenizer"), **OFFLINE),
            processor_class.from_pretrained(str(folder / "image_processor"), **OFFLINE),
        )

    def embed_text(self, text: str) -> torch.Tensor:
        """The embedding of a text, [D], float32; texts are cut at CLIP's length."""
        tokens = self._tokenizer(
            text,
            padding="max_length",
            max_length=self._tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        )
        with torch.inference_mode(), self.on_device("text_encoder") as encoder:
            found = encoder(tokens.input_ids.to(encoder.device)).text_embeds
        return found[0].float().cpu()  # type: ignore[no-any-return]

    def embed_image(self, image: Image.Image) -> torch.Tensor:
        """The embedding of a picture, [D], float32."""
        pixels = self._processor(image, return_tensors="pt").pixel_values
        with torch.inference_mode(), self.on_device("image_encoder") as encoder:
            found = encoder(pixels.to(encoder.device, encoder.dtype)).image_embeds
        return found[0].float().cpu()  # type: ignore[no-any-return]

    @staticmethod
    def cosine(one: torch.Tensor, other: torch.Tensor) -> float:
        """The cosine of two embeddings, [D]."""
        return float(torch.nn.functional.cosine_similarity(one, other, dim=0))


OWN_PIPELINES: dict[str, type[DepthEstimator | Clip]] = {
    "depth-estimation": DepthEstimator,
    "clip": Clip,
}
"""By the name in `runner.catalog.checkpoint.Checkpoint.pipeline`."""
