"""Loading weights into memory."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from runner.weights.find import MINI_DIR


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
    from runner import plan
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
    from runner import plan
    from runner.errors import StageError
    from runner.workers.setup import open_pipelines, setup_of

    found = plan(output_dir=tmp_path, tracking="none", device="cpu")
    spec: Any = found.images[0].node.pipeline
    pipelines = open_pipelines(setup_of([found]))
    with pytest.raises(StageError, match="is on cpu where cuda was asked for"):
        pipelines.get(replace(spec, device="cuda"))
    assert pipelines.get(spec)
