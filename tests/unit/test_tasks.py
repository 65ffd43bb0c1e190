"""The nodes of one image."""

from __future__ import annotations

from dataclasses import replace

from runner.materials import ImageRequest, Materials
from runner.planning import make_plan
from runner.tasks import text2img
from unit.conftest import Compose


def test_text2img_is_a_prior_and_a_decoder(composed: Compose) -> None:
    run = composed("negative_prompt=blue", "decoder.guidance_scale=2", "prior.guidance_scale=3")
    found = make_plan(run)
    materials = Materials(run, found.weights, {}, {"torch": "1"})
    decode = text2img(materials, ImageRequest(0, "a circle", 7, 64, 128))
    prior = decode.inputs["prior"]
    assert dict(prior.params) == {
        "prompt": "a circle",
        "negative_prompt": "blue",
        "seed": 7,
        "num_inference_steps": run.prior.num_inference_steps,
        "guidance_scale": 3.0,
    }
    assert dict(decode.params) == {
        "seed": 7,
        "seeding": "per_stage",
        "height": 64,
        "width": 128,
        "num_inference_steps": run.decoder.num_inference_steps,
        "guidance_scale": 2.0,
    }
    assert prior.inputs == {}
    assert prior.libraries == decode.libraries == {"torch": "1"}
    assert prior.pipeline is not None
    assert decode.pipeline is not None
    assert (prior.pipeline.scheduler, prior.pipeline.dtype) == (None, "float32")
    assert decode.pipeline.scheduler is not None
    assert decode.pipeline.scheduler.name == "ddim"


def test_the_index_of_an_image_is_no_part_of_its_keys(composed: Compose) -> None:
    run = composed()
    materials = Materials(run, make_plan(run).weights, {}, {})
    first = ImageRequest(0, "a circle", 7, 64, 64)
    assert text2img(materials, first).key == text2img(materials, replace(first, index=5)).key


def test_sweeping_the_decoder_shares_the_prior(composed: Compose) -> None:
    plans = [make_plan(composed(f"decoder.guidance_scale={scale}")) for scale in (1, 4)]
    graph = plans[0].graph.merged(plans[1].graph)
    assert [node.stage for node in graph.in_order()] == ["prior", "decode", "decode"]
