"""Loading weights into memory."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from helpers.loading import checked
from runner.catalog.checkpoint import Checkpoint
from runner.catalog.kandinsky2_0 import DECODER_2_0, TEXT_2_0
from runner.catalog.kandinsky2_1 import DECODER_2_1
from runner.catalog.kandinsky2_2 import DECODER_2_2, PRIOR_2_2
from runner.catalog.kandinsky3 import DECODER_3, TEXT_3
from runner.catalog.kandinsky5 import KANDINSKY5
from runner.catalog.versions import VERSIONS
from runner.weights.find import MINI_DIR

TEXT_5, DECODER_5 = KANDINSKY5.tasks["text2img"].values()


def mapped(file: Path) -> int:
    """KiB of a file that are mapped into this process, and were never written to."""
    size = written = 0
    within = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first, *rest = line.split()
        if not first.endswith(":"):
            within = bool(rest) and rest[-1] == str(file)
        elif within and first == "Size:":
            size += int(rest[0])
        elif within and first == "Private_Dirty:":
            written += int(rest[0])
    return size - written


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_weights_in_the_type_that_is_asked_for_are_shared_by_all_processes(
    tmp_path: Path,
) -> None:
    """They are mapped, and not copied: the system holds their pages once for all workers."""
    from helpers.plans import plan
    from runner.workers.setup import open_pipelines, setup_of

    family = tmp_path / "family"
    shutil.copytree(MINI_DIR, family)
    (file,) = (family / "kandinsky-2-2-decoder" / "unet").glob("*.safetensors")
    halves = load_file(file)  # what ships is float16
    save_file({name: tensor.float() for name, tensor in halves.items()}, file, {"format": "pt"})
    found = plan(weights=family, output_dir=tmp_path / "outputs", tracking="none")
    pipelines = open_pipelines(setup_of([found]))
    spec: Any = found.images[0].node.pipeline
    live = pipelines.get(spec)
    assert mapped(file.resolve()) * 1024 > 0.9 * file.stat().st_size
    assert next(live.unet.parameters()).device.type == "cpu"


def test_what_is_asked_for_one_kind_of_device_is_not_run_on_another(tmp_path: Path) -> None:
    """A picture of a GPU must never be stored as one of a CPU, or the other way round."""
    from helpers.plans import plan
    from runner.errors import StageError
    from runner.workers.setup import open_pipelines, setup_of

    found = plan(output_dir=tmp_path, tracking="none", device="cpu")
    spec: Any = found.images[0].node.pipeline
    pipelines = open_pipelines(setup_of([found]))
    with pytest.raises(StageError, match="is on cpu where cuda was asked for"):
        pipelines.get(replace(spec, device="cuda"))
    assert pipelines.get(spec)


@pytest.mark.parametrize(
    ("checkpoint", "precision"),
    [
        (PRIOR_2_2, "float16"), (DECODER_2_2, "float32"), (DECODER_2_1, "float16"),
        (TEXT_2_0, "float16"), (DECODER_2_0, "float16"), (TEXT_3, "float16"),
        (DECODER_3, "bfloat16"), (TEXT_5, "bfloat16"), (DECODER_5, "bfloat16"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.pipeline}-{value.denoiser}",
)  # fmt: skip
def test_weights_that_are_read_to_their_device_are_the_same(
    random_weights: Path, checkpoint: Checkpoint, precision: str
) -> None:
    """Read to the CPU here, in the way in which they are read to a GPU."""
    from runner.pipelines.load import load

    spec: Any = SimpleNamespace(dtype=precision, pipeline=checkpoint.pipeline)
    found = checked(random_weights, checkpoint)
    usual, direct = load(spec, checkpoint, found), load(spec, checkpoint, found, held="cpu")
    assert usual.components.keys() == direct.components.keys()
    modules = {name for name, part in usual.components.items() if hasattr(part, "parameters")}
    assert modules >= {*checkpoint.modules} - {"."}
    for name in modules:
        ours, others = tensors(usual.components[name]), tensors(direct.components[name])
        assert ours.keys() == others.keys()
        for key, tensor in ours.items():
            assert (tensor.dtype, tensor.device) == (others[key].dtype, others[key].device), key
            assert tensor.equal(others[key]), key
        assert not any(hasattr(part, "_hf_hook") for part in direct.components[name].modules())
    assert direct.to("cpu") is direct  # it may still be moved


@pytest.mark.parametrize("version", VERSIONS)
def test_all_weights_of_a_version_are_read_to_the_device(
    version: str, random_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To torch's device without numbers, which every machine has. diffusers lists those that it
    takes by their names."""
    from diffusers.pipelines import pipeline_utils

    from runner.pipelines.load import load

    monkeypatch.setattr(pipeline_utils, "SUPPORTED_DEVICE_MAP", ["cpu", "meta"])
    tasks = VERSIONS[version].tasks
    for checkpoint in {**tasks["text2img"], **tasks.get("edit", {})}.values():
        spec: Any = SimpleNamespace(dtype="bfloat16", pipeline=checkpoint.pipeline)
        direct = load(spec, checkpoint, checked(random_weights, checkpoint), held="meta")
        for name in checkpoint.modules:
            found = tensors(direct.components[name])
            assert {tensor.device.type for tensor in found.values()} == {"meta"}, name


def tensors(module: Any) -> dict[str, Any]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}
