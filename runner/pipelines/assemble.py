"""Puts a checked checkpoint into one folder of links, as diffusers and transformers read it.

The folder holds what the plan checked and nothing else: no other variant, no pickle, no code.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.pipelines.pickles import convert
from runner.weights.components import INDEX_FILES
from runner.weights.folder import CheckedFolder

RENAMED = {
    "CLIPImageProcessor": "CLIPImageProcessorPil",
    "CLIPFeatureExtractor": "CLIPImageProcessorPil",
}
"""Classes in a model_index.json that need torchvision, and those that give the same without it:
pixels do not depend on whether torchvision is installed."""


@contextmanager
def assembled(checked: CheckedFolder) -> Iterator[Path]:
    """A temporary folder of links to the checkpoint's files.

    Pickles that were not converted yet, as on another machine of a cluster, are converted first.

    Raises:
        StorageError: they cannot be.
    """
    for target, pickles in checked.to_convert.items():
        convert(pickles, target)
    with tempfile.TemporaryDirectory(prefix="kandinsky-") as temporary:
        folder = Path(temporary)
        for name, file in checked.links().items():
            place = folder / name
            place.parent.mkdir(exist_ok=True)
            if name in INDEX_FILES.values():
                place.write_text(_renamed(file), encoding="utf-8")
            else:
                place.symlink_to(file.absolute())
        yield folder


def _renamed(index: Path) -> str:
    """The index file, with classes that work without torchvision."""
    content = json.loads(index.read_text(encoding="utf-8"))
    for given in content.values():
        if isinstance(given, list) and len(given) == 2:
            given[1] = RENAMED.get(given[1], given[1])
    return json.dumps(content)
