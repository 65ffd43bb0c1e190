"""Quantisation in the plan: what is refused, what is told, and whether it fits."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from helpers.packages import needs
from runner.catalog.quantization import METHODS
from runner.catalog.versions import CATALOG
from runner.errors import ConfigError
from runner.planning.memory import footprints_of, reckoned
from runner.planning.planner import make_plan
from runner.planning.quantization import check_quantization
from runner.recording.provenance import describe
from unit.conftest import Command, Compose

RELEASE = ("weights=random", "weights.size=release", "precision=bf16")
GB_24 = 24 * 2**30 / 1.15
"""Bytes of a card of 24 GB, less the reckoning's uncertainty."""


def refused(composed: Compose, device: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        check_quantization(composed(*overrides), device)
    return str(caught.value)


def test_a_missing_package_is_told_with_its_extra(
    composed: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("torchao", "bitsandbytes"):
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    said = refused(composed, "cpu", "quantize.denoiser=int8")
    assert said.startswith("quantize.denoiser=int8: needs the package torchao, which is not inst")
    assert "pip install 'kandinsky-runner[quantize]'; or quantize.denoiser=none" in said
    assert "bitsandbytes" in refused(composed, "cpu", "quantize.text=nf4")
    check_quantization(composed("quantize.text=fp8"), "cpu")
    # A cell without the module needs no package either.
    check_quantization(composed("model=kandinsky3", "quantize.prior=nf4"), "cpu")


@pytest.mark.parametrize(
    ("method", "device", "overrides", "said"),
    [
        ("fp8", "mps", (), "does not run on mps\n  allowed: none"),
        ("nf4", "cuda", ("offload=group",), "offload=group moves single layers\n  allowed: "
         "quantize.denoiser=none; or offload=none, model, auto"),
        ("int8", "cuda", ("offload=sequential",), "offload=sequential moves single layers"),
        ("fp8", "cuda", ("compile=default",), "the graph breaks at each layer (compile=default)"),
        ("int8", "cuda", ("compile=default",), "otherwise at each call"),
        ("fp8", "cuda", ("graphs=on",), "that a CUDA graph does not read (graphs=on)"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused(
    composed: Compose, method: str, device: str, overrides: tuple[str, ...], said: str
) -> None:
    needs(method)
    found = refused(composed, device, f"quantize.denoiser={method}", *overrides)
    assert found.startswith(f"quantize.denoiser={method}: ")
    assert said in found


def test_a_text_encoder_leaves_compiled_code_and_graphs_alone(composed: Compose) -> None:
    check_quantization(composed("quantize.text=fp8", "compile=default"), "cuda")
    check_quantization(composed("quantize.text=fp8", "graphs=on"), "cuda")


@pytest.mark.parametrize("mode", ["group", "group_stream", "sequential"])
def test_layers_that_are_cast_are_moved_one_by_one(composed: Compose, mode: str) -> None:
    check_quantization(composed("quantize.denoiser=fp8", f"offload={mode}"), "cuda")


def test_a_word_that_is_no_method_is_refused(command: Command) -> None:
    found = command("plan", "quantize.text=int4")
    assert found.status == 2
    assert "quantize.text=int4" in found.err
    assert "none, fp8, int8, nf4" in found.err


def test_every_version_says_what_each_key_means() -> None:
    for row in CATALOG:
        meant = [key for one in row.checkpoints.values() for key in one.quantizes]
        assert set(meant) == {"text", "denoiser", *(["prior"] if row.version.has_prior else [])}
        for one in row.checkpoints.values():
            assert {name for names in one.quantizes.values() for name in names} <= set(one.modules)


@pytest.mark.parametrize(
    ("overrides", "mode"),
    [
        (("model=kandinsky3", "quantize.text=nf4"), "none"),
        (("model=kandinsky5", "quantize.text=nf4", "quantize.denoiser=int8"), "none"),
        (("model=kandinsky5", "quantize.text=fp8", "quantize.denoiser=fp8"), "none"),
    ],
)
def test_the_release_fits_a_card_of_24_gb(
    composed: Compose, overrides: tuple[str, ...], mode: str
) -> None:
    needed = reckoned(make_plan(composed(*RELEASE, *overrides)))
    if "quantize.text=fp8" not in overrides:
        assert set(needed) == {"none", "model"}  # others are refused
    assert needed[mode] < GB_24
    version, *_ = overrides
    assert needed[mode] < reckoned(make_plan(composed(*RELEASE, version)))[mode] * 0.75


def test_weights_that_are_quantised_already_are_refused(
    command: Command, random_weights: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(random_weights / "kandinsky-3", folder / "kandinsky-3")
    file = folder / "kandinsky-3" / "text_encoder" / "config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, "quantization_config": {"quant_method": "bitsandbytes"}}))
    found = command("plan", "model=kandinsky3", f"weights={folder}")
    assert found.status == 2
    assert "says that its weights are quantised already, by bitsandbytes" in found.err
    assert "quantize.text, quantize.prior and quantize.denoiser quantise them" in found.err


def test_the_plan_knows_each_method(composed: Compose) -> None:
    for method in METHODS:
        plan = make_plan(composed(*RELEASE, f"quantize.denoiser={method}"))
        spec = plan.images[0].node.pipeline
        assert spec is not None
        assert spec.quantized == (("unet", method),)
        libraries = set(plan.images[0].node.libraries) - {"torch", "diffusers", "transformers"}
        assert libraries == set(METHODS[method].packages)


def test_one_layer_is_unpacked_and_an_embedding_never(composed: Compose) -> None:
    given = ("model=kandinsky5", *RELEASE, "quantize.text=nf4")
    (text,) = (one for one in footprints_of(make_plan(composed(*given)), 1) if one.unpacked)
    # Of Qwen 18,944 x 3584 and of CLIP 3072 x 768 numbers, in two bytes each.
    unpacked = {"text_encoder": 18_944 * 3584 * 2, "text_encoder_2": 3072 * 768 * 2}
    assert text.unpacked == unpacked


def test_bytes_of_quantised_weights_are_those_that_are_held() -> None:
    torchao = pytest.importorskip("torchao.quantization")
    import torch

    from runner.pipelines.quantization import held_bytes

    linear = torch.nn.Linear(256, 64, bias=False, dtype=torch.bfloat16)
    plain = torch.nn.Linear(8, 8, bias=False)
    torchao.quantize_(linear, torchao.Int8WeightOnlyConfig(set_inductor_config=False))
    assert 256 * 64 < held_bytes(linear) < 1.1 * 256 * 64
    assert held_bytes(linear, plain, plain, kind="cpu") == held_bytes(linear) + 8 * 8 * 4
    assert held_bytes(linear, kind="cuda") == 0


def test_records_name_the_packages_that_quantise_where_they_do(composed: Compose) -> None:
    def libraries(*overrides: str) -> set[str]:
        return set(describe(make_plan(composed(*overrides)))["libraries"])

    usual = libraries()
    assert libraries("quantize.denoiser=nf4") - usual == {"bitsandbytes"}
    assert libraries("quantize.prior=int8") - usual == {"torchao"}
    assert libraries("quantize.denoiser=fp8") == usual
