"""A strategy for the command line: configs over all groups, most of them right, some wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

from hypothesis import strategies as st

from helpers.cases import CELLS, REFUSED
from helpers.scheduler_cases import FOR_NOISE, VALUES, beside, written
from helpers.small_loras import STYLE
from runner.catalog.attention import ATTENTION
from runner.catalog.offload import OFFLOAD, Needs
from runner.catalog.quantization import KEYS, NONE
from runner.catalog.schedulers import CHECKPOINT, OPTIONS
from runner.catalog.tasks import TASKS, Task
from runner.catalog.version import Version
from runner.catalog.versions import VERSIONS

T = TypeVar("T")

WRONG_OPTIONS = ("timestep_spacing", "eta", "variance_type", "solver_order", "clip_sample")
PROMPTS = [
    "a red circle", "'a blue square, 4k; so: fine?'", "'日本の猫'", "'naïve “quotes” and 🎨'",
    "a", "[a red circle,a blue square]", "[a,a]",
]  # fmt: skip
WRONG_PROMPTS = ["日本の猫", "''", "[]", "3", "null", "{a: b}"]
PICTURES = ["a.png", "b.png", "wide.png", "grey.png"]
MASKS = ["mask.png", "a.png"]
WRONG_PICTURES = ["none.png", "text.png", ".", "''", "http://127.0.0.1:9/a.png"]
BOXES = ["[0,0,32,32]", "[5,7,9,8]", "[0,0,128,128]"]
WRONG_BOXES = ["[0,0,32]", "[8,8,8,8]", "[0,0,500,500]", "[-1,0,8,8]", "[a,b,c,d]", "7"]
ITEMS = [
    "[{text: a, weight: 0.5}, {text: b, weight: 0.5}]",
    "[{text: a, weight: 0.25}, {image: a.png, weight: 0.75}]",
    "[{image: wide.png, weight: 1.5}, {image: b.png, weight: -0.5}]",
    "[{text: a, weight: 0}, {text: b, weight: 0.5}, {image: a.png, weight: 0.5}]",
]
WRONG_ITEMS = [
    "[]", "[{text: a}]", "[{text: a}, {text: b}]", "[{text: a, weight: 1}, {weight: 0}]",
    "[{text: a, weight: 0.5}, {image: none.png, weight: 0.5}]", "[{txt: a, weight: 1}]", "7",
]  # fmt: skip

WRONG_LORAS = [
    "7", "[{weight: 1}]", "[{path: none.safetensors}]", "[{path: a.png}]",
    f"[{{path: {STYLE}, weight: nan}}]", f"[{{path: {STYLE}, role: text}}]",
]  # fmt: skip

WRONGS = (
    "cell", "prompt", "seeds", "negative", "height", "width", "image", "mask", "hint", "missing",
    "beyond", "items", "resize", "decoder steps", "prior steps", "decoder guidance",
    "prior guidance", "strength", "prior strength", "negative strength", "scheduler", "option",
    "attention", "slices", "offload", "quantize",
)  # fmt: skip
"""What may be wrong with a config: at most two of them, so that most get past the first check."""


@dataclass(frozen=True)
class Drawer:
    """Draws what is right, but for the few things chosen to be wrong."""

    random: Random
    wrongs: frozenset[str]

    def any(self, values: Sequence[T]) -> T:
        """One of them."""
        return self.random.choice(values)

    def one(self, what: str, right: Sequence[T], wrong: Sequence[T]) -> T:
        """Something right, or wrong where that is chosen."""
        return self.any(wrong if what in self.wrongs else right)


DRAWN = [cell for cell in CELLS if not VERSIONS[cell[0]].flow]
"""Cells that take the schedulers and sizes below."""


@st.composite
def configs(draw: st.DrawFn) -> list[str]:
    """Overrides of one cell of one or two images by few steps, beside the pictures of a test."""
    # One draw of Hypothesis for all: it varies its draws one by one, and so would fill a third of
    # the examples with near copies of each other.
    random = draw(st.randoms(use_true_random=True))
    wrongs = random.sample(WRONGS, random.choice([0, 0, 1, 1, 2]))
    drawer = Drawer(random, frozenset(wrongs))
    version, task = drawer.one("cell", DRAWN, REFUSED)
    overrides = [f"model={version}", f"task={task}"]
    overrides += _inputs(drawer, TASKS[task])
    if "attention" in drawer.wrongs:  # a second thing that is wrong; no file fits all versions
        overrides.append(f"lora={WRONG_LORAS[len(overrides) % len(WRONG_LORAS)]}")
    overrides += _images(drawer)
    overrides += _sampling(drawer, VERSIONS[version])
    overrides += _scheduler(drawer)
    overrides += _machine(drawer)
    return overrides


def _images(drawer: Drawer) -> list[str]:
    prompt = drawer.one("prompt", PROMPTS, WRONG_PROMPTS)
    two = prompt.startswith("[a")
    seeds = drawer.one(
        "seeds", ["[0]", "[7]"] if two else ["[0]", "[3,1]"], ["[]", "[1,1]", "[-1]", "x"]
    )
    overrides = [f"prompt={prompt}", f"seeds={seeds}"]
    overrides.append(f"seeding={drawer.any(['per_stage', 'shared'])}")
    negative = drawer.one("negative", ["null", "blue", "'low quality, 🎨'"], ["''", "[a]"])
    overrides.append(f"negative_prompt={negative}")
    for key in ("height", "width"):
        size = drawer.one(key, [64, 64, 128], [0, -64, 63, 100, 8192])
        overrides.append(f"{key}={size}")
    return overrides


def _inputs(drawer: Drawer, task: Task) -> list[str]:
    """What the task needs; seldom too little, too much or the wrong thing."""
    chosen: dict[str, str] = {}
    if "image" in task.needs:
        chosen["image"] = drawer.one("image", PICTURES, WRONG_PICTURES)
    if "mask" in task.takes:
        # A mask has its picture's size.
        chosen["image"] = drawer.one("image", ["a.png", "b.png"], ["wide.png", *WRONG_PICTURES])
        if drawer.any([True, False]):
            chosen["mask"] = drawer.one("mask", MASKS, ["wide.png", *WRONG_PICTURES])
        else:
            chosen["mask_box"] = drawer.one("mask", BOXES, WRONG_BOXES)
        chosen["mask_invert"] = drawer.any(["true", "false"])
    if "image" in task.takes and "image" not in task.needs:
        key = drawer.any(["image", "hint"])
        chosen[key] = drawer.one(key, PICTURES, WRONG_PICTURES)
    elif "hint" in task.takes and drawer.any([True, False]):
        chosen["hint"] = drawer.one("hint", [chosen["image"]], [*PICTURES, *WRONG_PICTURES])
    if chosen and "missing" in drawer.wrongs:
        del chosen[drawer.any(sorted(chosen))]
    if "beyond" in drawer.wrongs:
        chosen[drawer.any(["image", "mask", "hint"])] = "a.png"
    overrides = [f"inputs.{key}={value}" for key, value in chosen.items()]
    if task.mixes or "items" in drawer.wrongs:
        overrides.append(f"interpolate.items={drawer.one('items', ITEMS, WRONG_ITEMS)}")
    overrides.append(f"resize={drawer.one('resize', ['cover', 'fit', 'stretch'], ['squeeze'])}")
    return overrides


def _sampling(drawer: Drawer, version: Version) -> list[str]:
    strengths: list[Any] = [0.5, 0.75, 1]
    guidances: list[Any] = [0, 1, 2.5 if version.guidance_added else 1.5, 4]
    wrong: dict[str, list[Any]] = {
        "steps": [0, 1, 1001, "many"],
        "guidance": [-1, "nan", "inf", 1.5, "much"],
        "strength": [0.1, 0, 2, "nan"],
    }

    def value(what: str, right: Sequence[Any]) -> Any:
        return drawer.one(what, right, wrong[what.split()[-1]])

    return [
        f"decoder.num_inference_steps={value('decoder steps', [2, 3])}",
        f"prior.num_inference_steps={value('prior steps', [2, 3])}",
        f"decoder.guidance_scale={value('decoder guidance', guidances)}",
        f"prior.guidance_scale={value('prior guidance', [0, 1, 1.5, 4])}",
        f"strength={value('strength', strengths)}",
        f"prior.strength={value('prior strength', strengths)}",
        f"prior.negative_strength={value('negative strength', strengths)}",
    ]


def _scheduler(drawer: Drawer) -> list[str]:
    """A scheduler with some of its options, and what those need beside them."""
    scheduler = drawer.any([CHECKPOINT, *FOR_NOISE.values()])
    taken = drawer.one("scheduler", [scheduler.option_names], [tuple(OPTIONS)])
    chosen = drawer.random.sample(taken, min(drawer.any(range(4)), len(taken)))
    values = {option: drawer.any(VALUES[option]) for option in chosen}
    if "option" in drawer.wrongs:
        values[drawer.any(list(WRONG_OPTIONS))] = drawer.any(["-1", "nan", "x"])
    elif "scheduler" not in drawer.wrongs:
        for option in chosen:
            values |= beside(option)
        on = {o for o, value in values.items() if value is True}
        void = {o for o in on if OPTIONS[o].voided_by in on}
        # What another option makes void is refused, and what needs it then, too.
        values = {o: v for o, v in values.items() if not void & {o, OPTIONS[o].needs}}
    return [f"scheduler={scheduler.name}", *written(values)]


def _machine(drawer: Drawer) -> list[str]:
    lacking = [name for name, row in ATTENTION.items() if row.package or row.devices]
    backends = [name for name in ATTENTION if name not in lacking]
    attention = drawer.one("attention", backends, [*lacking, "nonsense"])
    modes = [name for name, row in OFFLOAD.items() if row.needs is Needs.NOTHING]
    offload = drawer.one("offload", modes, [name for name in OFFLOAD if name not in modes])
    overrides = [
        f"attention={attention}",
        f"offload={offload}",
        "compile=off",
        f"compile.channels_last={drawer.any(['true', 'false'])}",
        f"channels_last={drawer.any(['true', 'false', 'auto'])}",
        f"graphs={drawer.any(['auto', 'off'])}",
        f"precision={drawer.any(['fp32', 'bf16'])}",
        f"quantize.{drawer.any(KEYS)}={drawer.one('quantize', [NONE, NONE, 'fp8'], ['fp4', 8])}",
        f"cache={drawer.any(['use', 'refresh', 'off'])}",
    ]
    sliced = attention in ATTENTION and ATTENTION[attention].sliced
    if sliced or "slices" in drawer.wrongs:
        slices = drawer.one("slices", ["null", 1, 2, 64], [0, -1, "x"])
        overrides.append(f"attention.slice_size={slices}")
    return overrides
