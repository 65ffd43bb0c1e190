"""Somebody else's checkpoint: nothing in it is run, whatever it names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from runner.cli import main

CODE = "from pathlib import Path\nPath({!r}).touch()\n"


@pytest.fixture
def folder(weights: Path, tmp_path: Path) -> Path:
    """A copy of the small weights."""
    shutil.copytree(weights, tmp_path / "weights")
    return tmp_path / "weights"


def asked(folder: Path, tmp_path: Path, *overrides: str) -> list[str]:
    return [
        f"weights={folder}", f"output_dir={tmp_path / 'outputs'}", "tracking=none", "height=64",
        "width=64", "decoder.num_inference_steps=2", "prior.num_inference_steps=2",
        "progress=quiet", *overrides,
    ]  # fmt: skip


def test_code_beside_a_depth_model_is_not_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """transformers would ask in the terminal, and run it for a `y`."""
    from functional.made import Made
    from runner.config.hydra.tree import config_dir

    marker = tmp_path / "marker"
    (depth,) = folder.glob("*dpt*")
    (depth / "mine.py").write_text(CODE.format(str(marker)))
    for name, classes in (
        ("config.json", {"AutoConfig": "mine.C", "AutoModelForDepthEstimation": "mine.M"}),
        ("preprocessor_config.json", {"AutoImageProcessor": "mine.P"}),
    ):
        content = json.loads((depth / name).read_text())
        (depth / name).write_text(json.dumps({**content, "auto_map": classes}))
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    picture = config_dir() / "experiment" / "inputs" / "circle.png"
    overrides = asked(folder, tmp_path, "task=controlnet", f"inputs.image={picture}")
    assert main(overrides) == 0
    assert not marker.exists()
    assert len(Made(tmp_path / "outputs").files) == 1


@pytest.mark.parametrize(
    "named",
    [
        ["antigravity", "geohash"],
        ["mine", "Evil"],
        ["transformers", "AutoModel"],
        ["transformers", "AutoTokenizer"],
        ["os", "system"],
        ["diffusers.utils.os", "System"],
        [5, None],
        ["a", "b", "c"],
    ],
    ids=str,
)
def test_a_class_of_another_library_is_not_imported(
    folder: Path, tmp_path: Path, named: object, capsys: pytest.CaptureFixture[str]
) -> None:
    (index,) = folder.glob("*2-2-decoder/model_index.json")
    content = json.loads(index.read_text())
    for component in ("unet", "another"):
        index.write_text(json.dumps({**content, component: named}))
        assert main(asked(folder, tmp_path)) == 2
        told = capsys.readouterr().err
        assert "model_index.json" in told
        assert f"names a class that is not loaded: {component}" in told
