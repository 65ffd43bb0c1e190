"""Every route from the hub's stand-in, compared with diffusers: the table of docs/published.md.

`make published` writes the page anew.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from functional import direct_kandinsky5 as direct5
from functional.asked import DECODERS, NEGATIVE, Ask, Pictures, Pixels, opened, pixels
from functional.direct import Direct
from functional.made import STEPS, Made
from hub_stand_in import Hub
from random_weights.kandinsky5 import kandinsky_5_i2i, kandinsky_5_t2i
from runner.catalog.version import Fault
from runner.catalog.versions import VERSIONS
from runner.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "published.md"
WRITE = "WRITE_DOCS"
PUBLISHED = [
    (version, task)
    for version, task in DECODERS
    if VERSIONS[f"kandinsky{version}"].tasks[task]["decoder"].original is None
]
"""In diffusers' layout."""
OF_5 = [(task, variant) for variant in VERSIONS["kandinsky5"].variants for task in direct5.KINDS]
OFF_AND_ON = ("off", "on")
SQUARE = ("img2img", "controlnet_img2img")
HEAD = (
    "# The published checkpoints\n\n"
    "Each route, with weights of the published layout: file names, classes, variants, formats, "
    "schedulers and tokenizers are those of the repositories, the numbers in them few and random. "
    "They come from a stand-in of the hub, each time into an empty cache, with the checkpoint's "
    "own scheduler and a negative prompt. `make published` writes this page: it runs each route "
    "with `corrections=off` and `on`, and calls diffusers along the guide's route with the same "
    "generators. Kandinsky 5 has no `off`: it is compared with a call whose attributes are set as "
    "[its page](kandinsky-5.md) says (sizes, and the template for editing).\n\n"
    "| version | task | repositories | fetched | `corrections=off` | `corrections=on` |\n"
    "|---|---|---|---|---|---|\n"
)
FEET = """
"Equal" is bit for bit. What the corrections are: [differences from diffusers](diffusers.md).

{faults}
"""


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KANDINSKY_CACHE", str(tmp_path / "own"))


def rows(
    hub: Hub, direct: Direct, pictures: Callable[[Ask], Pictures], folder: Path
) -> Iterator[str]:
    for version, task in PUBLISHED:
        ask = Ask(version, task, negative=NEGATIVE, scheduler="checkpoint")
        # diffusers exchanges unequal sides there: an error, or another size.
        ask = replace(ask, width=64) if task in SQUARE else ask
        given = pictures(ask)
        expected = direct.draw(ask, given, naive=True)
        yield row(hub, ask, given, expected, folder, *(f"corrections={one}" for one in OFF_AND_ON))
    for task, variant in OF_5:
        ask = Ask("5", task, negative=NEGATIVE)
        given = pictures(ask)
        pipe = direct5.published(
            folder.parent / variant if variant == "pretrain" else direct.weights, task, variant
        )
        shown = {"image": opened(given["image"])} if task == "edit" else {}
        expected = direct5.draw(ask, pipe, **shown)
        yield row(hub, ask, given, expected, folder, f"model.variant={variant}")


def row(hub: Hub, ask: Ask, given: Pictures, expected: Pixels, folder: Path, *ways: str) -> str:
    """The page's row of a route, which is run in each of these ways."""
    said = ["not there"] * (len(OFF_AND_ON) - len(ways))
    hub.requests.clear()
    shutil.rmtree(os.environ["HF_HOME"], ignore_errors=True)
    for way in ways:
        overrides = [
            *ask.overrides(given), "weights=hub", f"output_dir={folder}", "tracking=none",
            "progress=quiet", "cache=off", "device=cpu", *STEPS, way,
        ]  # fmt: skip
        last = {override.partition("=")[0]: override for override in overrides}
        assert main(list(last.values())) == 0
        made = Made(folder)
        (file,), (image,) = made.files, made.manifest["images"]
        if np.array_equal(pixels(opened(file)), expected):
            said.append("equal")
        else:
            said.append("corrected: " + ", ".join(f"`{name}`" for name in image["corrected"]))
    fetched = [one for one in hub.requests if one.is_file]
    weights = made.manifest["environment"]["weights"].values()
    repositories = dict.fromkeys(found["repo"] for found in weights)
    size = sum(one.sent for one in fetched)
    names = "<br>".join(repositories)
    return (
        f"| {ask.version.replace('_', '.')} | {ask.task} | {names} | {len(fetched)} files, "
        f"{size / 1e6:.1f} MB | {' | '.join(said)} |"
    )


@pytest.mark.slow
def test_every_route_from_the_hub_is_as_the_page_says(
    hub: Hub, direct: Direct, pictures: Callable[[Ask], Pictures], tmp_path: Path
) -> None:
    for build in (kandinsky_5_t2i, kandinsky_5_i2i):
        built = build(tmp_path / "pretrain", seed=1, variant="pretrain")
        hub.add(f"kandinskylab/{built.name}", built)
    table = "\n".join(rows(hub, direct, pictures, tmp_path / "outputs"))
    faults = "\n".join(f"- `{fault.name}`: {fault.value}." for fault in Fault)
    page = f"{HEAD}{table}\n{FEET.format(faults=faults)}"
    if os.environ.get(WRITE):
        PAGE.write_text(page, encoding="utf-8")
    assert page == PAGE.read_text(encoding="utf-8")
    assert table.count("| equal |") >= len(PUBLISHED) + len(OF_5), (
        "off is diffusers' own picture everywhere"
    )
