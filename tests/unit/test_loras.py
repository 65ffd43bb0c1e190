"""LoRAs that are refused, each with one message, before a weight is read; and what files say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from helpers.small_loras import OF_PRIOR, OTHER, PRIOR, STYLE, Arrays, small_lora, write_loras
from runner import api
from runner.api.planned import PlannedSweep
from runner.cli import main
from runner.errors import ConfigError
from runner.planning.planner import make_plan
from runner.recording.params import params_of
from runner.recording.provenance import describe
from runner.runs.find import RunRecord
from runner.runs.recorded_loras import with_loras
from runner.system.hashes import file_sha256
from runner.weights.lora_places import packaged_file
from unit.conftest import Compose

TO_Q = "mid_block.attentions.0.to_q"
A, B = f"{TO_Q}.lora_A.weight", f"{TO_Q}.lora_B.weight"
METADATA = "lora_adapter_metadata"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with three LoRAs."""
    write_loras(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(*entries: str) -> str:
    return f"lora=[{','.join(entries)}]"


def said_of(tensors: Arrays, composed: Compose, *more: str, **metadata: Any) -> str:
    """The message for a file with these tensors."""
    told = {METADATA: json.dumps(metadata)} if metadata else None
    save_file(tensors, "own.safetensors", metadata=told)
    with pytest.raises(ConfigError) as caught:
        make_plan(composed(asked("{path: own.safetensors}"), *more))
    return str(caught.value)


CHANGES: dict[str, tuple[Callable[[Arrays], Any], str]] = {
    "nothing": (lambda own: own.clear(), "holds no tensor"),
    "kohya": (
        lambda own: own.update({"lora_unet_mid_block_x.lora_down.weight": own[A]}),
        "has a tensor 'lora_unet_mid_block_x.lora_down.weight', which is of kohya's layout",
    ),
    "peft's own": (
        lambda own: own.update({f"base_model.model.{A}": own.pop(A)}),
        "which peft's own save_pretrained writes",
    ),
    "DoRA": (
        lambda own: own.update({f"{TO_Q}.lora_magnitude_vector": own[A][0]}),
        "which is of a DoRA",
    ),
    "a bias": (lambda own: own.update({f"{TO_Q}.lora_B.bias": own[A][0]}), "a bias"),
    "a text encoder": (
        lambda own: own.update({f"text_encoder.{A}": own[A]}), "no text encoder takes a LoRA here"
    ),
    "a model's weights": (
        lambda own: own.update({"conv_in.weight": own[A]}),
        "has a tensor 'conv_in.weight', which is none of a LoRA that is read",
    ),
    "a name of two lines": (
        lambda own: own.update({"x\n  allowed: y": own[A]}), "has a tensor 'x\\n  allowed: y'"
    ),
    "half of a layer": (lambda own: own.pop(B), f"has '{A}', and nothing for '{B}'"),
    "an alpha of no layer": (
        lambda own: own.update({"conv_in.alpha": np.ones(1, np.float32)}),
        "has 'conv_in.alpha', and nothing for 'conv_in.lora_A.weight'",
    ),
    "whole numbers": (
        lambda own: own.update({A: own[A].astype(np.int32)}),
        f"has '{A}' in I32\n  allowed: a LoRA in one of F64, F32, F16, BF16",
    ),
    "other ranks": (lambda own: own.update({A: own[A][:1]}), "which give no rank"),
    "another width": (
        lambda own: own.update({A: own[A][:, :5].copy()}),
        f"does not fit the unet of the decoder: '{A}' is [2, 5], and the layer's weights are [",
    ),
    "an unknown layer": (
        lambda own: own.update({"x.lora_A.weight": own[A], "x.lora_B.weight": own[B]}),
        "'x.lora_A.weight' is [2, 96], and it has no such layer",
    ),
    "two layouts": (
        lambda own: own.update({f"{TO_Q}.lora.down.weight": own[A]}), "twice, in two layouts"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "said"), CHANGES.values(), ids=CHANGES)
def test_a_file_that_would_be_left_out_in_part(
    change: Callable[[Arrays], Any], said: str, composed: Compose, here: Path
) -> None:
    tensors = small_lora()
    change(tensors)
    message = said_of(tensors, composed)
    assert message.startswith(f"lora[0].path={here / 'own.safetensors'}: ")
    assert said in message


METADATA_SAYS = {
    "dora": ({"use_dora": True, "lora_alpha": 1}, "is a DoRA"),
    "rslora": ({"use_rslora": True, "lora_alpha": 1}, "scaled by the root of its rank"),
    "no alpha": ({"r": 2}, "without lora_alpha"),
    "a text": ({"lora_alpha": "x"}, "an alpha that is no number"),
    "a long alpha": ({"lora_alpha": 10**400}, "an alpha that is no number: lora_alpha '1000"),
    "a pattern": ({"lora_alpha": 1, "alpha_pattern": {"(a+)+$": 1}}, "none of names of layers"),
}


@pytest.mark.parametrize(("told", "said"), METADATA_SAYS.values(), ids=METADATA_SAYS)
def test_a_file_whose_metadata_says_another_kind(
    told: dict[str, Any], said: str, composed: Compose, here: Path
) -> None:
    assert said in said_of(small_lora(), composed, **told)


REFUSED: dict[str, tuple[str, str]] = {
    "no path": (asked("{weight: 1}"), "lora[0].path=null: names no file"),
    "no number": (asked(f"{{path: {STYLE}, weight: nan}}"), "lora[0].weight=nan: is no finite"),
    "none there": (asked("{path: none.safetensors}"), "no such file"),
    "of nobody": (asked("{path: '~nosuchuser/x'}"), "lora[0].path=~nosuchuser/x: cannot be read"),
    "too long": (asked(f"{{path: {'x' * 5000}}}"), "cannot be read: File name too long"),
    "of the hub": (
        asked("{path: user/style}"), "not in the hub's cache\n  allowed: a safetensors file with "
        "the LoRA of one model; `hf download user/style` before; or weights=hub"
    ),
    "none of the family": (asked("{path: 'mini:x'}"), "lora[0].path=mini:x: is no LoRA of the sma"),
    "no file of a folder": (
        asked("{path: ., file: x.safetensors}"), "lora[0].file=x.safetensors: "
    ),
    "a file of a file": (asked(f"{{path: {STYLE}, file: x}}"), "lora[0].file=x: names a file of"),
    "a revision of a file": (
        asked(f"{{path: {STYLE}, revision: v1}}"), "lora[0].revision=v1: is of a repository"
    ),
    "a pickle of a folder": (asked("{path: ., file: a.bin}"), "a pickle can run code"),
    "a pickle": (asked("{path: a.bin}"), "is pickled, and a LoRA is read from safetensors alone"),
    "a picture": (asked("{path: a.png}"), "is no safetensors file"),
    "cut off": (asked("{path: cut.safetensors}"), "where its header says"),
    "a folder of several": (asked("{path: .}"), "holds 4 safetensors files"),
    "twice": (asked(f"{{path: {STYLE}}}", f"{{path: {STYLE}}}"), "is that of lora[0].path"),
    "of the prior": (
        asked(f"{{path: {OF_PRIOR}}}"), "does not fit the unet of the decoder (it fits the prior)"
    ),
    "of the decoder": (
        asked(f"{{path: {STYLE}, role: prior}}"), "does not fit the prior (it fits the decoder)"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("override", "said"), REFUSED.values(), ids=REFUSED)
def test_an_entry_that_is_refused(override: str, said: str, composed: Compose, here: Path) -> None:
    (here / "a.bin").write_bytes(b"PK")
    (here / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" * 9)
    whole = (here / STYLE).read_bytes()
    (here / "cut.safetensors").write_bytes(whole[: 8 + int.from_bytes(whole[:8], "little")])
    with pytest.raises(ConfigError) as caught:
        make_plan(composed(override))
    assert said in str(caught.value)


ALL = f"lora=[{{path: {STYLE}}}]"
OF_AXES = "axes={lora.0.weight: [0.25, 0.5]}"


@pytest.mark.parametrize(
    "given", [(ALL, OF_AXES), (OF_AXES, ALL), ("lora.0.weight=0.25,0.5", ALL)], ids=str
)
def test_the_weight_is_an_axis_wherever_the_list_stands(
    given: tuple[str, ...], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "-m", *given]) == 0
    assert "of the decoder, weight 0.25, 0.5" in capsys.readouterr().out
    if OF_AXES not in given:
        plans = api.plan(given[0], lora=[{"path": STYLE}])
        assert isinstance(plans, PlannedSweep)
        assert [plan.run.lora[0].weight for plan in plans] == [0.25, 0.5]


WRONG_ENTRIES = {
    "no such role": (
        (asked(f"{{path: {STYLE}}}", f"{{path: {STYLE}, role: unet}}"),),
        "lora[1].role=unet: is none of its values\n  allowed: prior, decoder",
    ),
    "no such role of an entry": (
        (asked(f"{{path: {STYLE}}}"), "lora.0.role=unet"),
        "lora.0.role=unet: is none of its values\n  allowed: prior, decoder",
    ),
    "null": (
        (asked(f"{{path: {STYLE}, weight: null}}"),),
        "lora[0].weight=null: cannot be null\n  allowed: a finite number",
    ),
    "null of an entry": (
        (asked(f"{{path: {STYLE}}}"), "lora.0.weight=null"),
        "lora.0.weight=null: cannot be null\n  allowed: a finite number",
    ),
    "no list": (("lora.0.weight=0.5",), "lora.0.weight=0.5: lora has no entry 0\n  allowed: "),
    "no number": (("lora.weight=0.5",), "'weight' is no number of an entry"),
    "no number of a seed": (("seeds.x=1",), "seeds is a list, and 'x' is no number of an entry"),
}  # fmt: skip


@pytest.mark.parametrize(("given", "said"), WRONG_ENTRIES.values(), ids=WRONG_ENTRIES)
def test_an_entry_that_cannot_be_composed(
    given: tuple[str, ...], said: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", *given]) == 2
    assert said in capsys.readouterr().err


def test_a_version_that_takes_none(composed: Compose, here: Path) -> None:
    for overrides, said in (
        (("model=kandinsky3", asked(f"{{path: {STYLE}}}")),
         "lora[0]=style.safetensors: diffusers adds LoRAs to no model of Kandinsky 3"),
        (("model=kandinsky5", asked(f"{{path: {STYLE}, role: prior}}"), "weights=hub"),
         "lora[0].role=prior: Kandinsky 5 has none that takes a LoRA"),
    ):  # fmt: skip
        with pytest.raises(ConfigError) as caught:
            make_plan(composed(*overrides))
        assert str(caught.value).startswith(said)


def test_without_peft(composed: Compose, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.system.machine.is_installed", lambda name: name != "peft")
    with pytest.raises(ConfigError) as caught:
        make_plan(composed(asked(f"{{path: {STYLE}}}")))
    assert "pip install 'kandinsky-runner[lora]'" in str(caught.value)


def test_the_key_is_of_content_and_order(composed: Compose, here: Path) -> None:
    """The same bytes elsewhere are the same; peft is part of keys where there is a LoRA alone."""

    def node(*entries: str) -> Any:
        (image,) = make_plan(composed(asked(*entries))).images
        return image.node

    (here / "elsewhere").mkdir()
    (here / "elsewhere" / "x.safetensors").write_bytes((here / STYLE).read_bytes())
    style, other = f"{{path: {STYLE}}}", f"{{path: {OTHER}}}"
    assert node(style).key == node("{path: elsewhere}").key
    assert node(style).key == node(f"{{path: ., file: {STYLE}}}").key
    assert node(style, other).key != node(other, style).key
    assert node().key == node(f"{{path: {STYLE}, weight: 0}}").key
    assert "peft" in node(style).libraries
    assert "peft" not in node().libraries
    prior = node(f"{{path: {OF_PRIOR}, role: prior}}")
    assert prior.key != node().key
    assert prior.pipeline == node().pipeline, "the decoder itself is without"


def test_a_plan_reckons_with_its_memory(composed: Compose, here: Path) -> None:
    plain, more = (make_plan(composed(asked(*e))) for e in ((), (f"{{path: {STYLE}}}",)))
    sizes = [
        sum(plan.weights.checkpoints["decoder"].footprint(plan.run.precision.decoder, 1)
            .weights.values())
        for plan in (plain, more)
    ]  # fmt: skip
    assert sizes[1] - sizes[0] == 4 * sum(array.size for array in small_lora().values())
    assert small_lora(PRIOR).keys() != small_lora().keys()


def test_a_recorded_lora_of_the_small_family_keeps_its_name() -> None:
    file = packaged_file("stripes")
    assert file is not None
    entry = {"path": "mini:stripes", "weight": 1.0, "role": "decoder"}
    told = {"path": "/elsewhere/stripes.safetensors", "sha256": file_sha256(file)}
    record = RunRecord(Path("m"), {"lora": [entry]}, {"loras": {"lora[0].path": told}}, ())
    assert with_loras(record, record.config) == record.config
    told["sha256"] = "0" * 64
    with pytest.raises(ConfigError, match="mini:stripes"):
        with_loras(record, record.config)


def test_parameters_in_mlflow_are_named_as_axes_are(composed: Compose, here: Path) -> None:
    plan = make_plan(composed(asked(f"{{path: {STYLE}, weight: 0.49543508709194095}}")))
    params = params_of(plan, describe(plan))
    assert {name: value for name, value in params.items() if name.startswith("lora")} == {
        "lora.0.path": str(here / STYLE), "lora.0.weight": "0.49543508709194095",
        "lora.0.role": "decoder", "lora.0.rank": "2", "lora.0.sha256": file_sha256(here / STYLE),
    }  # fmt: skip
    plain = make_plan(composed(asked()))
    assert not any(name.startswith("lora") for name in params_of(plain, describe(plain)))
