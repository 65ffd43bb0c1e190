"""`weights=<folder>`, wherever an option is allowed, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.catalog.kandinsky2_2 import DECODER_2_2, PRIOR_2_2
from unit.conftest import Command, assert_refused, copy_family

AS_MINI = ("scheduler=ddim", "decoder.num_inference_steps=25", "decoder.guidance_scale=2")
"""What conf/weights/mini.yaml says beside its folder, which a folder alone does not."""


def graph_of(out: str) -> str:
    return out.partition("graph\n")[2].rpartition("\n  ")[0]


@pytest.fixture
def mini_graph(command: Command) -> str:
    return graph_of(command("plan").out)


def test_absolute_and_relative_folders_have_the_keys_of_the_same_weights(
    command: Command, tmp_path: Path, mini_graph: str
) -> None:
    copy_family(tmp_path / "working" / "my models" / "v1.0")
    for path in (tmp_path / "working" / "my models" / "v1.0", Path("my models/v1.0")):
        said = command("plan", f"weights={path}", *AS_MINI)
        assert said.status == 0, said.err
        assert str(tmp_path / "working" / "my models" / "v1.0") in said.out
        assert graph_of(said.out) == mini_graph


def test_folder_in_an_experiment_of_a_users_own(
    command: Command, tmp_path: Path, family: Path, mini_graph: str
) -> None:
    file = tmp_path / "own" / "experiment" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(
        f"# @package _global_\ndefaults:\n  - override /weights: {family}\n"
        "  - override /scheduler: ddim\n"
        "decoder: {num_inference_steps: 25, guidance_scale: 2}\n"
    )
    said = command("plan", "--config-dir", str(tmp_path / "own"), "experiment=mine")
    assert said.status == 0, said.err
    assert graph_of(said.out) == mini_graph


def test_folder_in_a_multirun(command: Command, family: Path) -> None:
    said = command("plan", "-m", f"weights=mini,{family}", *AS_MINI)
    assert said.status == 0, said.err
    assert f"  1    weights={family}\n" in said.out
    # The same files elsewhere are the same stages.
    stages = said.out.partition("stages\n")[2].partition("time\n")[0].splitlines()
    assert [line.split(";")[0].split(maxsplit=1)[1] for line in stages] == ["1 distinct of 2"] * 2


def test_one_changed_byte_gives_other_keys(command: Command, family: Path, mini_graph: str) -> None:
    file = family / DECODER_2_2.folder / "unet" / "diffusion_pytorch_model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    said = command("plan", f"weights={family}", *AS_MINI)
    changed = graph_of(said.out).splitlines()
    prior, decode = mini_graph.splitlines()
    assert changed[0] == prior
    assert changed[1] != decode


def truncate(family: Path) -> None:
    file = family / DECODER_2_2.folder / "unet" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def leave_out_prior(family: Path) -> None:
    shutil.rmtree(family / PRIOR_2_2.folder)


def widen_prior(family: Path) -> None:
    file = family / PRIOR_2_2.folder / "prior" / "config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, "embedding_dim": config["embedding_dim"] * 2}))


def swap(family: Path) -> None:
    (family / PRIOR_2_2.folder).rename(family / "other")
    (family / DECODER_2_2.folder).rename(family / PRIOR_2_2.folder)
    (family / "other").rename(family / DECODER_2_2.folder)


@pytest.mark.parametrize(
    ("damage", "parts"),
    [
        (truncate, ("unet", "copy it again")),
        (leave_out_prior, ("weights.path=", PRIOR_2_2.folder)),
        (widen_prior, ("do not belong together", "prior", "decoder")),
        (swap, ("prior/config.json: is not there", "unet/config.json: is not there")),
    ],
)
def test_damaged_family_is_refused(
    command: Command, family: Path, damage: Callable[[Path], None], parts: tuple[str, ...]
) -> None:
    damage(family)
    assert_refused(command("plan", f"weights={family}"), str(family), *parts)


def test_a_missing_folder_is_refused_with_the_options(command: Command, tmp_path: Path) -> None:
    missing = tmp_path / "none"
    said = command("plan", f"weights={missing}")
    assert_refused(said, f"weights={missing}", "hub, mini, random, the path of a folder")
    assert_refused(command("plan", "weights="), "weights=''", "the path of a folder")
    said = command("plan", "weights.source=folder", f"weights.path={missing}")
    assert_refused(said, f"weights.path={missing}", "is no folder")


def test_a_checkpoint_itself_is_no_family(command: Command, family: Path) -> None:
    said = command("plan", f"weights={family / DECODER_2_2.folder}")
    assert_refused(said, PRIOR_2_2.folder, "under their repositories' names")


def test_a_missing_variant_is_refused(command: Command, family: Path) -> None:
    said = command("plan", f"weights={family}", "weights.decoder.variant=fp16")
    assert_refused(said, DECODER_2_2.folder, "variant 'fp16'")
