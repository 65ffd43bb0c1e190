"""Kandinsky 5: what is read of texts, and what a naive call of diffusers reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers.pipelines.kandinsky5 import pipeline_kandinsky_i2i, pipeline_kandinsky_t2i

from functional import direct_kandinsky5 as direct5
from functional.asked import NEGATIVE, Ask, Pictures, Pixels, generator, pixels
from functional.cells import drawn as cell_drawn
from functional.cells import opened, planned
from helpers.pixels import furthest
from runner.catalog.kandinsky5 import TEXT2IMG
from runner.kandinsky5.processor import PicturesAndText
from runner.system import machine
from runner.weights.tokens import cleaned

Drawn = Callable[..., list[Pixels]]
Sized = Callable[[Ask], Pictures]
Refused = Callable[..., str]

PROMPTS = ["a cat", "a dog"]


def ask(**changes: Any) -> Ask:
    return Ask("5", "text2img", **{"width": 64, **changes})


def test_templates_are_those_of_this_version_of_diffusers(random_weights: Path) -> None:
    """Of the editing one 54 tokens are cut off, where 49 come before the instruction."""
    assert direct5.pipeline(random_weights).prompt_template == TEXT2IMG
    parts = direct5.loaded_editor(random_weights)
    naive = diffusers.Kandinsky5I2IPipeline(**parts)
    assert naive.prompt_template_encode_start_idx == 54
    before = naive.prompt_template.partition("{}")[0]
    assert len(parts["tokenizer"].tokenizer(before)["input_ids"]) == 49


def test_one_call_for_two_prompts_changes_the_shorter_one(
    random_weights: Path, drawn: Drawn
) -> None:
    short, longer = "a cat", "a big red circle on the white background"
    pipe = direct5.pipeline(random_weights)
    asked = ask(prompt=short, guidance=1.0)
    alone = direct5.draw(asked, pipe)
    same = [generator(), generator()]
    both = direct5.called(asked, pipe, prompt=[short, longer], generator=same).image
    assert furthest(pixels(both[0]), alone) > 5
    long = " ".join(["a red cat"] * 200)
    for other in (longer, long):
        assert np.array_equal(drawn(asked, f"prompt=[{short},{other}]")[0], alone)
    states, _, bounds = direct5.encoded(pipe, [short, long])
    known, _, _ = direct5.encoded(pipe, [short])
    assert not torch.allclose(states[0, : known.shape[1]], known[0], atol=1e-3)
    assert bounds.tolist()[1] != known.shape[1], "it is filled up, and cut, as the long one is"


@pytest.mark.parametrize(("guidance", "read"), [(4, ["a cat", NEGATIVE, "a dog"]), (1, PROMPTS)])
def test_each_text_is_encoded_once_for_all_prompts_and_seeds(
    guidance: float, read: list[str], random_weights: Path, tmp_path: Path
) -> None:
    """A call of diffusers encodes two texts, whatever was encoded before."""
    plan = planned(
        random_weights, tmp_path, "kandinsky5", f"prompt=[{','.join(PROMPTS)}]", "seeds=[1,2]",
        f"negative_prompt={NEGATIVE}", f"decoder.guidance_scale={guidance}", "cache=off",
    )  # fmt: skip
    made = cell_drawn(plan, opened(plan))
    assert len(made.pictures) == 4
    assert [one.node.params["prompt"] for one in made.of("encode_qwen")] == read


def test_several_pictures_of_two_prompts_are_mixed_up(random_weights: Path) -> None:
    """The runner draws each text in calls of its own: see `test_prompts_of_other_lengths...`."""
    pipe = direct5.pipeline(random_weights)
    qwen, clip, _ = direct5.encoded(pipe, ["a cat", "a dog"], num_images_per_prompt=2)
    assert torch.equal(qwen[0], qwen[1])
    assert not torch.equal(clip[0], clip[1])
    assert torch.equal(clip[0], clip[2])


def test_a_negative_prompt_without_guidance_is_told(random_weights: Path, tmp_path: Path) -> None:
    pipe = direct5.pipeline(random_weights)
    with_it, without = (
        direct5.draw(ask(guidance=0.5, negative=negative), pipe) for negative in (NEGATIVE, None)
    )
    assert np.array_equal(with_it, without)
    told = planned(
        random_weights, tmp_path, "kandinsky5", "negative_prompt=low quality",
        "decoder.guidance_scale=0.5",
    ).warnings  # fmt: skip
    assert any("negative_prompt is not used here" in one for one in told)


def test_without_a_negative_prompt_the_empty_one_is_read(
    random_weights: Path, drawn: Drawn
) -> None:
    pipe = direct5.pipeline(random_weights)
    assert np.array_equal(drawn(ask())[0], direct5.draw(ask(negative=""), pipe))
    names = ("prompt_embeds_qwen", "prompt_embeds_clip", "prompt_cu_seqlens")
    given = dict(zip(names, direct5.encoded(pipe, ["a cat"]), strict=True))
    with pytest.raises(TypeError):
        direct5.draw(ask(), pipe, prompt=None, negative_prompt=[NEGATIVE], **given)


TEXTS = (
    "a &amp;amp; b", "&amp;lt;|x|&amp;gt;", "  a \t b\n\nc\u00a0d\u3000e ", "&nbsp;a&#32;&#32;b",
    "a\x1cb \u200b c", "&amp;amp;amp;amp; a",
)  # fmt: skip


def test_what_cleans_a_text_is_part_of_the_key(
    random_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan reads texts as diffusers does, with or without ftfy."""
    for text in TEXTS:
        for module in (pipeline_kandinsky_t2i, pipeline_kandinsky_i2i):
            assert cleaned(text) == module.prompt_clean(text)

    def key() -> str:
        machine._version.cache_clear()
        return planned(random_weights, tmp_path, "kandinsky5").graph.in_order()[0].key

    before, known = key(), tmp_path / "ftfy-99.dist-info"
    known.mkdir()
    (known / "METADATA").write_text("Metadata-Version: 2.1\nName: ftfy\nVersion: 99\n")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        assert key() != before
    finally:
        machine._version.cache_clear()


@pytest.mark.parametrize(
    "text",
    [
        "a" + "    red" * 510, "a" + " red" * 510, "a" + "    red" * 511,
        "&amp;amp;amp;amp;amp; " + "a red cat &amp;amp; " * 75, "&amp;lt;" * 130,
    ],
    ids=["spaces at the border", "at the border", "spaces beyond it", "long", "HTML"],
)  # fmt: skip
def test_tokens_are_counted_of_what_is_read(
    text: str, random_weights: Path, tmp_path: Path
) -> None:
    pipe = direct5.pipeline(random_weights)
    read = pipeline_kandinsky_t2i.prompt_clean(text)
    counted = {
        "Qwen": (len(pipe.tokenizer(read)["input_ids"]) + 1, 512),
        "CLIP": (len(pipe.tokenizer_2(read)["input_ids"]), 77),
    }
    plan = planned(random_weights, tmp_path, "kandinsky5", f"prompt={json.dumps(text)}")
    expected = {name: one for name, one in counted.items() if one[0] > one[1]}
    assert {cut.reader: (cut.tokens, cut.most) for cut in plan.cut_texts} == expected


def test_a_long_text_is_cleaned_once(random_weights: Path, drawn: Drawn) -> None:
    """What is left of it is not cleaned again: `&amp;amp;amp;` is `&amp;` for the model."""
    words = ["a red cat"] * 200
    asked = ask(prompt=" ".join(["&amp;amp;amp;", *words]), guidance=1.0)
    pipe = direct5.pipeline(random_weights)
    read = pipeline_kandinsky_t2i.prompt_clean(asked.prompt)
    spans = pipe.tokenizer(read, return_offsets_mapping=True)["offset_mapping"]
    kept = read[: spans[511][0]].replace("&amp;", "&amp;amp;amp;")
    (made,) = drawn(asked)
    assert np.array_equal(made, direct5.draw(ask(prompt=kept, guidance=1.0), pipe))


def test_the_mark_of_a_picture_is_refused(random_weights: Path, refused: Refused) -> None:
    # Without the processor the tokenizer would take it for text.
    folder = random_weights / direct5.I2I / "tokenizer"
    pipe = direct5.pipeline(random_weights)
    pipe.tokenizer = PicturesAndText.of_folder(folder)
    with pytest.raises((ValueError, IndexError, TypeError)):
        direct5.encoded(pipe, ["a <|image_pad|>"])
    assert "<|image_pad|> is a mark of Kandinsky 5's" in refused(ask(), "prompt='a <|image_pad|>'")
