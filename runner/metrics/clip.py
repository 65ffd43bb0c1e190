"""Metrics by the CLIP of a Kandinsky prior, that is, by its own text and image encoders."""

from __future__ import annotations

from PIL import Image

from runner.metrics import Clip, metric


@metric(better="higher")
def clip_score(image: Image.Image, prompt: str, clip: Clip) -> float:
    """Cosine of the embeddings of picture and prompt, -1 to 1 (Hessel et al. 2021, without its
    scale of 2.5).
    """
    return clip.cosine(clip.embed_image(image), clip.embed_text(prompt))


@metric(better="higher")
def clip_similarity(image: Image.Image, reference: Image.Image, clip: Clip) -> float:
    """Cosine of the embeddings of two pictures, -1 to 1; 1 for equal ones."""
    return clip.cosine(clip.embed_image(image), clip.embed_image(reference))
