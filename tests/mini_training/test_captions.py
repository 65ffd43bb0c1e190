"""Captions in three languages."""

from __future__ import annotations

import re
from random import Random

import pytest

from runner.mini.known import is_chinese
from training.captions import CHARACTERS, LANGUAGES, WORDS, caption
from training.known import known_in_training
from training.scenes import Mention, ObjectMention, mention_of, sample_scene

BESIDE = Mention(
    (ObjectMention("circle", "red"), ObjectMention("square", "blue")), "white", "left of"
)
BIG_LINE = Mention((ObjectMention("line", "blue", "large", "left", "top"),), "beige")


def wordings(language: str, mention: Mention, count: int = 400) -> set[str]:
    rng = Random(0)
    return {LANGUAGES[language](rng, mention) for _ in range(count)}


def captions(language: str, count: int) -> list[str]:
    rng = Random(1)
    return [LANGUAGES[language](rng, mention_of(rng, sample_scene(rng))) for _ in range(count)]


def test_a_caption_is_true_of_its_scene_and_uses_known_words_only() -> None:
    rng, known = Random(0), known_in_training()
    languages = set()
    for _ in range(3000):
        scene = sample_scene(rng)
        text, mention = caption(rng, scene)
        assert mention.allows(scene)
        assert known.unknown_words(text) == []
        languages.add("zh" if any(map(is_chinese, text)) else "ru" if max(text) >= "а" else "en")
    assert languages == {"en", "ru", "zh"}


def test_every_word_and_character_occurs_in_some_caption() -> None:
    texts = " ".join([*captions("en", 3000), *captions("ru", 6000)])
    assert set(re.findall(r"[^\W_]+", texts)) == WORDS
    assert {c for text in captions("zh", 3000) for c in text if is_chinese(c)} == CHARACTERS


@pytest.mark.parametrize("language", LANGUAGES)
def test_wording_varies(language: str) -> None:
    assert len(wordings(language, BESIDE)) >= 8


@pytest.mark.parametrize(
    ("language", "mention", "texts"),
    [
        ("en", BESIDE, ["a red circle to the left of a blue square on a white background",
                        "a blue square right of a red circle on a white background"]),
        ("en", BIG_LINE, ["a large blue line in the top left corner on a beige background"]),
        ("ru", BESIDE, ["красный круг слева от синего квадрата на белом фоне",
                        "синий квадрат справа от красного круга на белом фоне"]),
        ("ru", BIG_LINE, ["большая синяя линия слева вверху на бежевом фоне"]),
        ("zh", BESIDE, ["白色背景上有红色圆形在蓝色正方形的左边"]),
        ("zh", BIG_LINE, ["米色背景上有大的蓝色线条在左上角"]),
    ],
)  # fmt: skip
def test_wordings_are_such_as_these(language: str, mention: Mention, texts: list[str]) -> None:
    assert set(texts) <= wordings(language, mention, 6000)


def test_russian_nouns_and_adjectives_agree_in_gender_and_case() -> None:
    above = Mention((ObjectMention("line", "blue"), ObjectMention("ring", "red")), None, "above")
    said = {text.replace("ё", "е") for text in wordings("ru", above, 2000)}
    assert {"синяя линия над красным кольцом", "красное кольцо под синей линией"} <= said
