"""Makes folders in diffusers' layout of the published files of Kandinsky 2.0.

The published files: https://huggingface.co/ai-forever/Kandinsky_2.0
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import diffusers
import torch

from runner.errors import ConfigError, RunnerError, StorageError, WeightsError, raise_all
from runner.kandinsky2_0 import samplings
from runner.kandinsky2_0.conversion.components import (
    INPAINT_FILE,
    RELEASED,
    TEXT_FOLDER,
    TEXT_FOLDER_2,
    UNET_FILE,
    VAE_FILE,
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

REPOSITORY = "ai-forever/Kandinsky_2.0"
FOLDERS = {
    UNET_FILE: ("kandinsky-2-0", "KandinskyV20Pipeline", 4),
    INPAINT_FILE: ("kandinsky-2-0-inpaint", "KandinskyV20InpaintPipeline", 9),
}
"""Published file of a UNet -> the folder that is made, its pipeline, and the UNet's channels."""
NEEDED = (
    VAE_FILE,
    f"{TEXT_FOLDER}/config.json", f"{TEXT_FOLDER}/pytorch_model.bin",
    f"{TEXT_FOLDER}/tokenizer.json",
    f"{TEXT_FOLDER_2}/config.json", f"{TEXT_FOLDER_2}/pytorch_model.bin",
    f"{TEXT_FOLDER_2}/spiece.model",
)  # fmt: skip
"""Beside a UNet."""
COMPONENTS = {
    "tokenizer": ("transformers", "XLMRobertaTokenizer"),
    "text_encoder": ("kandinsky", "MultilingualCLIP"),
    "tokenizer_2": ("transformers", "T5Tokenizer"),
    "text_encoder_2": ("transformers", "MT5EncoderModel"),
    "text_proj": ("runner.kandinsky2_0.text_projection", "KandinskyV20TextProjection"),
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
    tell: Callable[[str], None] = lambda line: None,
) -> Conversion:
    """Make `kandinsky-2-0` and `kandinsky-2-0-inpaint`, or one of them if only its UNet is there.

    All files are checked before anything is written. No file is executed, one tensor at a time is
    in memory, and a folder appears when it is whole. What both folders have is on disk once, where
    the file system has hard links.

    Args:
        source: a folder with the published files.
        target: a folder in which the new ones are made.
        dtype: a key of `DTYPES`; keep: as stored.
        sizes: the configs of the models.
        tell: called with a line on each file that is written.

    Raises:
        WeightsError: files are missing or damaged, or hold other tensors than the models; each is
            named.
        ConfigError: the folder is there already, or there is no room on the disk.
        StorageError: it cannot be written.
    """
    unets = [name for name in FOLDERS if (source / name).is_file()]
    _check_files(source, unets)
    for name in unets:
        if (target / FOLDERS[name][0]).exists():
            raise ConfigError("target", target / FOLDERS[name][0], "is there already", "a new one")
    shared, own = _planned(source, unets, sizes, DTYPES[dtype])
    _check_room(target, [*shared, *own.values()])
    made: list[Path] = []
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name in unets:
            folder, pipeline, _ = FOLDERS[name]
            with _appearing(target / folder) as part:
                if made:
                    _link_shared(made[0], part)
                else:
                    _write_tokenizers(source, part, shared)
                    _write_schedulers(part)
                    _write(shared, part, tell)
                _write([own[name]], part, tell)
                _write_index(part, pipeline)
            made.append(target / folder)
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {error.strerror or error}") from error
    planned = [*shared, *own.values()]
    return Conversion(made, {each.published.name: each.dropped for each in planned})


def _check_files(source: Path, unets: list[str]) -> None:
    missing = [name for name in NEEDED if not (source / name).is_file()]
    if not unets:
        missing = [f"{UNET_FILE} (or {INPAINT_FILE})", *missing]
    if missing:
        said = f"has no {', '.join(missing)}"
        raise WeightsError("source", source, said, f"the files of {REPOSITORY}")


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
    own = {name: plan(partial(unet_file, name, sizes, FOLDERS[name][2])) for name in unets}
    raise_all(errors)
    return [each for each in shared if each], {name: each for name, each in own.items() if each}


def _check_room(target: Path, planned: list[PlannedFile]) -> None:
    needed, free = sum(each.bytes for each in planned), free_bytes(target)
    if needed > free:
        raise ConfigError(
            "target", target, f"has {format_bytes(free)} free, and {format_bytes(needed)} is needed"
        )


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A folder that gets its name when it is whole, and is removed when it does not become so."""
    part = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}.part")
    part.mkdir()
    try:
        yield part
        part.rename(folder)
    finally:
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
