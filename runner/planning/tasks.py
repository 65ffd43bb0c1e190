"""The graph of one image, one short function a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from runner.config.choices import Task, Version
from runner.graph.node import Node
from runner.planning.nodes import ImageRequest, Materials


def text2img(materials: Materials, image: ImageRequest) -> Node:
    """2.1, 2.2: a prior, and a decoder of its embedding."""
    return materials.decode(image, **materials.embeddings(image))


def img2img(materials: Materials, image: ImageRequest) -> Node:
    """2.1, 2.2: the decoder starts from a picture."""
    picture = materials.picture(image, "image")
    return materials.decode(image, **materials.embeddings(image), image=picture)


def inpaint(materials: Materials, image: ImageRequest) -> Node:
    """2.1, 2.2: the decoder fills a mask."""
    return materials.decode(
        image,
        **materials.embeddings(image),
        image=materials.picture(image, "image"),
        mask=materials.mask(image),
    )


def interpolate(materials: Materials, image: ImageRequest) -> Node:
    """2.1, 2.2: embeddings of texts and pictures, each a node of its own, are mixed by weights.

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
    """2.2: the decoder follows a depth picture."""
    return materials.decode(image, **materials.embeddings(image), hint=materials.hint(image))


def controlnet_img2img(materials: Materials, image: ImageRequest) -> Node:
    """2.2: the prior starts from the picture's embedding, for the prompt and for the negative
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


def text2img_3(materials: Materials, image: ImageRequest) -> Node:
    """3: a text encoder of its own, so that a sweep encodes each prompt once."""
    return materials.decode(image, text=materials.encoded_text(image))


def img2img_3(materials: Materials, image: ImageRequest) -> Node:
    """3: the decoder starts from a picture."""
    text, picture = materials.encoded_text(image), materials.picture(image, "image")
    return materials.decode(image, text=text, image=picture)


Builder = Callable[[Materials, ImageRequest], Node]

WITH_PRIOR: Mapping[Task, Builder] = {
    Task.text2img: text2img,
    Task.img2img: img2img,
    Task.inpaint: inpaint,
    Task.interpolate: interpolate,
}

TASKS: Mapping[tuple[Version, Task], Builder] = {
    **{(Version.kandinsky2_1, task): build for task, build in WITH_PRIOR.items()},
    **{(Version.kandinsky2_2, task): build for task, build in WITH_PRIOR.items()},
    (Version.kandinsky2_2, Task.controlnet): controlnet,
    (Version.kandinsky2_2, Task.controlnet_img2img): controlnet_img2img,
    (Version.kandinsky3, Task.text2img): text2img_3,
    (Version.kandinsky3, Task.img2img): img2img_3,
}
