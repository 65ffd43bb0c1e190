"""Runs the kept sweep as a process of its own and kills it on its way."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from .cases import KEPT_SWEEP
from .making import complete

KILLED_AT = 3
"""Pictures: all of the first cell, and one of the second."""

PLACE = {"platform": "a platform", "processor": "a processor"}
"""What says on which machine it was: no part of the record."""


def make_unfinished(target: Path) -> None:
    """Put the folder of outputs that a killed sweep left at `target`."""
    with tempfile.TemporaryDirectory() as folder:
        outputs = Path(folder) / "outputs"
        process = subprocess.Popen(
            [sys.executable, "-m", "runner", *complete(KEPT_SWEEP)], cwd=folder
        )
        while len(list(outputs.glob("kept/*/*/[!.]*.png"))) < KILLED_AT:
            assert process.poll() is None, "it ended before it was killed"
            time.sleep(0.001)
        process.kill()
        process.wait()
        for name in ("latest", ".hydra-multirun"):
            _remove(outputs / name)
        for path in [*outputs.rglob(".lock"), *outputs.rglob(".*.part")]:
            path.unlink()
        for path in outputs.rglob("manifest.json"):
            path.write_text(_anywhere(path.read_text(encoding="utf-8")), encoding="utf-8")
        for path in outputs.glob("kept/*/*/*.png"):
            _rewrite(path)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(outputs, target / "outputs")


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


def _anywhere(text: str) -> str:
    content = json.loads(text)
    content["environment"] |= PLACE
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _rewrite(path: Path) -> None:
    """The same picture, whose text does not name the machine."""
    with Image.open(path) as image:
        image.load()
        texts: dict[Any, Any] = dict(image.info)
        texts["environment"] = json.dumps(json.loads(texts["environment"]) | PLACE)
        info = PngImagePlugin.PngInfo()
        for key, value in texts.items():
            info.add_itxt(key, value)
        image.save(path, pnginfo=info)
