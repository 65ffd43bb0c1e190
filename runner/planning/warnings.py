"""Warnings about a run: what the user should know, although it can be run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from runner.catalog.version import Fault
from runner.config.choices import WeightsSource
from runner.config.prompt_files import read_prompt_file
from runner.config.run_config import RunConfig
from runner.errors import ConfigError
from runner.mini.known import Known, read_known
from runner.planning.cut_texts import CutText, cut_warnings
from runner.planning.unused import unused_settings
from runner.system.files import expand_home
from runner.system.text import shorten
from runner.weights.find import MINI_DIR

if TYPE_CHECKING:
    from runner.images.inputs import InputImage

SHOWN_WORDS = 8
NOTABLE_SHARE = 0.02


def find_warnings(
    run: RunConfig,
    device: str,
    pictures: Mapping[str, InputImage],
    size: tuple[int, int],
    faults: Collection[Fault],
    cut_texts: Sequence[CutText],
) -> Iterator[str]:
    """The warnings, one sentence each, most important first.

    Args:
        device: the settled device.
        pictures: the input pictures, by config key.
        size: width, height of the images.
        faults: of diffusers, that act on the cell.
        cut_texts: the texts that are longer than an encoder reads.
    """
    mini = run.weights.source is WeightsSource.mini
    if mini:
        yield from _unknown_words(run)
    if run.weights.source is WeightsSource.random:
        yield "the weights are random: pictures are noise, and their metrics mean nothing"
    yield from cut_warnings(cut_texts, len(_texts(run)))
    yield from unused_settings(run)
    yield from _unread_columns(run)
    yield from _notes(run, device)
    trained = run.weights.pixels
    if mini and trained is not None and size != (trained, trained):
        yield (
            f"weights=mini was trained on {trained}x{trained} alone: at "
            f"{size[0]}x{size[1]} shapes come out wrong"
        )
    if run.corrections:
        yield from _cut_pictures(run, pictures, size)
    else:
        yield from _as_in_diffusers(run, size, faults)


def _unknown_words(run: RunConfig) -> Iterator[str]:
    texts = _texts(run)
    known = _mini_known()
    unknown = {text: words for text in texts if (words := known.unknown_words(text))}
    if unknown:
        distinct = list(dict.fromkeys(word for found in unknown.values() for word in found))
        shown = ", ".join(repr(shorten(word)) for word in distinct[:SHOWN_WORDS])
        more = f" and {len(distinct) - SHOWN_WORDS} more" if len(distinct) > SHOWN_WORDS else ""
        where = f"{len(unknown)} of {len(texts)} texts" if len(texts) > 1 else "this prompt"
        yield (
            f"weights=mini does not know {shown}{more}, in {where}: it draws what the other "
            "words say (its words: runner/mini/weights/README.md)"
        )


def _texts(run: RunConfig) -> list[str]:
    others = (run.negative_prompt, *(item.text for item in run.interpolate))
    return [*filter(None, run.prompts), *filter(None, others)]


def _unread_columns(run: RunConfig) -> Iterator[str]:
    file = run.composed.get("prompt_file")
    columns = _setting_columns(Path(expand_home(file))) if isinstance(file, str) else ()
    if columns:
        named = (
            f"its column {columns[0]} is"
            if len(columns) == 1
            else (f"its columns {', '.join(columns)} are")
        )
        yield (
            f"prompt_file={file}: {named} not read, prompts alone are; the config's settings "
            f"hold for all of them (axes={file} would make a cell of each row)"
        )


def _setting_columns(path: Path) -> tuple[str, ...]:
    try:
        return read_prompt_file(path).settings
    except ConfigError:
        return ()  # it was read before: what has become of it decides nothing now


@cache
def _mini_known() -> Known:
    return read_known(MINI_DIR)


def _as_in_diffusers(
    run: RunConfig, size: tuple[int, int], faults: Collection[Fault]
) -> Iterator[str]:
    """How `corrections=off` draws another picture than the config says."""
    width, height = size
    asked = run.height, run.width
    if any(a not in (None, b) for a, b in zip(asked, (height, width), strict=True)):
        yield f"corrections=off: diffusers draws {width} x {height}, not the size that is asked for"
    if Fault.sizes_exchanged in faults:
        yield f"corrections=off: the pictures are {height} x {width}: height and width exchanged"
    if Fault.pictures_not_fitted in faults:
        yield (
            "corrections=off: input pictures go to diffusers as they are, whatever `resize` says; "
            f"what is not {width} x {height} is stretched"
        )


def _cut_pictures(
    run: RunConfig, pictures: Mapping[str, InputImage], size: tuple[int, int]
) -> Iterator[str]:
    if not pictures or run.task.mixes:
        return  # pictures to be mixed are resized by CLIP
    # Imported here: it imports Pillow, which most plans do not need.
    from runner.images.geometry import cut_off

    for key in ("image", "hint"):
        picture = pictures.get(f"inputs.{key}")
        if picture is None:
            continue
        share = cut_off((picture.width, picture.height), size, run.resize)
        if share > NOTABLE_SHARE:
            yield (
                f"inputs.{key} of {picture.width}x{picture.height} is to fill "
                f"{size[0]}x{size[1]} (resize=cover): {share:.0%} of it is cut off at two edges; "
                "resize=fit and resize=stretch keep all of it"
            )


def _is_set(run: RunConfig, scale: float) -> bool:
    """Whether the decoder's guidance is another one than the default of the weights."""
    return scale != run.weights.guidance.decoder


def _notes(run: RunConfig, device: str) -> list[str]:
    """Notes on settings that are allowed but may surprise."""
    notes = []
    version, scale = run.version, run.decoder.guidance_scale
    halves = {p.name for p in vars(run.precision).values()} - {"fp32"}
    if halves and device == "cpu":
        notes.append("half precision on a CPU is slow and its pictures differ from fp32")
    notes += [
        f"precision={name}: Kandinsky {version.title} {what}"
        for name, what in version.doubted_precisions.items()
        if name in {run.precision.text.name, run.precision.decoder.name}
    ]
    added = version.guidance_added
    if added and scale > 1 and not run.corrections:
        notes.append(
            f"Kandinsky {version.title}: decoder.guidance_scale={scale:g} goes to diffusers as it "
            f"is, and guides like {scale + added:g} elsewhere"
        )
    elif added and scale > 1 + added and _is_set(run, scale):
        notes.append(
            f"Kandinsky {version.title}: decoder.guidance_scale={scale:g} goes to diffusers as "
            f"{scale - added:g}, whose formula adds {added}; so the number means the same as for "
            "2.x"
        )
    if run.task.mixes and not version.decoder_reads_prompt and any(run.prompts):
        notes.append(
            f"task={run.task.name}: the decoder of Kandinsky {version.title} reads no prompt"
        )
    return notes
