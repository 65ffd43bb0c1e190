"""English captions: "a small red circle on the left of a white background"."""

from __future__ import annotations

import re
from random import Random

from runner.mini import vocabulary
from training.captions.pairs import Pairing
from training.scenes import Mention, ObjectMention

Words = dict[str, tuple[str, ...]]

SHAPES = {
    "circle": ("circle",),
    "square": ("square",),
    "triangle": ("triangle",),
    "cross": ("cross",),
    "ring": ("ring",),
    "half-circle": ("half-circle", "half circle", "semicircle"),
    "line": ("line",),
    None: ("shape",),
}
COLOURS: Words = {name: (name,) for name in vocabulary.COLOURS}
BACKGROUNDS: Words = {
    "white": ("white",),
    "black": ("black",),
    "gray": ("gray", "grey"),
    "beige": ("beige",),
}
SIZES: Words = {"small": ("small", "little"), "large": ("large", "big")}
ARTICLES = ("a", "one", "the", "")
OPENINGS = (
    "a painting of",
    "a picture of",
    "a drawing of",
    "an abstract painting of",
    "an image of",
)
GROUNDS = ("on a {} background", "on {}", "on the {} background")
COLUMNS: Words = {"left": ("on the left",), "right": ("on the right",)}
ROWS: Words = {"top": ("at the top",), "bottom": ("at the bottom",)}
MIDDLE = ("in the centre", "in the center", "in the middle")
CORNERS = ("at the {} {}", "in the {} {} corner")
PAIRING = Pairing(
    relations={
        "left of": ("left of", "to the left of", "on the left of"),
        "above": ("above", "over"),
        "inside": ("inside", "within"),
    },
    converses={
        "left of": ("right of", "to the right of", "on the right of"),
        "above": ("below", "under"),
        "inside": ("around",),
    },
    conjunctions=("and", "with"),
    related="{first} {word} {second}",
    listed="{first} {word} {second}",
)


def phrase(rng: Random, mention: Mention) -> str:
    """One of the wordings that say just this."""
    objects = [noun(rng, said) for said in mention.objects]
    if len(objects) == 1:
        said = objects[0] + place(rng, mention.objects[0])
    else:
        first, second = objects
        said = PAIRING.phrase(rng, first, second, mention.relation)
    opening = rng.choice(OPENINGS) + " " if rng.random() < 0.3 else ""
    return opening + said + ground(rng, mention.background)


def noun(rng: Random, said: ObjectMention) -> str:
    """An object with its adjectives and, as a rule, an article."""
    words = [rng.choice(SIZES[said.size])] if said.size else []
    words += [rng.choice(COLOURS[said.colour])] if said.colour else []
    words.append(rng.choice(SHAPES[said.shape]))
    (article,) = rng.choices(ARTICLES, (80, 4, 4, 12))
    if article == "a" and words[0][0] in "aeiou":
        article = "an"
    return " ".join([article, *words]).strip()


def place(rng: Random, said: ObjectMention) -> str:
    """Where on the canvas, with the space before it; may be ""."""
    if said.column == said.row == "centre":
        return " " + rng.choice(MIDDLE)
    if said.column and said.row:
        return " " + rng.choice(CORNERS).format(said.row, said.column)
    if said.column:
        return " " + rng.choice(COLUMNS[said.column])
    return " " + rng.choice(ROWS[said.row]) if said.row else ""


def ground(rng: Random, background: str | None) -> str:
    """The part that names the background, with the space before it; may be ""."""
    if background is None:
        return ""
    (form,) = rng.choices(GROUNDS, (75, 17, 8))
    return " " + form.format(rng.choice(BACKGROUNDS[background]))


def _words() -> frozenset[str]:
    tables = (COLOURS, BACKGROUNDS, SIZES, COLUMNS, ROWS)
    texts = [text for table in tables for texts in table.values() for text in texts]
    texts += [text for texts in SHAPES.values() for text in texts]
    texts += [*ARTICLES, "an", *OPENINGS, *GROUNDS, *MIDDLE, *CORNERS, *PAIRING.texts]
    return frozenset(re.findall(r"[a-z]+", " ".join(texts)))


WORDS = _words()
