"""Somebody else's checkpoint: nothing in it is run, whatever it names."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.fuzzing import SAME
from runner.cli import main
from runner.config.hydra.tree import config_dir
from strangers.handed_over import VALUES, altered
from strangers.watching import watched

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


CHOICES: dict[str, tuple[str, ...]] = {
    "2-2-prior": ("model=kandinsky2_2",),
    "2-2-decoder": ("model=kandinsky2_2",),
    "2-1": ("model=kandinsky2_1",),
    "2-1-prior": ("model=kandinsky2_1",),
    "-3": ("model=kandinsky3", "height=128", "width=128"),
    "dpt-large": ("task=controlnet", "inputs.image={picture}"),
    "2-2-controlnet-depth": ("task=controlnet", "inputs.image={picture}"),
}
"""End of a repository's name -> what to plan with it."""
CONTENTS = (
    b"", b"{", b"[]", b"5", b"null", b'{"a":' + b"[" * 100_000, b"\xff\xfe\0", b"9" * 5000,
    b'{"_class_name": 5}', b"\x80\x02cos\nsystem\n(S'true'\ntR.", b"\xff" * 8 + b"{}",
)  # fmt: skip
EXAMPLES = 30


def test_whatever_a_checkpoint_holds(
    random_weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Each example: a file of a folder of weights is another, or a value in it is; then a plan."""
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(own))
    monkeypatch.setenv("KANDINSKY_CACHE", str(own / "cache"))
    folder = tmp_path / "weights"
    shutil.copytree(random_weights, folder, symlinks=True)
    picture = config_dir() / "experiment" / "inputs" / "circle.png"
    statuses: list[int] = []

    @settings(SAME, max_examples=EXAMPLES)
    @given(
        st.sampled_from([*CHOICES]), st.floats(0, 1, exclude_max=True),
        st.sampled_from((*CONTENTS, "pipe", "zero")),
        st.sampled_from((*VALUES, ...)), st.floats(0, 1, exclude_max=True),
    )  # fmt: skip
    def tried(repository: str, which: float, content: Any, value: Any, where: float) -> None:
        (altered_one,) = folder.glob(f"*{repository}")
        files = sorted(file for file in altered_one.rglob("*") if file.is_file())
        file = files[int(which * len(files))]
        whole = file.read_bytes()
        if file.suffix == ".json" and where < 0.8:
            file.write_text(altered(json.loads(whole), where / 0.8, value))
        elif isinstance(content, bytes):
            file.write_bytes(content)
        else:
            file.unlink()
            os.mkfifo(file) if content == "pipe" else file.symlink_to("/dev/zero")
        overrides = [override.format(picture=picture) for override in CHOICES[repository]]
        try:
            with watched(own) as watch:
                status = main(["plan", *asked(folder, tmp_path, *overrides)])
        finally:
            file.unlink(missing_ok=True)
            file.write_bytes(whole)
        assert watch.seen == []
        assert status in (0, 1, 2)
        assert "Traceback" not in "".join(capfd.readouterr())
        statuses.append(status)

    # What a command imports once for all later calls is its own affair.
    main(["plan", *asked(folder, tmp_path, "task=controlnet", f"inputs.image={picture}")])
    tried()
    assert len(statuses) >= EXAMPLES
    print(f"{len(statuses)} checkpoints tried, {sum(map(bool, statuses))} told")
