"""Kandinsky 5: each fault of diffusers' pipelines is there, and is right or refused in the runner.

`FAULTS` names the test of each. They call diffusers naively, too, so that they tell when it has
mended one.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from functional import direct_kandinsky5 as direct5
from functional.asked import Ask, Pictures, Pixels

Drawn = Callable[..., list[Pixels]]
Sized = Callable[[Ask], Pictures]
Refused = Callable[..., str]


T2I, I2I, HERE = "test_kandinsky5", "test_kandinsky5_edit", "test_kandinsky5_faults"
TEXTS, PICTURES = "test_kandinsky5_texts", "test_kandinsky5_pictures"

FAULTS = {
    "another size becomes the nearest shape":
        (T2I, "test_another_size_is_drawn_where_diffusers_takes_its_nearest_shape"),
    "editing: a small picture becomes one of a million pixels":
        (PICTURES, "test_an_edited_picture_keeps_its_size"),
    "editing: the autoencoder gets a stretched picture, Qwen the whole one":
        (I2I, "test_a_picture_of_another_shape_is_cut_once_for_both"),
    "editing: the first 5 tokens of the instruction are lost":
        (TEXTS, "test_templates_are_those_of_this_version_of_diffusers"),
    "templates differ between versions":
        (I2I, "test_a_picture_counts_for_the_text_and_what_it_is_read_with_for_the_key"),
    "of two prompts the shorter one is changed":
        (TEXTS, "test_one_call_for_two_prompts_changes_the_shorter_one"),
    "several pictures of two prompts mix them up":
        (TEXTS, "test_several_pictures_of_two_prompts_are_mixed_up"),
    "a long prompt loses the mark at its end, and other words than the warning says":
        (T2I, "test_a_long_prompt_loses_its_end_and_not_the_mark_after_it"),
    "beside a long prompt a short one is cut to nothing":
        (TEXTS, "test_one_call_for_two_prompts_changes_the_shorter_one"),
    "CLIP cuts at 77 tokens without a word":
        (T2I, "test_a_long_prompt_loses_its_end_and_not_the_mark_after_it"),
    "a negative prompt means nothing without guidance":
        (TEXTS, "test_a_negative_prompt_without_guidance_is_told"),
    "no negative prompt is the empty one, and beside embeddings an error":
        (TEXTS, "test_without_a_negative_prompt_the_empty_one_is_read"),
    "of a prompt and its embeddings one wins": "the stage `decode` hands over embeddings alone",
    "ftfy mends texts where it is installed":
        (TEXTS, "test_what_cleans_a_text_is_part_of_the_key"),
    "marks of the encoder are obeyed":
        (T2I, "test_a_mark_of_the_encoder_in_a_text_is_refused"),
    "the mark of a picture ends in an error about tokens":
        (TEXTS, "test_the_mark_of_a_picture_is_refused"),
    "the steps are shifted twice":
        (T2I, "test_the_schedule_of_the_models_own_code_shifts_once"),
    "times of steps are rounded to the precision":
        "nothing to do: the model's own code hands them over so; docs/kandinsky-5.md says it",
    "queries and keys are rounded to bfloat16":
        (HERE, "test_float32_is_not_all_in_32_bits"),
    "editing: the caller's latents are written over": "the runner gives none",
    "editing: latents are wanted with the picture's channels": "the runner gives none",
    "editing: schedulers that keep the sample go wrong":
        (PICTURES, "test_unipc_edits_from_samples_of_its_own"),
    "one generator for the noise, then for the picture's latent":
        (I2I, "test_a_cell_is_its_direct_call"),
    "NaN is a black picture":
        (HERE, "test_nan_is_a_black_picture"),
    "no steps are noise that is decoded":
        (HERE, "test_no_steps_are_refused"),
    "an unknown output_type, a set _interrupt": "the runner sets neither",
    "an attention backend is set for all pipelines":
        (T2I, "test_a_backend_of_attention_is_that_of_one_pipeline"),
    "attention slicing changes nothing":
        (HERE, "test_sliced_attention_does_nothing"),
    "`pipe.to(dtype)` ends in an error at the first step":
        (HERE, "test_a_precision_after_loading_ends_in_an_error"),
    "weights for another task load":
        (HERE, "test_weights_for_editing_end_in_an_error_at_the_first_step"),
    "pictures that are not RGB are errors":
        (PICTURES, "test_pictures_of_other_modes_are_edited"),
    "turned pictures stay turned":
        (PICTURES, "test_a_turned_picture_is_edited_upright"),
    "a tiny picture is an error":
        (PICTURES, "test_a_tiny_picture_is_edited"),
    "a picture of too many tokens ends in an error":
        (PICTURES, "test_too_large_a_picture_is_refused"),
    "editing: several pictures a call are an error":
        (T2I, "test_pictures_of_one_text_are_drawn_in_one_call"),
    "a callback that returns nothing is an error": "that of the runner returns what it is given",
    "other schedulers take velocity for noise":
        (T2I, "test_the_checkpoints_shift_goes_on_to_dpmpp"),
    "schedulers that draw noise have no generator, or end with noise left":
        "refused: tests/unit/test_flow_schedulers.py",
    "any folder wants torchvision":
        (HERE, "test_a_folder_loads_without_torchvision"),
}  # fmt: skip
"""Fault of diffusers 0.42 -> module and name of its test, or why the runner cannot meet it."""


def ask(task: str = "text2img", **changes: Any) -> Ask:
    return Ask("5", task, **{"width": 64, **changes})


def test_every_fault_has_its_test() -> None:
    for named in FAULTS.values():
        if not isinstance(named, str):
            assert hasattr(import_module(f"functional.{named[0]}"), named[1]), named


def test_float32_is_not_all_in_32_bits() -> None:
    """Said in docs/kandinsky-5.md; nothing to correct without other weights."""
    from diffusers.models.transformers.transformer_kandinsky import Kandinsky5AttnProcessor

    source = Path(import_module(Kandinsky5AttnProcessor.__module__).__file__ or "").read_text()
    assert source.count(".to(torch.bfloat16)") == 1


def test_nan_is_a_black_picture(random_weights: Path) -> None:
    """The runner's error: `test_a_picture_of_nan_is_an_error`."""
    pipe = direct5.pipeline(random_weights)
    with torch.no_grad():
        bias = pipe.vae.decoder.conv_out.bias
        kept = bias.clone()
        bias.fill_(torch.nan)
        try:
            assert not direct5.draw(ask(guidance=1.0), pipe).any()
        finally:
            bias.copy_(kept)


def test_no_steps_are_refused(random_weights: Path, refused: Refused) -> None:
    pipe = direct5.pipeline(random_weights)
    assert direct5.draw(ask(), pipe, num_inference_steps=0).std() > 5
    assert "decoder.num_inference_steps" in refused(ask(), "decoder.num_inference_steps=0")


def test_sliced_attention_does_nothing(random_weights: Path, refused: Refused) -> None:
    usual, sliced = direct5.pipeline(random_weights), direct5.pipeline(random_weights)
    sliced.enable_attention_slicing()
    asked = ask(guidance=1.0)
    assert np.array_equal(direct5.draw(asked, usual), direct5.draw(asked, sliced))
    assert refused(ask(), "attention=sliced").startswith("attention=sliced")


def test_a_precision_after_loading_ends_in_an_error(random_weights: Path) -> None:
    """The runner's: `test_half_precision_is_that_of_from_pretrained`."""
    pipe = diffusers.Kandinsky5T2IPipeline.from_pretrained(
        random_weights / direct5.T2I, local_files_only=True,
        tokenizer=direct5.loaded_editor(random_weights)["tokenizer"],
    )  # fmt: skip
    with pytest.raises(RuntimeError, match="Float"):
        direct5.draw(ask(), pipe.to(dtype=torch.bfloat16))


def test_weights_for_editing_end_in_an_error_at_the_first_step(random_weights: Path) -> None:
    """The runner's: `test_weights_for_editing_are_not_taken_for_those_from_text`."""
    pipe = direct5.pipeline(random_weights)
    pipe.transformer = direct5.loaded_editor(random_weights)["transformer"]
    with pytest.raises(RuntimeError):
        direct5.draw(ask(), pipe)


def test_a_folder_loads_without_torchvision(random_weights: Path, drawn: Drawn) -> None:
    if diffusers.utils.import_utils.is_torchvision_available():
        pytest.skip("torchvision is installed")
    with pytest.raises((ValueError, OSError, ImportError)):
        diffusers.Kandinsky5T2IPipeline.from_pretrained(
            random_weights / direct5.T2I, local_files_only=True, transformer=None, vae=None
        )
    assert drawn(ask(guidance=1.0))[0].std() > 20
