"""Quantised modules: pictures are those of the libraries' own calls, and facts are read back."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers.hooks import apply_layerwise_casting
from diffusers.models.embeddings import ImageProjection
from peft.tuners.lora import LoraLayer
from torch import nn

from functional import direct_kandinsky5 as direct5
from functional.asked import Ask, Pictures, Pixels
from functional.asked import opened as opened_picture
from functional.cells import Drawn, drawn, opened, planned
from functional.direct import Direct
from helpers.packages import needs
from helpers.pixels import furthest
from random_weights.loras import entry
from runner.catalog.offload import OFFLOAD
from runner.catalog.quantization import METHODS
from runner.catalog.versions import VERSIONS
from runner.errors import StageError
from runner.pipelines.compilation import graphs_compiled
from runner.pipelines.offload import OffloadChoice
from runner.pipelines.pipelines import Pipelines
from runner.pipelines.quantization import check, quantize_modules, read_back
from runner.planning.checks import COMPILERS
from runner.workers.setup import setup_of

Sized = Callable[[Ask], Pictures]

ALL = ("quantize.text={0}", "quantize.prior={0}", "quantize.denoiser={0}")
PARTS: dict[str, dict[str, tuple[str, ...]]] = {
    "2_0": {"kandinsky-2-0": ("text_encoder", "text_encoder_2", "unet")},
    "2_1": {
        "kandinsky-2-1-prior": ("text_encoder", "prior"),
        "kandinsky-2-1": ("text_encoder", "unet"),
    },
    "2_2": {"kandinsky-2-2-prior": ("text_encoder", "prior"), "kandinsky-2-2-decoder": ("unet",)},
    "3": {"kandinsky-3": ("text_encoder", "unet")},
    "5": {direct5.T2I: ("text_encoder", "text_encoder_2", "transformer")},
}
BRIEF = ("2_0", "2_1")
"""Tried with one method, which casts all layers; their layers are like those of the others."""
MODULES = {name for parts in PARTS.values() for names in parts.values() for name in names}
LORAS: dict[str, dict[str, tuple[str, str, str | None]]] = {
    # version -> module -> name of its file, role, and prefix in the file
    "2_2": {"unet": ("decoder", "decoder", "unet"), "prior": ("prior", "prior", None)},
    "5": {"transformer": ("5", "decoder", "transformer")},
}
LORA_WEIGHT = 0.7
NO_LORAS: Mapping[str, tuple[Path, str | None]] = {}
LEFT = ("wo", "image_embeds", "time_embeddings", "modulation", "lm_head")
"""Layers that stay as they are: diffusers and transformers keep the first in float32 (T5), cast to
the type of the second (2.2), and keep the next two in float32 (5); the last may be tied."""


AS_IT_IS = OffloadChoice(OFFLOAD["none"], OFFLOAD["none"], "")


def quantized_directly(module: Any, method: str) -> None:
    """By the call that the library documents, of all linear layers but `LEFT`."""
    left = re.compile("|".join(rf"(^|\.)\w*{name}(\.|$)" for name in LEFT))
    float8 = {"storage_dtype": torch.float8_e4m3fn, "compute_dtype": torch.float32}
    if method == "fp8" and isinstance(module, diffusers.ModelMixin):
        usual = diffusers.hooks.layerwise_casting.DEFAULT_SKIP_MODULES_PATTERN
        projection = getattr(module, "encoder_hid_proj", None)  # that of 2.1 casts nothing
        typed = ("image_embeds",) if isinstance(projection, ImageProjection) else ()
        skipped_names = (*usual, *typed, *LoraLayer.adapter_layer_names)
        module.enable_layerwise_casting(**float8, skip_modules_pattern=skipped_names)
    elif method == "fp8":
        skipped = {"skip_modules_pattern": ("norm", "patch_embed", r"\.wo$", "lm_head")}
        classes = {"skip_modules_classes": (nn.Embedding,)}
        apply_layerwise_casting(module, **float8, **skipped, **classes)
    elif method == "int8":
        from torchao.quantization import Int8WeightOnlyConfig, quantize_

        def is_linear(layer: Any, name: str) -> bool:
            return isinstance(layer, nn.Linear) and not left.search(name)

        own = Int8WeightOnlyConfig(set_inductor_config=False)  # others are compiled as before
        quantize_(module, own, filter_fn=is_linear)
    else:
        _to_4_bits(module, left)


def _to_4_bits(module: Any, left: re.Pattern[str]) -> None:
    from bitsandbytes.nn import Linear4bit

    layers = [(n, m) for n, m in module.named_modules() if isinstance(m, nn.Linear)]
    for name, linear in layers:
        if not left.search(name):
            made = Linear4bit(
                linear.in_features, linear.out_features, bias=linear.bias is not None,
                compute_dtype=torch.float32, compress_statistics=False, quant_type="nf4",
            )  # fmt: skip
            made.load_state_dict(linear.state_dict())
            made.support_avx512bf16_for_cpu = False  # it would compute in bf16
            parent, _, own = name.rpartition(".")
            setattr(module.get_submodule(parent), own, made.to("cpu").eval())


def adapted_directly(module: Any, method: str, lora: Path | None, prefix: str | None) -> None:
    """Quantised, and with a LoRA. Of the two only casting has to come second: what is added to
    layers that are cast already is cast to 8 bits, and no kernel computes with these.
    """
    if method != "fp8":
        quantized_directly(module, method)
    if lora is not None:
        module.load_lora_adapter(str(lora), prefix=prefix, adapter_name="own")
        module.set_adapters(["own"], [LORA_WEIGHT])
    if method == "fp8":
        quantized_directly(module, method)


def drawn_directly(
    ask: Ask, weights: Path, method: str, loras: Mapping[str, tuple[Path, str | None]] = NO_LORAS
) -> Pixels:
    """`loras`: of modules, each with the prefix in its file."""
    given = {name: loras.get(name, (None, None)) for name in MODULES}
    if ask.version == "5":
        parts = direct5.loaded.__wrapped__(weights)  # not those of other tests
        for name in PARTS["5"][direct5.T2I]:
            adapted_directly(parts[name], method, *given[name])
        pipe = diffusers.Kandinsky5T2IPipeline(**parts)
        pipe.set_progress_bar_config(disable=True)
        with torch.inference_mode():  # as the runner: weights that are made anew sum otherwise
            return direct5.draw(ask, pipe)
    direct = Direct(weights)
    for folder, names in PARTS[ask.version].items():
        for name in names:
            adapted_directly(direct._modules(folder).components[name], method, *given[name])
    with torch.inference_mode():
        return direct.draw(ask, {})


def made(ask: Ask, weights: Path | str, folder: Path, *overrides: str) -> Drawn:
    given = (*ask.overrides({"image": Path()}), "cache=off", *overrides)
    plan = planned(weights, folder, f"kandinsky{ask.version}", *given)
    return drawn(plan, opened(plan))


@pytest.mark.parametrize(
    ("version", "method"),
    [(version, m) for version in PARTS for m in METHODS if version not in BRIEF or m == "fp8"],
)
def test_a_picture_is_that_of_the_libraries_own_calls(
    version: str, method: str, random_weights: Path, tmp_path: Path
) -> None:
    needs(method)
    ask = Ask(version, "text2img", width=64)
    found = made(ask, random_weights, tmp_path, *(key.format(method) for key in ALL))
    read = found.read_back("quantized")
    assert set(read) == {name for names in PARTS[version].values() for name in names}
    assert {tuple(facts["layers"]) for facts in read.values()} == {(method,)}
    assert set(found.read_back("dtype").values()) == {"float32"}
    assert np.array_equal(found.pixels, drawn_directly(ask, random_weights, method))


@pytest.mark.parametrize("method", METHODS)
def test_an_edit_is_that_of_the_libraries_own_calls(
    method: str, random_weights: Path, pictures: Sized, tmp_path: Path
) -> None:
    """Qwen reads the picture with its instruction, by layers that are quantised too."""
    needs(method)
    ask = Ask("5", "edit", width=64)
    given = pictures(ask)
    quantized = [key.format(method) for key in ALL]
    overrides = (*ask.overrides(given), "cache=off", *quantized)
    plan = planned(random_weights, tmp_path, "kandinsky5", *overrides)
    found = drawn(plan, opened(plan))
    parts = direct5.loaded_editor.__wrapped__(random_weights)  # not those of other tests
    for name in PARTS["5"][direct5.T2I]:
        quantized_directly(parts[name], method)
    pipe = direct5.editor(random_weights, parts=parts)
    with torch.inference_mode():
        expected = direct5.draw(ask, pipe, image=opened_picture(given["image"]))
    assert np.array_equal(found.pixels, expected)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("version", LORAS)
def test_a_lora_on_quantised_weights_is_that_of_the_libraries_own_calls(
    version: str, method: str, random_weights: Path, lora_files: dict[str, Path], tmp_path: Path
) -> None:
    """And nothing is left of it: the next cell without is drawn by the same module, as before."""
    needs(method)
    ask, quantized = Ask(version, "text2img", width=64), [key.format(method) for key in ALL]
    loras = LORAS[version].values()
    entries = ",".join(entry(lora_files[name], LORA_WEIGHT, role) for name, role, _ in loras)
    given = (*ask.overrides({"image": Path()}), "cache=off", *quantized)
    plain, adapted = (
        planned(random_weights, tmp_path, f"kandinsky{version}", *given, f"lora=[{one}]")
        for one in ("", entries)
    )
    pipelines = Pipelines(setup_of([plain, adapted]).checkpoints, "cpu", AS_IT_IS)
    pipelines.evict_except = lambda specs: None  # type: ignore[method-assign]
    before, found, after = (drawn(plan, pipelines) for plan in (plain, adapted, plain))
    files = {n: (lora_files[name], prefix) for n, (name, _, prefix) in LORAS[version].items()}
    assert np.array_equal(found.pixels, drawn_directly(ask, random_weights, method, files))
    assert not np.array_equal(found.pixels, before.pixels)
    assert np.array_equal(after.pixels, before.pixels)
    assert not after.loaded


@pytest.mark.slow
@pytest.mark.timeout(600)  # on a busy machine the C++ compiler waits for its turn
@pytest.mark.skipif(not any(map(shutil.which, COMPILERS)), reason="needs a C++ compiler")
def test_compiled_4_bits_draw_what_the_libraries_own_calls_do(
    random_weights: Path, lora_files: dict[str, Path], tmp_path: Path
) -> None:
    """With a LoRA, in one graph."""
    needs("nf4")
    ask = Ask("5", "text2img", width=64, guidance=1.0)
    given = ["quantize.denoiser=nf4", f"lora=[{entry(lora_files['5'], LORA_WEIGHT)}]"]
    graphs = graphs_compiled()
    found = made(ask, random_weights, tmp_path, *given, "compile=default", "compile.fullgraph=true")
    assert graphs_compiled() == graphs + 1
    parts = direct5.loaded.__wrapped__(random_weights)
    adapted_directly(parts["transformer"], "nf4", lora_files["5"], "transformer")
    pipe = diffusers.Kandinsky5T2IPipeline(**parts)
    pipe.set_progress_bar_config(disable=True)
    eager = direct5.draw(ask, pipe)
    pipe.transformer.compile(mode="default", fullgraph=True, dynamic=False)
    with torch.inference_mode():
        assert np.array_equal(found.pixels, direct5.draw(ask, pipe))
    assert furthest(found.pixels, eager) <= 2, "levels of 255: it rounds differently"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("version", VERSIONS)
def test_it_takes_the_memory_that_is_reckoned(version: str, method: str, tmp_path: Path) -> None:
    needs(method)
    keys = [key.format(method) for key in ALL]
    plan = planned("random", tmp_path, version, "weights.size=tiny", "cache=off",
                   "precision=bf16", "compile.channels_last=true", *keys)  # fmt: skip
    found = drawn(plan, opened(plan))
    assert found.pixels.std() > 30
    assert set(found.read_back("dtype").values()) == {"bfloat16"}
    for loaded in found.loaded:
        one = next(
            one for one in plan.weights.checkpoints.values()
            if (one.identity, one.checkpoint.without) == (loaded.spec.weights, loaded.spec.without)
        )  # fmt: skip
        precision, quantized = plan.run.precision.decoder, dict(loaded.spec.quantized)
        reckoned, before = (one.footprint(precision, 0, q).weights for q in (quantized, {}))
        assert set(loaded.readback["quantized"]) == set(quantized)
        for name, facts in loaded.readback["quantized"].items():
            spared = before[name] - reckoned[name]
            # Rows of 16 numbers, with a scale of two bytes each, are not reckoned.
            assert facts["bytes_before"] - facts["bytes"] == pytest.approx(spared, rel=0.16), name
            assert facts["weights"] == {
                f"{METHODS[method].weight} {METHODS[method].dtype}": facts["layers"][method]
            }


def test_a_quantised_module_is_one_of_its_own(tmp_path: Path) -> None:
    """Cells of one sweep, whose pipelines are live at once."""
    plain, cast = (
        planned("random", tmp_path, "kandinsky2_2", "weights.size=tiny", "cache=off", *given)
        for given in ((), ("quantize.denoiser=fp8",))
    )
    pipelines = opened(plain, keep_all=True)
    first, other, again = (drawn(plan, pipelines).pixels for plan in (plain, cast, plain))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_what_is_not_as_asked_is_told(tmp_path: Path) -> None:
    class Holder:
        unet = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 64))

    left: Sequence[str] = ()
    asked = (("unet", "fp8"),)
    quantize_modules(Holder, asked, left, torch.float32, "cpu")
    modules = {"unet": Holder.unet}
    check(asked, read_back(modules, left))
    for wrong in ((), (("unet", "nf4"),)):
        with pytest.raises(StageError, match="unet has 2 layers fp8 where"):
            check(wrong, read_back(modules, left))
    Holder.unet[1] = nn.Linear(64, 64)
    with pytest.raises(StageError, match="fp8 left 1 layers of unet as it was"):
        check(asked, read_back(modules, left))
    with pytest.raises(StageError, match="other has nothing where int8 was asked for"):
        check(
            (*asked, ("other", "int8")), {"unet": {**read_back(modules, left)["unet"], "missed": 0}}
        )
