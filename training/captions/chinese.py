"""Chinese captions: "白色背景上有一个红色圆形"."""

from __future__ import annotations

import re
from random import Random

from training.captions.pairs import Pairing
from training.scenes import Mention, ObjectMention

SHAPES = {
    "circle": ("圆形",),
    "square": ("正方形", "方形"),
    "triangle": ("三角形",),
    "cross": ("十字",),
    "ring": ("圆环",),
    "half-circle": ("半圆",),
    "line": ("线条", "直线"),
    None: ("图形",),
}
COLOURS = {
    "red": "红色",
    "orange": "橙色",
    "yellow": "黄色",
    "green": "绿色",
    "turquoise": "青色",
    "blue": "蓝色",
    "purple": "紫色",
    "pink": "粉色",
}
BACKGROUNDS = {"white": "白色", "black": "黑色", "gray": "灰色", "beige": "米色"}
SIZES = {"small": ("小", "小的"), "large": ("大", "大的")}
OPENINGS = ("一幅画，", "画中有", "图片中有")
COLUMNS = {"left": "左", "right": "右"}
ROWS = {"top": "上", "bottom": "下"}
SIDES = ("边", "方")
CORNER = "{}{}角"
MIDDLE = ("中间", "中央")
IN = "在"
PAIRING = Pairing(
    relations={
        "left of": ("的左边", "左边"),
        "above": ("的上方", "上面"),
        "inside": ("里面", "的里面"),
    },
    converses={
        "left of": ("的右边", "右边"),
        "above": ("的下方", "下面"),
        "inside": ("外面", "的外面"),
    },
    conjunctions=("和", "与"),
    related=f"{{first}}{IN}{{second}}{{word}}",
    listed="{first}{word}{second}",
)
GROUNDS = ("{}背景上有", "{}背景上的", "{}背景，")
GROUND_AFTER = "，{}背景"
ONE = "一个"


def phrase(rng: Random, mention: Mention) -> str:
    """One of the wordings that say just this."""
    objects = [noun(rng, said) for said in mention.objects]
    if len(objects) == 1:
        said = objects[0] + place(rng, mention.objects[0])
    else:
        first, second = objects
        said = PAIRING.phrase(rng, first, second, mention.relation)
    opening = rng.choice(OPENINGS) if rng.random() < 0.2 else ""
    if mention.background is None:
        return opening + said
    name = BACKGROUNDS[mention.background]
    if rng.random() < 0.25:
        return opening + said + GROUND_AFTER.format(name)
    return opening + rng.choice(GROUNDS).format(name) + said


def noun(rng: Random, said: ObjectMention) -> str:
    """An object with its adjectives."""
    size = rng.choice(SIZES[said.size]) if said.size else ""
    colour = COLOURS[said.colour] if said.colour else ""
    one = ONE if rng.random() < 0.3 else ""
    return one + size + colour + rng.choice(SHAPES[said.shape])


def place(rng: Random, said: ObjectMention) -> str:
    """Where on the canvas; may be ""."""
    if said.column == said.row == "centre":
        return IN + rng.choice(MIDDLE)
    if said.column and said.row:
        return IN + CORNER.format(COLUMNS[said.column], ROWS[said.row])
    side = COLUMNS.get(said.column or "") or ROWS.get(said.row or "")
    return IN + side + rng.choice(SIDES) if side else ""


def _words() -> frozenset[str]:
    texts = [*COLOURS.values(), *BACKGROUNDS.values(), *OPENINGS, *MIDDLE, *PAIRING.texts]
    texts += [*GROUNDS, GROUND_AFTER, IN, ONE]
    texts += [name + side for name in (*COLUMNS.values(), *ROWS.values()) for side in SIDES]
    texts += [CORNER.format(column, row) for column in COLUMNS.values() for row in ROWS.values()]
    for table in (SHAPES, SIZES):
        texts += [text for forms in table.values() for text in forms]
    return frozenset(run for text in texts for run in re.findall("[\u4e00-\u9fff]+", text))


WORDS = _words()
CHARACTERS = frozenset(letter for word in WORDS for letter in word)
