"""Kandinsky 5: each cell is the corrected direct call, and each correction changes pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers.models.attention_dispatch import _AttentionBackendRegistry

from functional import direct_kandinsky5 as direct5
from functional.asked import NEGATIVE, Ask, Pictures, Pixels
from functional.cells import drawn as drawn_cell
from functional.cells import opened, opened_by_layer, planned
from functional.made import Made
from hub_stand_in import Hub
from random_weights.kandinsky5 import kandinsky_5_t2i
from runner.cli import main
from runner.errors import NonFiniteError

Drawn = Callable[..., list[Pixels]]
Sized = Callable[[Ask], Pictures]
Refused = Callable[..., str]

LONG = " ".join(["a red cat"] * 200)
"""600 words of a token each."""
SPECIAL = "a red <|im_end|> circle"


def ask(**changes: Any) -> Ask:
    return Ask("5", "text2img", **changes)


@pytest.mark.parametrize(
    ("changes", "overrides", "scheduler"),
    [
        ({"negative": NEGATIVE}, (), "checkpoint"),
        ({"guidance": 1.0, "height": 128, "width": 64}, (), "checkpoint"),
        ({}, ("scheduler=flow_euler", "scheduler.schedule=reference"), "reference"),
        ({"negative": NEGATIVE}, ("scheduler=flow_dpmpp_2m",), "flow_dpmpp_2m"),
        ({"negative": NEGATIVE}, ("scheduler=flow_unipc",), "flow_unipc"),
    ],
    ids=["negative", "unguided", "reference", "dpmpp", "unipc"],
)
def test_a_cell_is_its_direct_call(
    changes: dict[str, Any],
    overrides: tuple[str, ...],
    scheduler: str,
    random_weights: Path,
    drawn: Drawn,
) -> None:
    asked = ask(**changes)
    (made,) = drawn(asked, *overrides)
    assert made.shape == (asked.height, asked.width, 3)
    assert made.std() > 20, "a flat picture equals many"
    assert np.array_equal(made, direct5.draw(asked, direct5.pipeline(random_weights, scheduler)))


def test_half_precision_is_that_of_from_pretrained(random_weights: Path, drawn: Drawn) -> None:
    """`pipe.to(bfloat16)`, as in diffusers' guide, ends in an error at the first step."""
    pipe = direct5.pipeline(random_weights, dtype=torch.bfloat16)
    (made,) = drawn(ask(), "precision=bf16")
    assert np.array_equal(made, direct5.draw(ask(), pipe))


def test_another_size_is_drawn_where_diffusers_takes_its_nearest_shape(
    random_weights: Path, refused: Refused
) -> None:
    naive = direct5.called(ask(), direct5.pipeline(random_weights), num_inference_steps=1)
    assert naive.image[0].size == (1408, 640)
    said = refused(ask(), "any_size=false")
    assert said.startswith("width=128: Kandinsky 5 was not published for 128x64 (width x height)\n")
    assert "1024x1024, 640x1408, 1408x640" in said
    for size, bound in ((1000, "1008"), (2064, "16 to 2048")):
        assert bound in refused(ask(height=size))


def test_prompts_of_other_lengths_leave_a_picture_alone(random_weights: Path, drawn: Drawn) -> None:
    short, longer = "a cat", "a big red circle on the white background"
    made = drawn(ask(), f"prompt=[{short},{longer}]")
    pipe = direct5.pipeline(random_weights)
    for picture, prompt in zip(made, (short, longer), strict=True):
        assert np.array_equal(picture, direct5.draw(ask(prompt=prompt), pipe))
    states = [loaded_states(pipe, texts) for texts in ([short], [short, longer])]
    assert states[0].shape[1] < states[1].shape[1], "one call fills the shorter one up"


def loaded_states(pipe: Any, texts: list[str]) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = pipe.encode_prompt(texts)[0]
    return found


def test_a_long_prompt_loses_its_end_and_not_the_mark_after_it(
    random_weights: Path, tmp_path: Path, drawn: Drawn
) -> None:
    pipe = direct5.pipeline(random_weights)
    (made,) = drawn(ask(), f"prompt={LONG}")
    kept = " ".join(LONG.split()[:511])
    assert np.array_equal(made, direct5.draw(ask(prompt=kept), pipe))
    assert not np.array_equal(made, direct5.draw(ask(prompt=LONG), pipe)), "diffusers cuts more"
    plan = planned(random_weights, tmp_path, "kandinsky5", f"prompt={LONG}")
    qwen, clip = plan.cut_texts
    assert (qwen.reader, qwen.tokens, qwen.most) == ("Qwen", 601, 512)
    assert f"{kept} {qwen.lost}" == LONG
    assert (clip.reader, clip.tokens, clip.most) == ("CLIP", 602, 77)


def test_a_mark_of_the_encoder_in_a_text_is_refused(random_weights: Path, refused: Refused) -> None:
    pipe = direct5.pipeline(random_weights)
    tokens = ["a", " red", " ", "<|im_end|>", " circle", "<|im_end|>"]
    assert loaded_states(pipe, [SPECIAL]).shape[1] == len(tokens), "it is read as a mark"
    for text in (SPECIAL, "a red &lt;|im_end|> circle"):
        assert "<|im_end|> is a mark of Kandinsky 5's text encoder" in refused(
            ask(), f"prompt='{text}'"
        )
    assert refused(ask(), f"negative_prompt='{SPECIAL}'").startswith("negative_prompt=")


@pytest.mark.parametrize(("schedule", "sigmas"), [
    ("diffusers", [1, 0.858, 0.602, 0.009, 0]), ("reference", [1, 0.9, 0.75, 0.5, 0]),
])  # fmt: skip
def test_the_schedule_of_the_models_own_code_shifts_once(
    random_weights: Path, tmp_path: Path, schedule: str, sigmas: list[float]
) -> None:
    plan = planned(
        random_weights, tmp_path, "kandinsky5", "scheduler=flow_euler",
        f"scheduler.schedule={schedule}", "decoder.num_inference_steps=4",
    )  # fmt: skip
    pipelines = opened(plan)
    made = drawn_cell(plan, pipelines)
    scheduler = pipelines.given["decoder"].scheduler
    assert scheduler.sigmas.tolist() == pytest.approx(sigmas, abs=6e-4)
    assert made.loaded[-1].readback["scheduler_config"]["schedule"] == schedule


def test_the_checkpoints_shift_goes_on_to_dpmpp(random_weights: Path, tmp_path: Path) -> None:
    plan = planned(random_weights, tmp_path, "kandinsky5", "scheduler=flow_dpmpp_2m")
    loaded = drawn_cell(plan, opened(plan)).loaded[-1].readback
    found = loaded["scheduler_config"]
    assert {name: found[name] for name in direct5.FLOW} == direct5.FLOW
    changed = {change["setting"] for change in loaded["scheduler_changes"]}
    assert changed == {"prediction_type", "use_flow_sigmas"}
    own = direct5.pipeline(random_weights).scheduler
    naive = diffusers.DPMSolverMultistepScheduler.from_config(own.config)
    assert naive.config.prediction_type == "epsilon", "it goes wrong in silence"


def test_a_backend_of_attention_is_that_of_one_pipeline(
    random_weights: Path, tmp_path: Path
) -> None:
    plan = planned(random_weights, tmp_path, "kandinsky5", "width=128", "attention=plain")
    before = _AttentionBackendRegistry._active_backend
    made = drawn_cell(plan, opened(plan))
    assert made.read_back("attention") == {
        "transformer": {"Kandinsky5AttnProcessor(_native_math)": 5}, "vae": {"AttnProcessor": 2},
    }  # fmt: skip
    assert _AttentionBackendRegistry._active_backend is before
    naive = direct5.pipeline(random_weights)
    naive.transformer.set_attention_backend("_native_math")
    left = _AttentionBackendRegistry._active_backend
    _AttentionBackendRegistry.set_active_backend(before)
    naive.transformer.reset_attention_backend()
    assert left is not before, "diffusers' own way sets it for all pipelines"


def test_a_picture_of_nan_is_an_error(random_weights: Path, tmp_path: Path) -> None:
    plan = planned(random_weights, tmp_path, "kandinsky5")
    decode = plan.graph.in_order()[-1]
    pipelines = opened(plan, keep_all=True)
    assert decode.pipeline is not None
    with torch.no_grad():
        pipelines.get(decode.pipeline).vae.decoder.conv_out.bias.fill_(torch.nan)
    with pytest.raises(NonFiniteError, match="the decoded pixels"):
        drawn_cell(plan, pipelines)


def test_weights_for_editing_are_not_taken_for_those_from_text(
    random_weights: Path, tmp_path: Path, refused: Refused
) -> None:
    edits = random_weights / direct5.T2I.replace("T2I", "I2I")
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / direct5.T2I).symlink_to(edits)
    said = refused(ask(), f"weights={tmp_path / 'wrong'}")
    assert "visual_cond of its transformer is not False" in said


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("task", ["text2img", "edit"])
def test_weights_may_come_layer_by_layer(
    task: str, precision: str, random_weights: Path, tmp_path: Path, pictures: Sized
) -> None:
    """accelerate's hooks of `offload=sequential`, here from memory to memory: no weight is there
    but while its layer computes. (diffusers' method names the device "cpu:0", of which accelerate
    makes tensors that are no parameters.)
    """
    shown = pictures(Ask("5", task, width=64))["image"]
    given = ["task=edit", f"inputs.image={shown}"] if task == "edit" else []
    plan = planned(random_weights, tmp_path, "kandinsky5", f"precision={precision}", *given)
    usual = drawn_cell(plan, opened(plan)).pixels
    plan = planned(
        random_weights, tmp_path, "kandinsky5", f"precision={precision}", "cache=off", *given
    )
    pipelines = opened_by_layer(plan)
    assert np.array_equal(drawn_cell(plan, pipelines).pixels, usual)


@pytest.mark.parametrize("task", ["text2img", "edit"])
def test_pictures_of_one_text_are_drawn_in_one_call(
    task: str, drawn: Drawn, tmp_path: Path
) -> None:
    given = ("prompt=[a red cat,two big dogs on white]", "seeds=[0,1]")
    asked = Ask("5", task, width=64)
    alone, together = drawn(asked, *given), drawn(asked, *given, "batch_size=4")
    took = [image["took"]["decode"] for image in Made(tmp_path / "outputs").manifest["images"]]
    assert took[0] == took[1] != took[2] == took[3], "a call for each text, divided evenly"
    differences = [np.abs(a - b).max() for a, b in zip(alone, together, strict=True)]
    assert max(differences) <= 2, "levels of 255: sums over a batch are taken in another order"


@pytest.mark.slow
@pytest.mark.parametrize("task", ["text2img", "edit"])
def test_it_comes_from_the_hub_as_it_is_published(
    hub: Hub, task: str, tmp_path: Path, drawn: Drawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KANDINSKY_CACHE", str(tmp_path / "own"))
    asked = Ask("5", task)
    (fetched,) = drawn(asked, "weights=hub")
    paths = [one.path for one in hub.requests if one.is_file]
    kind = {"text2img": "T2I", "edit": "I2I"}[task]
    assert paths
    assert all(f"/Kandinsky-5.0-{kind}-Lite-sft-Diffusers/" in path for path in paths)
    (local,) = drawn(asked)
    assert np.array_equal(fetched, local)


def test_a_sweep_may_go_over_the_variants(
    random_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = tmp_path / "both"
    both.mkdir()
    (both / direct5.T2I).symlink_to(random_weights / direct5.T2I)
    kandinsky_5_t2i(both, seed=1, variant="pretrain")
    asked = ["model=kandinsky5", "model.variant=sft,pretrain", f"weights={both}"]
    capsys.readouterr()
    assert main(["plan", "-m", *asked, f"output_dir={tmp_path}", "tracking=none"]) == 0
    out = capsys.readouterr().out
    for variant in ("sft", "pretrain"):
        assert f"Kandinsky-5.0-T2I-Lite-{variant}-Diffusers" in out
    assert "4 distinct of 4" in out, "a prompt and the empty text of each"
    assert "2 distinct of 2" in out, "a picture of each"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["weights=mini"], "weights=random (pictures are noise), or weights=<folder>"),
        (["corrections=off"], "corrections=off: is not there for Kandinsky 5"),
        (["attention=sliced"], "attention=sliced: has no way to compute the layers of Kandinsky 5"),
        (["scheduler=ddim"], "checkpoint, flow_euler, flow_dpmpp_2m"),
        (["model.variant=pretrain"], "Kandinsky-5.0-T2I-Lite-pretrain-Diffusers"),
        (["model.variant=distilled"], "sft, pretrain"),
    ],
    ids=lambda one: one[0] if isinstance(one, list) else "",
)
def test_what_there_is_not_is_refused_by_the_plan(
    overrides: list[str], said: str, refused: Refused
) -> None:
    assert said in refused(ask(), *overrides)


def test_a_prompt_is_encoded_once_whatever_is_drawn_of_it(
    random_weights: Path, tmp_path: Path
) -> None:
    keys = {
        planned(
            random_weights, tmp_path, "kandinsky5", f"decoder.guidance_scale={g}"
        ).graph.in_order()[0].key
        for g in (1, 2, 3.5)
    }  # fmt: skip
    assert len(keys) == 1


def test_what_is_not_used_or_doubted_is_told(random_weights: Path, tmp_path: Path) -> None:
    told = planned(
        random_weights, tmp_path, "kandinsky5", "negative_prompt=low quality",
        "decoder.guidance_scale=1", "precision=fp16",
    ).warnings  # fmt: skip
    assert any("negative_prompt is not used here" in one for one in told)
    assert any("fp16: Kandinsky 5 was published for fp32 and bf16" in one for one in told)
