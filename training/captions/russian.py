"""Russian captions: "красный круг слева от синего квадрата на белом фоне".

Nouns and adjectives come in the cases that the relations ask for.
"""

from __future__ import annotations

import re
from random import Random

from training.scenes import Mention, ObjectMention

NOMINATIVE, GENITIVE, INSTRUMENTAL = range(3)
MASCULINE, NEUTER, FEMININE = range(3)

SHAPES = {
    "circle": (MASCULINE, ("круг", "круга", "кругом")),
    "square": (MASCULINE, ("квадрат", "квадрата", "квадратом")),
    "triangle": (MASCULINE, ("треугольник", "треугольника", "треугольником")),
    "cross": (MASCULINE, ("крест", "креста", "крестом")),
    "ring": (NEUTER, ("кольцо", "кольца", "кольцом")),
    "half-circle": (MASCULINE, ("полукруг", "полукруга", "полукругом")),
    "line": (FEMININE, ("линия", "линии", "линией")),
    None: (FEMININE, ("фигура", "фигуры", "фигурой")),
}
"""Gender, and the nominative, genitive and instrumental."""

HARD = (("ый", "ое", "ая"), ("ого", "ого", "ой"), ("ым", "ым", "ой"))
SOFT = (("ий", "ее", "яя"), ("его", "его", "ей"), ("им", "им", "ей"))
AFTER_K = (("ий", "ое", "ая"), ("ого", "ого", "ой"), ("им", "им", "ой"))
STRESSED = (("ой", "ое", "ая"), ("ого", "ого", "ой"), ("им", "им", "ой"))
COLOURS = {
    "red": ("красн", HARD),
    "orange": ("оранжев", HARD),
    "yellow": ("жёлт", HARD),
    "green": ("зелён", HARD),
    "turquoise": ("бирюзов", HARD),
    "blue": ("син", SOFT),
    "purple": ("фиолетов", HARD),
    "pink": ("розов", HARD),
}
SIZES = {"small": ("маленьк", AFTER_K), "large": ("больш", STRESSED)}
BACKGROUNDS = {"white": "белом", "black": "чёрном", "gray": "сером", "beige": "бежевом"}
OPENINGS = ("на картине", "на рисунке", "на картинке")
COLUMNS = {"left": ("слева",), "right": ("справа",)}
ROWS = {"top": ("вверху", "сверху"), "bottom": ("внизу", "снизу")}
MIDDLE = ("в центре", "посередине")
RELATIONS = {
    "left of": (("слева от",), GENITIVE),
    "above": (("над",), INSTRUMENTAL),
    "inside": (("внутри",), GENITIVE),
}
CONVERSES = {
    "left of": (("справа от",), GENITIVE),
    "above": (("под",), INSTRUMENTAL),
    "inside": (("вокруг",), GENITIVE),
}
AND = "и"


def phrase(rng: Random, mention: Mention) -> str:
    """One of the wordings that say just this."""
    if len(mention.objects) == 1:
        (only,) = mention.objects
        said = noun(rng, only, NOMINATIVE) + place(rng, only)
    else:
        first, second = mention.objects
        if mention.relation is None:
            said = f"{noun(rng, first, NOMINATIVE)} {AND} {noun(rng, second, NOMINATIVE)}"
        else:
            table = RELATIONS
            if rng.random() < 0.3:
                table, first, second = CONVERSES, second, first
            words, case = table[mention.relation]
            said = f"{noun(rng, first, NOMINATIVE)} {rng.choice(words)} {noun(rng, second, case)}"
    opening = rng.choice(OPENINGS) + " " if rng.random() < 0.2 else ""
    ground = f" на {BACKGROUNDS[mention.background]} фоне" if mention.background else ""
    text = opening + said + ground
    return text.replace("ё", "е") if rng.random() < 0.3 else text


def noun(rng: Random, said: ObjectMention, case: int) -> str:
    """An object with its adjectives, in a case."""
    gender, forms = SHAPES[said.shape]
    adjectives = [SIZES[said.size]] if said.size else []
    adjectives += [COLOURS[said.colour]] if said.colour else []
    return " ".join([*(stem + endings[case][gender] for stem, endings in adjectives), forms[case]])


def place(rng: Random, said: ObjectMention) -> str:
    """Where on the canvas, with the space before it; may be ""."""
    if said.column == said.row == "centre":
        return " " + rng.choice(MIDDLE)
    words = [rng.choice(COLUMNS[said.column])] if said.column else []
    words += [rng.choice(ROWS[said.row])] if said.row else []
    return "".join(f" {word}" for word in words)


def _words() -> frozenset[str]:
    texts = [*OPENINGS, *MIDDLE, *BACKGROUNDS.values(), "на", "фоне", AND]
    texts += [form for _, forms in SHAPES.values() for form in forms]
    for stem, cases in COLOURS.values():
        texts += [stem + ending for case in cases for ending in case]
    # Only lone objects are said to be large or small, and those stand in the nominative.
    texts += [stem + ending for stem, cases in SIZES.values() for ending in cases[NOMINATIVE]]
    texts += [text for table in (COLUMNS, ROWS) for forms in table.values() for text in forms]
    texts += [text for table in (RELATIONS, CONVERSES) for forms, _ in table.values()
              for text in forms]  # fmt: skip
    words = frozenset(re.findall(r"[а-яё]+", " ".join(texts)))
    return words | {word.replace("ё", "е") for word in words}


WORDS = _words()
