"""Components that lie in another checkpoint's folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from runner.catalog.kandinsky2_2 import DECODER_2_2
from runner.errors import WeightsError
from runner.pipelines.assemble import assembled
from runner.weights.folder import CheckedFolder, check_folder
from runner.weights.hashes import FileHashes
from runner.weights.shared import FILE


def check(folder: Path) -> CheckedFolder:
    return check_folder(folder, DECODER_2_2, None, "weights", FileHashes(None))


def share(folder: Path, component: str, owner: str) -> None:
    """Move a component into the folder `owner` beside."""
    target = folder.parent / owner / component
    target.parent.mkdir(exist_ok=True)
    shutil.move(folder / component, target)
    (folder / FILE).write_text(json.dumps({component: f"{owner}/{component}"}))


@pytest.fixture
def decoder(family: Path) -> Path:
    return family / DECODER_2_2.folder


def test_a_shared_component_counts_like_a_copy(decoder: Path) -> None:
    before = check(decoder)
    share(decoder, "movq", "another")
    assert not (decoder / "movq").exists()
    found = check(decoder)
    assert (found.fingerprint, found.parameters) == (before.fingerprint, before.parameters)
    assert found.files.keys() == before.files.keys()


def test_one_changed_byte_of_a_shared_component_changes_the_fingerprint(decoder: Path) -> None:
    share(decoder, "movq", "another")
    before = check(decoder)
    config = decoder.parent / "another" / "movq" / "config.json"
    config.write_text(config.read_text() + "\n")
    assert check(decoder).fingerprint != before.fingerprint


def test_a_checkpoint_is_loaded_with_what_it_shares(decoder: Path) -> None:
    import torch
    from diffusers import KandinskyV22Pipeline

    copied = KandinskyV22Pipeline.from_pretrained(decoder)
    share(decoder, "movq", "another")
    with assembled(check(decoder)) as path:
        shared = KandinskyV22Pipeline.from_pretrained(path)
    assert not path.exists()
    assert shared.components.keys() == copied.components.keys()
    for name in ("unet", "movq"):
        own, other = (getattr(p, name).state_dict() for p in (copied, shared))
        assert all(torch.equal(own[key], other[key]) for key in own)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"movq": "another/movq"}', "is not there"),
        ('{"movq": "../another/movq"}', "names ../another/movq for movq"),
        ('{"movq": "/another"}', "names /another for movq"),
        ('{"movq": "movq"}', "names movq for movq"),
        ('["movq"]', "cannot be read"),
        ("{", "cannot be read"),
    ],
)
def test_what_cannot_be_shared(decoder: Path, content: str, said: str) -> None:
    shutil.rmtree(decoder / "movq")
    (decoder / FILE).write_text(content)
    with pytest.raises(WeightsError, match=said):
        check(decoder)
