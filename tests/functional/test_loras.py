"""LoRAs: each cell is its direct call, one module serves all weights, and nothing is left of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from functional import direct_kandinsky5 as direct5
from functional.asked import DECODERS, PRIORS, Ask, Pictures, Pixels
from functional.asked import opened as opened_picture
from functional.cells import drawn as drawn_cell
from functional.cells import opened, planned
from functional.direct import Direct
from functional.made import Made
from random_weights.loras import ATTENTION, Tensors, entry, lora_of, of_processors, written
from runner.catalog.offload import OFFLOAD
from runner.cli import main
from runner.pipelines.offload import OffloadChoice

Drawn = Callable[..., list[Pixels]]
Worn = Sequence[tuple[str, float]]

RIGHT = "a red circle on the right on a white background"
NONE = OffloadChoice(OFFLOAD["none"], OFFLOAD["none"], "")

DECODER, INPAINT, PRIOR = "kandinsky-2-2-decoder", "kandinsky-2-2-decoder-inpaint", PRIORS["2_2"][1]


@contextmanager
def worn(module: Any, given: Worn, prefix: str | None) -> Iterator[None]:
    """diffusers' own way to add LoRAs to a model, for the time of a call."""
    for number, (file, _) in enumerate(given):
        module.load_lora_adapter(file, prefix=prefix, adapter_name=f"own{number}")
    if given:
        module.set_adapters([f"own{n}" for n in range(len(given))], [one for _, one in given])
    try:
        yield
    finally:
        module.unload_lora()


CASES: dict[str, tuple[Ask, list[tuple[str, float]], list[tuple[str, float]]]] = {
    # LoRAs of the decoder, then of the prior, each with its weight
    "decoder": (Ask("2_2", "text2img"), [("decoder", 0.7)], []),
    "prior": (Ask("2_2", "text2img"), [], [("prior", 1.0)]),
    "both": (Ask("2_2", "text2img", negative="a cross"), [("decoder", -0.5)], [("prior", 0.5)]),
    "two": (Ask("2_2", "text2img"), [("decoder", 0.7), ("other", 0.4)], []),
    "two in the other order": (Ask("2_2", "text2img"), [("other", 0.4), ("decoder", 0.7)], []),
    "img2img": (Ask("2_2", "img2img"), [("decoder", 1.0)], []),
    "inpaint": (Ask("2_2", "inpaint"), [("inpaint", 1.0)], []),
    "interpolate": (Ask("2_2", "interpolate"), [], [("prior", 1.0)]),
    "2.1": (Ask("2_1", "text2img"), [("2_1", 1.0)], []),
    "2.0": (Ask("2_0", "text2img"), [("2_0", 1.0)], []),
}


@pytest.mark.parametrize(("ask", "decoders", "priors"), CASES.values(), ids=CASES)
def test_a_cell_is_its_direct_call(
    ask: Ask,
    decoders: list[tuple[str, float]],
    priors: list[tuple[str, float]],
    lora_files: dict[str, Path],
    drawn: Drawn,
    direct: Direct,
    pictures: Callable[[Ask], Pictures],
) -> None:
    entries = [
        *(entry(lora_files[name], weight) for name, weight in decoders),
        *(entry(lora_files[name], weight, "prior") for name, weight in priors),
    ]
    (made,) = drawn(ask, f"lora=[{','.join(entries)}]")
    unet = direct._modules(DECODERS[ask.version, ask.task][1]).unet
    prefix = None if decoders and decoders[0][0] in ("inpaint", "2_1", "2_0") else "unet"
    prior = direct._modules(PRIORS[ask.version][1]).prior if priors else None
    plain = direct.draw(ask, pictures(ask))
    with worn(unet, [(str(lora_files[name]), one) for name, one in decoders], prefix):
        if prior is None:
            wanted = direct.draw(ask, pictures(ask))
        else:
            with worn(prior, [(str(lora_files[name]), one) for name, one in priors], None):
                wanted = direct.draw(ask, pictures(ask))
    assert np.array_equal(made, wanted)
    assert not np.array_equal(made, plain)


@pytest.mark.parametrize(("task", "name"), [("text2img", "5"), ("edit", "5_edit")])
def test_a_cell_of_version_5_is_its_direct_call(
    task: str,
    name: str,
    random_weights: Path,
    lora_files: dict[str, Path],
    drawn: Drawn,
    pictures: Callable[[Ask], Pictures],
) -> None:
    ask = Ask("5", task)
    (made,) = drawn(ask, f"lora=[{entry(lora_files[name], 0.5)}]", "precision=bf16")
    if task == "edit":
        pipe = direct5.editor(random_weights, dtype=torch.bfloat16)
    else:
        pipe = direct5.pipeline(random_weights, dtype=torch.bfloat16)
    given = {"image": opened_picture(pictures(ask)["image"])} if task == "edit" else {}
    plain = direct5.draw(ask, pipe, **given)
    pipe.load_lora_weights(str(lora_files[name]), adapter_name="own")
    pipe.set_adapters(["own"], [0.5])
    wanted = direct5.draw(ask, pipe, **given)
    pipe.unload_lora_weights()
    assert np.array_equal(made, wanted)
    assert not np.array_equal(made, plain)


def test_weight_is_an_axis_and_0_is_the_cell_without(
    random_kandinsky: Callable[..., int],
    lora_files: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In worker processes; records say what was drawn with what."""
    output = tmp_path / "outputs"
    given = ("model=kandinsky2_2", "height=64", "width=64", "cache=use")
    assert random_kandinsky(*given, "workers=1") == 0
    plain = Made(output).manifest["images"][0]
    assert random_kandinsky(
        "-m", *given, f"lora=[{entry(lora_files['decoder'])}]", "lora.0.weight=0,0.5,1", "workers=2"
    ) == 0  # fmt: skip
    (sweep,) = {path.parent.parent for path in output.glob("*/*/*/manifest.json")}
    cells = [json.loads(path.read_text()) for path in sorted(sweep.glob("*/manifest.json"))]
    assert [cell["config"]["lora"][0]["weight"] for cell in cells] == [0, 0.5, 1]
    images = [cell["images"][0] for cell in cells]
    assert images[0]["sha256"] == plain["sha256"]
    assert images[0]["stage_keys"] == plain["stage_keys"]
    assert len({image["sha256"] for image in images}) == 3
    (recorded,) = cells[1]["environment"]["loras"].values()
    assert recorded["path"] == str(lora_files["decoder"])
    assert (recorded["weight"], recorded["rank"], recorded["role"]) == (0.5, "2", "decoder")
    assert "peft" in cells[1]["environment"]["libraries"]
    capsys.readouterr()
    folder = sorted(path.parent for path in sweep.glob("*/manifest.json"))[1]
    assert main(["reproduce", str(folder / "manifest.json"), "--progress", "quiet"]) == 0
    assert capsys.readouterr().out.startswith("1 of 1 picture the same")


def test_stripes_of_the_small_familys_lora_grow_with_its_weight(tmp_path: Path) -> None:
    """The stripes and the ground between them differ in brightness, left of the object."""

    def contrast(weight: float) -> float:
        steps = (f"{part}.num_inference_steps=15" for part in ("prior", "decoder"))
        given = ("height=128", "width=128", *steps, "cache=off")
        lora = f"lora=[{{path: mini:stripes, weight: {weight}}}]"
        plan = planned("mini", tmp_path, "kandinsky2_2", *given, lora, f"prompt={RIGHT}")
        edge = drawn_cell(plan, opened(plan)).pixels[:, :8].mean(axis=(1, 2))
        between, stripes = edge.reshape(4, 2, 16).mean(axis=2).T[::-1]
        return float((between - stripes).mean())

    none, half, whole = map(contrast, (0, 0.5, 1))
    assert abs(none) < 3
    assert none + 3 < half < whole - 3
    assert whole > 20


def test_a_changed_file_is_not_what_the_record_says(
    random_kandinsky: Callable[..., int],
    random_weights: Path,
    lora_files: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "own.safetensors"
    file.write_bytes(lora_files["decoder"].read_bytes())
    assert random_kandinsky("height=64", "width=64", f"lora=[{entry(file)}]") == 0
    manifest = Made(tmp_path / "outputs").folder / "manifest.json"
    written(file, lora_of(random_weights / DECODER / "unet", seed=5))
    capsys.readouterr()
    assert main(["reproduce", str(manifest), "--progress", "quiet"]) == 2
    assert f"lora[0].path={file}: has changed since" in capsys.readouterr().err
    given = ("tracking=none", "progress=quiet", f"output_dir={tmp_path / 'again'}")
    assert main(["again", str(manifest), *given]) == 2
    assert main(["again", str(manifest), "lora=[]", *given]) == 0
    assert "lora" not in Made(tmp_path / "again").manifest["config"]


@pytest.fixture
def unet_lora(random_weights: Path) -> Tensors:
    return lora_of(random_weights / DECODER / "unet", ATTENTION)


def test_all_of_what_diffusers_own_script_wrote_is_read(
    unet_lora: Tensors, tmp_path: Path, drawn: Drawn
) -> None:
    """diffusers 0.42 leaves out a third of it, without a word: what is added to `add_k_proj` and
    `add_v_proj`. The older layout is the same LoRA as the newer one."""
    old = written(tmp_path / "old.safetensors", of_processors(unet_lora))
    new = written(tmp_path / "new.safetensors", unet_lora)
    ask = Ask("2_2", "text2img")
    made = [drawn(ask, f"lora=[{entry(file)}]")[0] for file in (old, new)]
    assert np.array_equal(made[0], made[1])
    kept = {n: t for n, t in unet_lora.items() if "add_" not in n}
    part = written(tmp_path / "part.safetensors", kept)
    assert not np.array_equal(made[0], drawn(ask, f"lora=[{entry(part)}]")[0])


def test_alphas_are_honoured_and_dropout_is_not(
    unet_lora: Tensors, tmp_path: Path, drawn: Drawn
) -> None:
    """As tensors or in the metadata: diffusers reads the first for no path, and the second only
    with use_safetensors=True, and then draws with the dropout of the training."""
    ask = Ask("2_2", "text2img")
    layers = {name.split(".lora_")[0] for name in unet_lora}
    alphas = {f"{layer}.alpha": torch.tensor(1.0) for layer in layers}
    told: dict[str, Any] = {"r": 2, "lora_alpha": 1, "lora_dropout": 0.5, "use_dora": False}
    as_tensors = written(tmp_path / "tensors.safetensors", {**unet_lora, **alphas})
    as_metadata = written(tmp_path / "metadata.safetensors", unet_lora, **told)
    plain = written(tmp_path / "plain.safetensors", unet_lora)
    wanted = drawn(ask, f"lora=[{entry(plain, 0.5)}]")[0]
    for file in (as_tensors, as_metadata):
        assert np.array_equal(drawn(ask, f"lora=[{entry(file)}]")[0], wanted)
