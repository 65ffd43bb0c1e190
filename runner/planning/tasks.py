"""Builds the graph of one image: one short function for each task."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from runner.catalog.version import Fault
from runner.config.choices import Seeding
from runner.graph.node import Node
from runner.planning.nodes import NodeFactory
from runner.planning.request import ImageRequest


def text2img(nodes: NodeFactory, image: ImageRequest) -> Node:
    """The decoder draws from the texts alone."""
    return nodes.decode(image, **nodes.texts(image))


def img2img(nodes: NodeFactory, image: ImageRequest) -> Node:
    """The decoder starts from a picture."""
    picture = nodes.picture(image, "image")
    return nodes.decode(image, **nodes.texts(image), image=picture)


def inpaint(nodes: NodeFactory, image: ImageRequest) -> Node:
    """The decoder fills a mask."""
    return nodes.decode(
        image,
        **nodes.texts(image),
        image=nodes.picture(image, "image"),
        mask=nodes.mask(image),
    )


def interpolate(nodes: NodeFactory, image: ImageRequest) -> Node:
    """Embeddings of texts and pictures, each a node of its own, are mixed by weights.

    So a sweep over the weights runs each prior once. The negative embedding is that of the
    negative prompt where there is one, and else that of a black image.
    """
    # diffusers passes one generator through all texts of a mix, and through one more prior.
    in_turn, negative = Fault.texts_draw_in_turn in nodes.kept, nodes.run.negative_prompt
    is_shared = nodes.run.seeding is Seeding.shared
    parts: dict[str, Node] = {}
    before: Node | None = None
    for number, item in enumerate(nodes.run.interpolate):
        if item.text is not None:
            last = before if in_turn else nodes.goes_on_after(before)
            before = parts[f"item{number}"] = nodes.prior(image, item.text, before=last)
        else:
            parts[f"item{number}"] = nodes.embed_picture(image, number)
    inputs: dict[str, Node] = {}
    if negative is not None:
        # The decoder goes on after the texts, so that its noise is the same without it.
        apart = is_shared and not in_turn
        (inputs if apart else parts)["negative"] = nodes.prior(
            image, negative, before=before if in_turn else None
        )
    elif in_turn and is_shared:
        parts["drawn_last"] = nodes.prior(image, "", before=before)
    return nodes.decode(image, prior=nodes.mix(image, parts), **inputs)


def controlnet(nodes: NodeFactory, image: ImageRequest) -> Node:
    """The decoder follows a depth picture."""
    return nodes.decode(image, **nodes.texts(image), hint=nodes.hint(image))


def controlnet_img2img(nodes: NodeFactory, image: ImageRequest) -> Node:
    """The prior starts from the picture's embedding, for the prompt and for the negative
    prompt; the decoder starts from the picture and follows its depth.
    """
    run = nodes.run
    picture = nodes.picture(image, "image")
    prior = nodes.prior_from_image(image, image.prompt, run.prior.strength, picture)
    inputs = {"prior": prior, "image": picture, "hint": nodes.hint(image)}
    if run.negative_prompt is not None:
        before = prior if Fault.negative_draws in nodes.kept else None
        inputs["negative"] = nodes.prior_from_image(
            image, run.negative_prompt, run.prior.negative_strength, picture, before
        )
    return nodes.decode(image, **inputs)


def edit(nodes: NodeFactory, image: ImageRequest) -> Node:
    """The decoder draws from noise; it and the text encoder see the same cut of the picture."""
    picture = nodes.fitted_picture(image, "image")
    return nodes.decode(image, **nodes.encode_texts(image, picture), image=picture)


Builder = Callable[[NodeFactory, ImageRequest], Node]

TASKS: Mapping[str, Builder] = {
    build.__name__: build
    for build in (text2img, img2img, inpaint, interpolate, controlnet, controlnet_img2img, edit)
}
"""By task name. A function serves all versions: `NodeFactory.texts` handles their differences."""
