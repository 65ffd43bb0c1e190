"""The graph of one image, one short function a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from runner.graph.node import Node
from runner.planning.nodes import ImageRequest, Materials


def text2img(materials: Materials, image: ImageRequest) -> Node:
    """The decoder draws what the texts say."""
    return materials.decode(image, **materials.texts(image))


def img2img(materials: Materials, image: ImageRequest) -> Node:
    """The decoder starts from a picture."""
    picture = materials.picture(image, "image")
    return materials.decode(image, **materials.texts(image), image=picture)


def inpaint(materials: Materials, image: ImageRequest) -> Node:
    """The decoder fills a mask."""
    return materials.decode(
        image,
        **materials.texts(image),
        image=materials.picture(image, "image"),
        mask=materials.mask(image),
    )


def interpolate(materials: Materials, image: ImageRequest) -> Node:
    """Embeddings of texts and pictures, each a node of its own, are mixed by weights.

    So a sweep over the weights runs each prior once. The negative embedding is that of the
    negative prompt where there is one, and else that of a black image.
    """
    parts: dict[str, Node] = {}
    before: Node | None = None
    for number, item in enumerate(materials.run.interpolate):
        if item.text is not None:
            # With one generator for all, each prior goes on where the one before it stopped.
            before = materials.prior(image, item.text, before=before, negative=False)
            parts[f"item{number}"] = before
        else:
            parts[f"item{number}"] = materials.embedding_of_picture(image, number)
    if materials.run.negative_prompt is not None:
        parts["negative"] = materials.prior(
            image, materials.run.negative_prompt, before=before, negative=False
        )
    return materials.decode(image, prior=materials.mix(image, parts))


def controlnet(materials: Materials, image: ImageRequest) -> Node:
    """The decoder follows a depth picture."""
    return materials.decode(image, **materials.texts(image), hint=materials.hint(image))


def controlnet_img2img(materials: Materials, image: ImageRequest) -> Node:
    """The prior starts from the picture's embedding, for the prompt and for the negative
    prompt; the decoder starts from the picture and follows its depth.
    """
    run = materials.run
    picture = materials.picture(image, "image")
    prior = materials.prior_from_image(image, image.prompt, run.prior.strength, picture)
    inputs = {"prior": prior, "image": picture, "hint": materials.hint(image)}
    if run.negative_prompt is not None:
        inputs["negative"] = materials.prior_from_image(
            image, run.negative_prompt, run.prior.negative_strength, picture, before=prior
        )
    return materials.decode(image, **inputs)


Builder = Callable[[Materials, ImageRequest], Node]

TASKS: Mapping[str, Builder] = {
    build.__name__: build
    for build in (text2img, img2img, inpaint, interpolate, controlnet, controlnet_img2img)
}
"""By the task's name. One function serves all versions: `Materials.texts` knows how each reads."""
