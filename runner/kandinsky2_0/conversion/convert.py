"""Makes folders in diffusers' layout of the published files of Kandinsky 2.0.

The published files: https://huggingface.co/ai-forever/Kandinsky_2.0
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import diffusers
import torch

from runner.catalog.kandinsky2_0 import (
    BESIDE_UNET,
    DECODER_2_0,
    INPAINT_2_0,
    INPAINT_FILE,
    TEXT_FOLDER,
    TEXT_FOLDER_2,
    UNET_FILE,
)
from runner.errors import ConfigError, RunnerError, StorageError, WeightsError, raise_all
from runner.kandinsky2_0 import samplings
from runner.kandinsky2_0.conversion.components import (
    RELEASED,
    Published,
    Sizes,
    text_file,
    text_file_2,
    unet_file,
    vae_file,
)
from runner.kandinsky2_0.conversion.numbers import opened, write_safetensors
from runner.kandinsky2_0.conversion.planning import PlannedFile, plan_file
from runner.kandinsky2_0.prompts import MAX_TOKENS
from runner.system.files import free_bytes
from runner.system.text import format_bytes
from runner.weights.safetensors_header import DamagedFileError

FOLDERS = {UNET_FILE: (DECODER_2_0, 4), INPAINT_FILE: (INPAINT_2_0, 9)}
"""Published file of a UNet -> what is made of it, and the UNet's channels."""
COMPONENTS = {
    "tokenizer": ("transformers", "XLMRobertaTokenizer"),
    "text_encoder": ("kandinsky", "MultilingualCLIP"),
    "tokenizer_2": ("transformers", "T5Tokenizer"),
    "text_encoder_2": ("transformers", "MT5EncoderModel"),
    **DECODER_2_0.own_parts,
    "unet": ("diffusers", "UNet2DConditionModel"),
    "vae": ("diffusers", "AutoencoderKL"),
    "scheduler": ("diffusers", "DDIMScheduler"),
}
"""Those of model_index.json: library and class."""
DTYPES = {"keep": None, "float32": torch.float32, "float16": torch.float16}


@dataclass(frozen=True)
class Conversion:
    """What was done.

    Attributes:
        folders: those that were made.
        dropped: published file -> names of its tensors that no model needs.
    """

    folders: list[Path]
    dropped: Mapping[str, list[str]]


def convert(
    source: Path,
    target: Path,
    *,
    dtype: str = "keep",
    sizes: Sizes = RELEASED,
    only: Sequence[str] = tuple(FOLDERS),
    beside: Path | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Conversion:
    """Make `kandinsky-2-0` and `kandinsky-2-0-inpaint`, or one of them if only its UNet is there.

    All files are checked before anything is written. No file is executed, one tensor at a time is
    in memory, and the folders appear when all are whole. What both have is on disk once, where the
    file system has hard links.

    Args:
        source: a folder with the published files.
        target: a folder in which the new ones are made.
        dtype: a key of `DTYPES`; keep: as stored.
        sizes: the configs of the models.
        only: the files of UNets of which folders are made, if they are there.
        beside: a whole folder that was made of the same files in the same dtype: what comes with
            no UNet is linked from it.
        tell: called with a line on each file that is written.

    Raises:
        WeightsError: files are missing or damaged, or hold other tensors than the models; each is
            named.
        ConfigError: the folder is there already, or there is no room on the disk.
        StorageError: it cannot be written.
    """
    unets = [name for name in FOLDERS if name in only and (source / name).is_file()]
    _check_files(source, unets, only)
    folders = [target / FOLDERS[name][0].folder for name in unets]
    for folder in folders:
        if folder.exists():
            raise ConfigError("target", folder, "is there already", "a new one")
    shared, own = _planned(source, unets, sizes, DTYPES[dtype])
    _check_room(target, [*(shared if beside is None else ()), *own.values()])
    try:
        target.mkdir(parents=True, exist_ok=True)
        with _appearing(folders) as parts:
            for name, part in zip(unets, parts, strict=True):
                if beside is not None:
                    _link_shared(beside, part)
                else:
                    _write_tokenizers(source, part, shared)
                    _write_schedulers(part)
                    _write(shared, part, tell)
                _write([own[name]], part, tell)
                _write_index(part, FOLDERS[name][0].pipeline)
                beside = part
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {error.strerror or error}") from error
    planned = [*shared, *own.values()]
    return Conversion(folders, {each.published.name: each.dropped for each in planned})


def _check_files(source: Path, unets: list[str], only: Sequence[str]) -> None:
    missing = [name for name in BESIDE_UNET if not (source / name).is_file()]
    if not unets:
        first, *others = only
        missing = [first + "".join(f" (or {other})" for other in others), *missing]
    if missing:
        said = f"has no {', '.join(missing)}"
        raise WeightsError("source", source, said, f"the files of {DECODER_2_0.repo}")


def _planned(
    source: Path, unets: list[str], sizes: Sizes, dtype: torch.dtype | None
) -> tuple[list[PlannedFile], dict[str, PlannedFile]]:
    """The files that both folders need, and those of the UNets. All faults are in one error."""
    errors: list[RunnerError] = []

    def plan(made: Callable[[], Published]) -> PlannedFile | None:
        try:
            return plan_file(source, made(), dtype)
        except RunnerError as error:
            errors.append(error)
            return None

    shared = [
        plan(partial(text_file, source, sizes)),
        plan(partial(text_file_2, source, sizes)),
        plan(partial(vae_file, sizes)),
    ]
    own = {name: plan(partial(unet_file, name, sizes, FOLDERS[name][1])) for name in unets}
    raise_all(errors)
    return [each for each in shared if each], {name: each for name, each in own.items() if each}


def _check_room(target: Path, planned: list[PlannedFile]) -> None:
    needed, free = sum(each.bytes for each in planned), free_bytes(target)
    if needed > free:
        raise ConfigError(
            "target", target, f"has {format_bytes(free)} free, and {format_bytes(needed)} is needed"
        )


@contextmanager
def _appearing(folders: Sequence[Path]) -> Iterator[list[Path]]:
    """Folders that get their names when all are whole, and are removed when one does not become
    so.
    """
    parts = [each.with_name(f".{each.name}.{secrets.token_hex(8)}.part") for each in folders]
    named: list[tuple[Path, Path]] = []
    try:
        for part in parts:
            part.mkdir()
        yield parts
        for part, folder in zip(parts, folders, strict=True):
            named.append((part, folder))
            part.rename(folder)
    except BaseException:
        for part, folder in named:
            if not part.exists():
                shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        for part in parts:
            shutil.rmtree(part, ignore_errors=True)


def _write(planned: list[PlannedFile], part: Path, tell: Callable[[str], None]) -> None:
    for each in planned:
        with opened(each.path, each.pickled) as numbers:
            for component in each.published.components:
                folder = part / component.name
                folder.mkdir()
                component.save_config(folder)
                pieces = each.pieces[component.name]
                try:
                    write_safetensors(folder / component.file, pieces, numbers)
                except DamagedFileError as error:
                    raise WeightsError("source", each.path, str(error)) from error
                size = (folder / component.file).stat().st_size
                tell(f"{component.name:<14} {format_bytes(size):>9}  from {each.published.name}")


def _write_tokenizers(source: Path, part: Path, shared: list[PlannedFile]) -> None:
    """Both as tokenizer.json: the second one's is made of its sentencepiece model."""
    from transformers import T5Tokenizer, XLMRobertaTokenizer

    rows = {each.name: each.rows for file in shared for each in file.published.components}
    given = {"model_max_length": MAX_TOKENS, "local_files_only": True}
    for made, folder, number, more in (
        (XLMRobertaTokenizer, TEXT_FOLDER, "", {}),
        (T5Tokenizer, TEXT_FOLDER_2, "_2", {"extra_ids": 0}),
    ):
        try:
            tokenizer = made.from_pretrained(str(source / folder), **given, **more)
        except Exception as error:  # a damaged file raises anything
            raise WeightsError("source", source / folder, f"has no tokenizer: {error}") from error
        known = rows[f"text_encoder{number}"]
        if known is None or len(tokenizer) > known:
            said = f"has a tokenizer of {len(tokenizer)} tokens, and an encoder of {known}"
            raise WeightsError("source", source / folder, said)
        tokenizer.save_pretrained(part / f"tokenizer{number}")


def _write_schedulers(part: Path) -> None:
    diffusers.DDIMScheduler(**samplings.DDIM).save_pretrained(part / "scheduler")
    diffusers.DDPMScheduler(**samplings.DDPM).save_pretrained(part / "ddpm_scheduler")


def _write_index(part: Path, pipeline: str) -> None:
    index = {"_class_name": pipeline, "_diffusers_version": diffusers.__version__, **COMPONENTS}
    (part / "model_index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _link_shared(whole: Path, part: Path) -> None:
    """All but what comes with the UNet."""
    for path in sorted(whole.rglob("*")):
        inner = path.relative_to(whole)
        if inner.parts[0] in ("unet", "text_proj", "model_index.json"):
            continue
        if path.is_dir():
            (part / inner).mkdir()
            continue
        try:
            os.link(path, part / inner)
        except OSError:
            shutil.copyfile(path, part / inner)
