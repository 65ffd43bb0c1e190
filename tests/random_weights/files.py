"""Files of the released repositories, as the libraries of then wrote them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

OWNER = "kandinsky-community"
IN_LFS = ("7z", "bin", "ckpt", "h5", "model", "msgpack", "onnx", "pt", "pth", "safetensors", "zip")
PICKLED = {"model": "pytorch_model.bin", "diffusion_pytorch_model": "diffusion_pytorch_model.bin"}
"""Name of a safetensors file -> that of the pickled one."""


@dataclass(frozen=True)
class Then:
    """The libraries that wrote a repository. `dtype` was `torch_dtype` to transformers."""

    diffusers: str
    transformers: str


THEN = {
    "2-1": Then("0.17.0.dev0", "4.29.2"),
    "2-2": Then("0.18.0.dev0", "4.30.2"),
    "3": Then("0.24.0.dev0", "4.35.2"),
}
THEN_DPT = Then("", "4.18.0.dev0")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a config, as both libraries do."""
    text = json.dumps(content, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def backdate(folder: Path, then: Then) -> None:
    """Let every config be of the libraries of then."""
    for path in folder.rglob("*config.json"):
        content = json.loads(path.read_text())
        if "_diffusers_version" in content:
            content["_diffusers_version"] = then.diffusers
        if "transformers_version" in content:
            content["transformers_version"] = then.transformers
            content["torch_dtype"] = content.pop("dtype")
        write_json(path, dict(sorted(content.items())))


def add_pickles(folder: Path, components: Iterable[str], *, alone: bool = False) -> None:
    """Write the weights of `components` once more, with pickle; `alone`: in place of the others."""
    for file in [file for name in components for file in (folder / name).glob("*.safetensors")]:
        torch.save(dict(load_file(file)), file.with_name(PICKLED[file.stem]))
        if alone:
            file.unlink()


def add_positions(folder: Path, component: str, name: str, count: int) -> None:
    """Store position ids among the weights, as transformers did before 4.31; none reads them."""
    file = folder / component / "model.safetensors"
    save_file({**load_file(file), name: torch.arange(count)[None]}, file, metadata={"format": "pt"})


def add_card(folder: Path, *, prior: str | None = None, tags: Iterable[str]) -> None:
    """The model card, whose head names the prior of a decoder, and what is kept in Git LFS."""
    head = ["license: apache-2.0"]
    head += ["prior:", f"- {OWNER}/{prior}"] if prior else []
    head += ["tags:", *(f"- {tag}" for tag in tags)]
    # The hub's own machines do not draw with 2.x.
    head += ["inference: false"] if "kandinsky-2" in folder.name else []
    text = "\n".join(["---", *head, "---", "", f"# {folder.name}", "", "Random weights.", ""])
    (folder / "README.md").write_text(text)
    kept = [f"*.{suffix} filter=lfs diff=lfs merge=lfs -text" for suffix in IN_LFS]
    if (folder / "tokenizer" / "tokenizer.json").exists():
        kept.append("tokenizer/tokenizer.json filter=lfs diff=lfs merge=lfs -text")
    (folder / ".gitattributes").write_text("\n".join(kept) + "\n")
